#include "services/whatsapp/signature.h"

#include <openssl/crypto.h>

#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/hex.h"

namespace wissel::whatsapp {

std::string Sign(absl::string_view app_secret, absl::string_view body) {
  return absl::StrCat("sha256=", HexEncode(HmacSha256(app_secret, body)));
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
