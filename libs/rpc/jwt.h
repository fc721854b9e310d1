#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace wissel::rpc {

/// Of a shared secret for HS256 (RFC 7518, 3.2).
constexpr size_t kMinSecretBytes = 32;

/// The signature algorithms that are accepted (RFC 7518, 3.1). `none` is not one of them.
enum class JwtAlgorithm { kHs256, kRs256, kEs256 };

/// What a token says about its bearer, as it stands in the token. Names of the private claims:
/// `wissel_ws` (workspace), `wissel_group` (routing group), `wissel_agent` (agent id) and
/// `wissel_roles` (a list of names).
struct Claims {
  std::string subject;                // `sub`
  std::string issuer;                 // `iss`, may be empty
  std::vector<std::string> audience;  // `aud`, may be empty
  std::string workspace;
  std::string routing_group;
  std::string agent;
  std::vector<std::string> roles;
  absl::Time expires_at = absl::InfinitePast();  // `exp`, required
  absl::Time not_before = absl::InfinitePast();  // `nbf`, optional
};

/// One key and the one algorithm it may be used with. A token that names another algorithm never
/// reaches the key, so an RSA public key cannot be made to serve as an HMAC secret.
struct JwtKey {
  std::string id;  // `kid`; empty when the key has none
  JwtAlgorithm algorithm = JwtAlgorithm::kHs256;
  std::string secret;                    // kHs256 only
  std::shared_ptr<EVP_PKEY> public_key;  // the others
};

/// An immutable set of keys. Thread-safe.
class JwtKeySet {
 public:
  /// Keys published as a JSON Web Key Set (RFC 7517): RSA of at least 2,048 bits and EC P-256. Keys
  /// meant for something else (`use` other than `sig`, another curve, symmetric ones, which have no
  /// place in a published set) are left out, as the RFC asks. INVALID_ARGUMENT when the document is
  /// not a key set or no usable key is left.
  static absl::StatusOr<JwtKeySet> FromJwks(absl::string_view json);

  /// One shared secret for HS256. INVALID_ARGUMENT when it is shorter than 32 bytes (RFC
  /// 7518, 3.2).
  static absl::StatusOr<JwtKeySet> FromSecret(absl::string_view secret,
                                              absl::string_view key_id = "");

  /// Both sets' keys.
  static JwtKeySet Merge(const JwtKeySet& a, const JwtKeySet& b);

  /// The key with this id and algorithm; for a token without a key id, the only key with the
  /// algorithm. Null when there is none, or when the choice is not clear.
  const JwtKey* Find(absl::string_view key_id, JwtAlgorithm algorithm) const;

 private:
  std::vector<JwtKey> keys_;
};

struct JwtVerifyOptions {
  std::string issuer;                         // required value of `iss`; empty: not checked
  std::string audience;                       // must be among `aud`; empty: not checked
  absl::Duration leeway = absl::Seconds(30);  // for clocks that differ, on `exp` and `nbf`
  size_t max_token_bytes = 8192;
};

/// Verifies a compact JWS (RFC 7515) and its claims (RFC 7519) at `now`.
/// UNAUTHENTICATED with a reason that is safe to show; NOT_FOUND when the token is well-formed but
/// no key fits it (fetching the keys again may help).
absl::StatusOr<Claims> VerifyJwt(absl::string_view token, const JwtKeySet& keys,
                                 const JwtVerifyOptions& options, absl::Time now);

/// Signs `claims` with HS256, as `wisselctl token` and tests do. INVALID_ARGUMENT for a secret
/// shorter than 32 bytes.
absl::StatusOr<std::string> MintJwt(const Claims& claims, absl::string_view secret,
                                    absl::string_view key_id, absl::Time now);

}  // namespace wissel::rpc
