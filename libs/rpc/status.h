#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace wissel::rpc {

/// The wire form of `status`: code and message, nothing else. absl's codes are gRPC's.
grpc::Status ToGrpc(const absl::Status& status);

/// The reverse. A code outside the range that gRPC defines becomes UNKNOWN with the number in the
/// message. An empty message becomes the code's name.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace wissel::rpc
