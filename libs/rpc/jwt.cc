#include "libs/rpc/jwt.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/base64.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"

namespace wissel::rpc {
namespace {

namespace json = boost::json;

constexpr int kMinRsaBits = 2048;
constexpr size_t kEs256CoordinateBytes = 32;
constexpr size_t kMaxJsonDepth = 8;

template <typename T, void (*kFree)(T*)>
struct Deleter {
  void operator()(T* p) const { kFree(p); }
};
template <typename T, void (*kFree)(T*)>
using Owned = std::unique_ptr<T, Deleter<T, kFree>>;

std::optional<std::string> DecodeBase64Url(absl::string_view text) {
  absl::StatusOr<std::string> bytes = Base64UrlDecode(text);
  if (!bytes.ok()) return std::nullopt;
  return *std::move(bytes);
}

std::optional<json::object> ParseObject(absl::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  json::error_code error;
  json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, json::storage_ptr(), options);
  if (error || !value.is_object()) return std::nullopt;
  return std::move(value.as_object());
}

// Empty for a member that is missing or not a string.
std::string StringMember(const json::object& object, json::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return "";
  return std::string(value->get_string().data(), value->get_string().size());
}

// A string or a list of strings; nullopt for anything else.
std::optional<std::vector<std::string>> StringsMember(const json::object& object,
                                                      json::string_view name) {
  std::vector<std::string> strings;
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return strings;
  if (value->is_string()) {
    strings.push_back(StringMember(object, name));
    return strings;
  }
  if (!value->is_array()) return std::nullopt;
  for (const json::value& item : value->get_array()) {
    if (!item.is_string()) return std::nullopt;
    strings.emplace_back(item.get_string().data(), item.get_string().size());
  }
  return strings;
}

// A NumericDate (RFC 7519, 2): seconds since 1970, fractions allowed.
std::optional<absl::Time> TimeMember(const json::object& object, json::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  json::error_code error;
  const double seconds = value->to_number<double>(error);
  if (error || !std::isfinite(seconds) || std::fabs(seconds) > 1e12) return std::nullopt;
  return absl::UnixEpoch() + absl::Seconds(seconds);
}

std::optional<JwtAlgorithm> AlgorithmFromName(absl::string_view name) {
  if (name == "HS256") return JwtAlgorithm::kHs256;
  if (name == "RS256") return JwtAlgorithm::kRs256;
  if (name == "ES256") return JwtAlgorithm::kEs256;
  return std::nullopt;
}

using PKeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using ParamBuilder = Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = Owned<OSSL_PARAM, OSSL_PARAM_free>;
using BigNumber = Owned<BIGNUM, BN_free>;

std::shared_ptr<EVP_PKEY> PublicKeyFromParams(const char* type, OSSL_PARAM_BLD* builder) {
  Params params(OSSL_PARAM_BLD_to_param(builder));
  PKeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return std::shared_ptr<EVP_PKEY>(key, EVP_PKEY_free);
}

BigNumber ToBigNumber(const std::string& bytes) {
  return BigNumber(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr));
}

// RFC 7518, 6.3.1.
std::shared_ptr<EVP_PKEY> RsaKey(const json::object& jwk) {
  const auto modulus = DecodeBase64Url(StringMember(jwk, "n"));
  const auto exponent = DecodeBase64Url(StringMember(jwk, "e"));
  if (!modulus || !exponent || modulus->empty() || exponent->empty()) return nullptr;
  const BigNumber n = ToBigNumber(*modulus);
  const BigNumber e = ToBigNumber(*exponent);
  if (n == nullptr || e == nullptr || BN_num_bits(n.get()) < kMinRsaBits) return nullptr;
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return PublicKeyFromParams("RSA", builder.get());
}

// RFC 7518, 6.2.1, as an uncompressed point (SEC 1, 2.3.3).
std::shared_ptr<EVP_PKEY> EcKey(const json::object& jwk) {
  const auto x = DecodeBase64Url(StringMember(jwk, "x"));
  const auto y = DecodeBase64Url(StringMember(jwk, "y"));
  if (!x || !y || x->size() != kEs256CoordinateBytes || y->size() != kEs256CoordinateBytes ||
      StringMember(jwk, "crv") != "P-256") {
    return nullptr;
  }
  const std::string point = absl::StrCat("\x04", *x, *y);
  ParamBuilder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return PublicKeyFromParams("EC", builder.get());
}

std::optional<JwtKey> KeyFromJwk(const json::object& jwk) {
  const std::string use = StringMember(jwk, "use");
  if (!use.empty() && use != "sig") return std::nullopt;
  const std::string type = StringMember(jwk, "kty");
  const std::string algorithm = StringMember(jwk, "alg");
  JwtKey key;
  key.id = StringMember(jwk, "kid");
  if (type == "RSA" && (algorithm.empty() || algorithm == "RS256")) {
    key.algorithm = JwtAlgorithm::kRs256;
    key.public_key = RsaKey(jwk);
  } else if (type == "EC" && (algorithm.empty() || algorithm == "ES256")) {
    key.algorithm = JwtAlgorithm::kEs256;
    key.public_key = EcKey(jwk);
  }
  if (key.public_key == nullptr) return std::nullopt;
  return key;
}

