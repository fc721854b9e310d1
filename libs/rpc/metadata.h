#pragma once

#include <grpcpp/server_context.h>

#include "absl/strings/string_view.h"

namespace wissel::rpc {

inline constexpr char kAuthorizationKey[] = "authorization";
inline constexpr char kBearerPrefix[] = "Bearer ";
/// W3C trace context, sections 3.2 and 3.3.
inline constexpr char kTraceparentKey[] = "traceparent";
inline constexpr char kTracestateKey[] = "tracestate";

/// The first value that the client sent under `key` (lower case), or empty. Valid as long as the
/// context.
absl::string_view ClientMetadata(const grpc::ServerContextBase& context, absl::string_view key);

/// The token of an `authorization: Bearer` header (RFC 6750, 2.1), or empty.
absl::string_view BearerToken(const grpc::ServerContextBase& context);

}  // namespace wissel::rpc
