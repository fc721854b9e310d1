#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace wissel::rpc {

/// Who calls a service in a test of who may.
struct TestCallers {
  std::string secret;  // that the service verifies tokens with, by HS256
  std::string workspace;
  std::string subject;
  std::vector<std::string> allowed_roles;  // each of them may call every method
  std::vector<std::string> other_roles;    // none of them may call any
  // What an empty request may be answered with, by who may call.
  std::vector<absl::StatusCode> answers;
};

struct TestCallsAnswered {
  /// A line for each call that was not answered as it must be.
  std::vector<std::string> wrong;
  int methods = 0;
  // Of all calls.
  int unauthenticated = 0;
  int denied = 0;
};

/// Calls every method of the service, as its descriptor has them, with an empty request: without a
/// token, with a forged one and with one that has expired, each of which must be UNAUTHENTICATED;
/// with one that has no role and with each of the other roles, which must be PERMISSION_DENIED for
/// the role's sake; and with each of the allowed ones, which must be one of `answers`, and nothing
/// for the role's sake.
///
/// `service` is the service's full name; its code must be linked in.
TestCallsAnswered CallEveryMethod(const std::string& service,
                                  const std::shared_ptr<grpc::Channel>& channel,
                                  const TestCallers& callers);

}  // namespace wissel::rpc