// ECDSA signatures are r || s in a JWS (RFC 7518, 3.4) and DER in OpenSSL. Empty on failure.
std::vector<unsigned char> DerFromRawEcdsa(absl::string_view raw) {
  if (raw.size() != 2 * kEs256CoordinateBytes) return {};
  Owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  BigNumber r = ToBigNumber(std::string(raw.substr(0, kEs256CoordinateBytes)));
  BigNumber s = ToBigNumber(std::string(raw.substr(kEs256CoordinateBytes)));
  if (ECDSA_SIG_set0(signature.get(), r.release(), s.release()) != 1) return {};
  const int size = i2d_ECDSA_SIG(signature.get(), nullptr);
  if (size <= 0) return {};
  std::vector<unsigned char> der(static_cast<size_t>(size));
  unsigned char* end = der.data();
  i2d_ECDSA_SIG(signature.get(), &end);
  return der;
}

bool VerifyPublicKey(EVP_PKEY* key, absl::string_view input, const unsigned char* signature,
                     size_t signature_size) {
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature, signature_size,
                          reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
}

bool SignatureMatches(const JwtKey& key, absl::string_view input, absl::string_view signature) {
  switch (key.algorithm) {
    case JwtAlgorithm::kHs256: {
      const std::string expected = HmacSha256(key.secret, input);
      return expected.size() == signature.size() &&
             CRYPTO_memcmp(expected.data(), signature.data(), expected.size()) == 0;
    }
    case JwtAlgorithm::kRs256:
      return VerifyPublicKey(key.public_key.get(), input,
                             reinterpret_cast<const unsigned char*>(signature.data()),
                             signature.size());
    case JwtAlgorithm::kEs256: {
      const std::vector<unsigned char> der = DerFromRawEcdsa(signature);
      return !der.empty() && VerifyPublicKey(key.public_key.get(), input, der.data(), der.size());
    }
  }
  return false;
}

absl::Status CheckTimes(const json::object& payload, const JwtVerifyOptions& options,
                        absl::Time now, Claims& claims) {
  const auto expires_at = TimeMember(payload, "exp");
  if (!expires_at) return absl::UnauthenticatedError("token has no expiry");
  if (now >= *expires_at + options.leeway) return absl::UnauthenticatedError("token has expired");
  claims.expires_at = *expires_at;
  if (!payload.contains("nbf")) return absl::OkStatus();
  const auto not_before = TimeMember(payload, "nbf");
  if (!not_before) return absl::UnauthenticatedError("token's nbf is not a time");
  if (now < *not_before - options.leeway) {
    return absl::UnauthenticatedError("token is not valid yet");
  }
  claims.not_before = *not_before;
  return absl::OkStatus();
}

absl::StatusOr<Claims> CheckClaims(const json::object& payload, const JwtVerifyOptions& options,
                                   absl::Time now) {
  Claims claims;
  WISSEL_RETURN_IF_ERROR(CheckTimes(payload, options, now, claims));
  claims.issuer = StringMember(payload, "iss");
  if (!options.issuer.empty() && claims.issuer != options.issuer) {
    return absl::UnauthenticatedError("token is from another issuer");
  }
  auto audience = StringsMember(payload, "aud");
  auto roles = StringsMember(payload, "wissel_roles");
  if (!audience || !roles) return absl::UnauthenticatedError("token's claims are malformed");
  claims.audience = *std::move(audience);
  claims.roles = *std::move(roles);
  if (!options.audience.empty() && std::find(claims.audience.begin(), claims.audience.end(),
                                             options.audience) == claims.audience.end()) {
    return absl::UnauthenticatedError("token is for another audience");
  }
  claims.subject = StringMember(payload, "sub");
  claims.workspace = StringMember(payload, "wissel_ws");
  claims.routing_group = StringMember(payload, "wissel_group");
  claims.agent = StringMember(payload, "wissel_agent");
  if (claims.subject.empty()) return absl::UnauthenticatedError("token has no subject");
  if (claims.workspace.empty()) return absl::UnauthenticatedError("token has no workspace");
  return claims;
}

}  // namespace

absl::StatusOr<JwtKeySet> JwtKeySet::FromJwks(absl::string_view text) {
  const auto document = ParseObject(text);
  const json::value* keys = document ? document->if_contains("keys") : nullptr;
  if (keys == nullptr || !keys->is_array()) {
    return absl::InvalidArgumentError("not a JSON Web Key Set: no list `keys`");
  }
  JwtKeySet set;
  for (const json::value& item : keys->get_array()) {
    if (!item.is_object()) continue;
    if (auto key = KeyFromJwk(item.get_object())) set.keys_.push_back(*std::move(key));
  }
  if (set.keys_.empty()) {
    return absl::InvalidArgumentError(
        "the key set holds no key for RS256 (2,048 bits or more) or ES256 (P-256)");
  }
  return set;
}

