#include "services/whatsapp/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "absl/strings/str_cat.h"
#include "libs/base/hex.h"

namespace wissel::whatsapp {

std::string Sign(absl::string_view app_secret, absl::string_view body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), app_secret.data(), static_cast<int>(app_secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &length);
  return absl::StrCat("sha256=", HexEncode({reinterpret_cast<const char*>(digest), length}));
}

bool SignatureMatches(absl::string_view app_secret, absl::string_view body,
                      absl::string_view header) {
  return SecretsEqual(header, Sign(app_secret, body));
}

bool SecretsEqual(absl::string_view given, absl::string_view secret) {
  return !secret.empty() && given.size() == secret.size() &&
         CRYPTO_memcmp(given.data(), secret.data(), secret.size()) == 0;
}

}  // namespace wissel::whatsapp
