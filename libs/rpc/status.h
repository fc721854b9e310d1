#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace wissel::rpc {

/// The wire form of `status`: code and message, nothing else. absl's codes are gRPC's.
grpc::Status ToGrpc(const absl::Status& status);

/// The reverse. A code outside the range that gRPC defines becomes UNKNOWN with the number in the
/// message. An empty message becomes the code's name.
absl::Status FromGrpc(const grpc::Status& status);

/// What a service tells its caller of an answer that the service itself got, from Kafka or Redis:
/// UNAUTHENTICATED and PERMISSION_DENIED are about the service's own credentials there, and would
/// be taken for a word about the caller's token. They become UNAVAILABLE; the message stays.
absl::Status OfDependency(const absl::Status& status);

template <class T>
absl::StatusOr<T> OfDependency(absl::StatusOr<T> answer) {
  if (!answer.ok()) return OfDependency(answer.status());
  return answer;
}

}  // namespace wissel::rpc