absl::StatusOr<JwtKeySet> JwtKeySet::FromSecret(absl::string_view secret,
                                                absl::string_view key_id) {
  if (secret.size() < kMinSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an HS256 secret has at least ", kMinSecretBytes, " bytes"));
  }
  JwtKeySet set;
  set.keys_.push_back({.id = std::string(key_id),
                       .algorithm = JwtAlgorithm::kHs256,
                       .secret = std::string(secret),
                       .public_key = nullptr});
  return set;
}

JwtKeySet JwtKeySet::Merge(const JwtKeySet& a, const JwtKeySet& b) {
  JwtKeySet merged = a;
  merged.keys_.insert(merged.keys_.end(), b.keys_.begin(), b.keys_.end());
  return merged;
}

const JwtKey* JwtKeySet::Find(absl::string_view key_id, JwtAlgorithm algorithm) const {
  const JwtKey* found = nullptr;
  for (const JwtKey& key : keys_) {
    if (key.algorithm != algorithm || (!key_id.empty() && key.id != key_id)) continue;
    if (found != nullptr) return nullptr;
    found = &key;
  }
  return found;
}

absl::StatusOr<Claims> VerifyJwt(absl::string_view token, const JwtKeySet& keys,
                                 const JwtVerifyOptions& options, absl::Time now) {
  if (token.size() > options.max_token_bytes) {
    return absl::UnauthenticatedError("token is too large");
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  if (parts.size() != 3) return absl::UnauthenticatedError("token is not a JWT");
  const auto header_text = DecodeBase64Url(parts[0]);
  const auto payload_text = DecodeBase64Url(parts[1]);
  const auto signature = DecodeBase64Url(parts[2]);
  if (!header_text || !payload_text || !signature) {
    return absl::UnauthenticatedError("token is not a JWT");
  }
  const auto header = ParseObject(*header_text);
  if (!header) return absl::UnauthenticatedError("token is not a JWT");
  // RFC 7515, 4.1.11: extensions that are marked critical and not understood make it invalid.
  if (header->contains("crit")) {
    return absl::UnauthenticatedError("token uses an extension that is not supported");
  }
  const auto algorithm = AlgorithmFromName(StringMember(*header, "alg"));
  if (!algorithm) return absl::UnauthenticatedError("token's algorithm is not accepted");
  const JwtKey* key = keys.Find(StringMember(*header, "kid"), *algorithm);
  if (key == nullptr) return absl::NotFoundError("no key for this token");
  const absl::string_view signed_input = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!SignatureMatches(*key, signed_input, *signature)) {
    return absl::UnauthenticatedError("token's signature is wrong");
  }
  // Only now is the payload worth parsing: its author holds the key.
  const auto payload = ParseObject(*payload_text);
  if (!payload) return absl::UnauthenticatedError("token's claims are malformed");
  return CheckClaims(*payload, options, now);
}

absl::StatusOr<std::string> MintJwt(const Claims& claims, absl::string_view secret,
                                    absl::string_view key_id, absl::Time now) {
  if (secret.size() < kMinSecretBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("an HS256 secret has at least ", kMinSecretBytes, " bytes"));
  }
  const auto view = [](absl::string_view s) { return json::string_view(s.data(), s.size()); };
  const auto list = [&](const std::vector<std::string>& items) {
    json::array array;
    for (const std::string& item : items) array.emplace_back(view(item));
    return array;
  };
  json::object header{{"alg", "HS256"}, {"typ", "JWT"}};
  if (!key_id.empty()) header["kid"] = view(key_id);
  json::object payload{{"sub", view(claims.subject)},
                       {"wissel_ws", view(claims.workspace)},
                       {"iat", absl::ToUnixSeconds(now)},
                       {"exp", absl::ToUnixSeconds(claims.expires_at)},
                       {"wissel_roles", list(claims.roles)}};
  if (!claims.issuer.empty()) payload["iss"] = view(claims.issuer);
  if (!claims.audience.empty()) payload["aud"] = list(claims.audience);
  if (!claims.routing_group.empty()) payload["wissel_group"] = view(claims.routing_group);
  if (!claims.agent.empty()) payload["wissel_agent"] = view(claims.agent);
  if (claims.not_before > absl::UnixEpoch()) {
    payload["nbf"] = absl::ToUnixSeconds(claims.not_before);
  }
  const std::string input = absl::StrCat(Base64UrlEncode(json::serialize(header)), ".",
                                         Base64UrlEncode(json::serialize(payload)));
  return absl::StrCat(input, ".", Base64UrlEncode(HmacSha256(secret, input)));
}

}  // namespace wissel::rpc
