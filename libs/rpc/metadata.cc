#include "libs/rpc/metadata.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace wissel::rpc {

absl::string_view ClientMetadata(const grpc::ServerContextBase& context, absl::string_view key) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(grpc::string_ref(key.data(), key.size()));
  if (found == metadata.end()) return "";
  return absl::string_view(found->second.data(), found->second.size());
}

absl::string_view BearerToken(const grpc::ServerContextBase& context) {
  const absl::string_view header = ClientMetadata(context, kAuthorizationKey);
  // The scheme's name is case-insensitive (RFC 9110, 11.1).
  if (!absl::StartsWithIgnoreCase(header, kBearerPrefix)) return "";
  return absl::StripAsciiWhitespace(header.substr(sizeof(kBearerPrefix) - 1));
}

}  // namespace wissel::rpc
