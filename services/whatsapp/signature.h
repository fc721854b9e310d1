#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel::whatsapp {

// The header X-Hub-Signature-256 for a body: "sha256=" and 64 lower-case hex digits of HMAC-SHA256
// under the app's secret. Source: developers.facebook.com/docs/graph-api/webhooks/getting-started,
// "Validating Payloads".
std::string Sign(absl::string_view app_secret, absl::string_view body);

// Whether `header` is the signature of `body`. The time taken depends on the sizes alone.
bool SignatureMatches(absl::string_view app_secret, absl::string_view body,
                      absl::string_view header);

// Whether both are the same and not empty. The time taken depends on the sizes alone.
bool SecretsEqual(absl::string_view given, absl::string_view secret);

}  // namespace wissel::whatsapp
