#pragma once

// Keys, certificates and tokens made on the spot, for the tests of this folder.

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel::rpc {

using TestKey = std::shared_ptr<EVP_PKEY>;

TestKey MakeRsaKey(int bits = 2048);
TestKey MakeEcKey(const char* curve = "P-256");
std::string PrivateKeyPem(const TestKey& key);
std::string PublicKeyPem(const TestKey& key);

/// One JWK. `alg` may be empty.
std::string RsaJwk(const TestKey& key, absl::string_view kid, absl::string_view alg = "RS256");
std::string EcJwk(const TestKey& key, absl::string_view kid, absl::string_view alg = "ES256");

/// A compact JWS with this header and payload, signed with SHA-256 and the key; ECDSA signatures
/// are written as RFC 7518, 3.4 wants them.
std::string SignJws(absl::string_view header, absl::string_view payload, const TestKey& key);
/// The same with HMAC-SHA256, whatever the header says.
std::string HmacJws(absl::string_view header, absl::string_view payload, absl::string_view secret);

struct TestCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// An authority, and certificates for `localhost` that it signs.
class TestAuthority {
 public:
  TestAuthority();
  const std::string& certificate_pem() const { return certificate_pem_; }
  TestCertificate Issue(const char* common_name) const;

 private:
  TestKey key_;
  std::shared_ptr<X509> certificate_;
  std::string certificate_pem_;
};

}  // namespace wissel::rpc
