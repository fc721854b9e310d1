#include "libs/rpc/test_callers.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/status.h"

namespace wissel::rpc {
namespace {

// One empty message, whatever the method streams, until the server has said its status.
absl::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::string& token) {
  grpc::ClientContext context;
  Prepare({.timeout = absl::Seconds(30), .token = token}, context);
  grpc::CompletionQueue queue;
  const auto await = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  grpc::GenericStub stub(channel);
  const auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  await();
  const grpc::Slice nothing("");
  call->WriteLast(grpc::ByteBuffer(&nothing, 1), grpc::WriteOptions(), nullptr);
  await();
  grpc::ByteBuffer answer;
  do {
    call->Read(&answer, nullptr);
  } while (await());
  grpc::Status status;
  call->Finish(&status, nullptr);
  await();
  return FromGrpc(status);
}

// What the service itself refuses to an admin of another workspace, say, does not name a role.
bool IsForTheRole(const absl::Status& status) {
  return absl::IsPermissionDenied(status) && absl::StrContains(status.message(), " role");
}

class Walk {
 public:
  Walk(std::shared_ptr<grpc::Channel> channel, const TestCallers& callers)
      : channel_(std::move(channel)), callers_(callers) {}

  void Visit(const std::string& method) {
    ++answered_.methods;
    const std::string& any = callers_.allowed_roles.at(0);
    const std::string stranger(kMinSecretBytes, '?');
    const std::string& secret = callers_.secret;
    const absl::Duration hour = absl::Hours(1);
    Expect(method, "without a token", "", &absl::IsUnauthenticated);
    Expect(method, "with a forged token", Token({any}, hour, stranger), &absl::IsUnauthenticated);
    Expect(method, "with an old token", Token({any}, -hour, secret), &absl::IsUnauthenticated);
    Expect(method, "without a role", Token({}, hour, secret), &IsForTheRole);
    for (const std::string& role : callers_.other_roles) {
      Expect(method, absl::StrCat("as ", role), Token({role}, hour, secret), &IsForTheRole);
    }
    for (const std::string& role : callers_.allowed_roles) {
      Expect(method, absl::StrCat("as ", role), Token({role}, hour, secret),
             [this](const absl::Status& status) {
               const std::vector<absl::StatusCode>& answers = callers_.answers;
               return std::find(answers.begin(), answers.end(), status.code()) != answers.end() &&
                      !IsForTheRole(status);
             });
    }
  }
  TestCallsAnswered answered() && { return std::move(answered_); }

 private:
  std::string Token(std::vector<std::string> roles, absl::Duration lifetime,
                    const std::string& secret) const {
    const absl::Time now = absl::Now();
    return *MintJwt({.subject = callers_.subject,
                     .workspace = callers_.workspace,
                     .roles = std::move(roles),
                     .expires_at = now + lifetime},
                    secret, "", now);
  }

  template <class Matcher>
  void Expect(const std::string& method, const std::string& how, const std::string& token,
              Matcher matches) {
    const absl::Status status = Call(channel_, method, token);
    if (absl::IsUnauthenticated(status)) ++answered_.unauthenticated;
    if (absl::IsPermissionDenied(status)) ++answered_.denied;
    if (matches(status)) return;
    answered_.wrong.push_back(absl::StrCat(method, " ", how, ": ", status.ToString()));
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const TestCallers& callers_;
  TestCallsAnswered answered_;
};

}  // namespace

TestCallsAnswered CallEveryMethod(const std::string& service,
                                  const std::shared_ptr<grpc::Channel>& channel,
                                  const TestCallers& callers) {
  const auto* descriptor =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
  WISSEL_CHECK(descriptor != nullptr);
  Walk walk(channel, callers);
  for (int i = 0; i < descriptor->method_count(); ++i) {
    walk.Visit(absl::StrCat("/", service, "/", descriptor->method(i)->name()));
  }
  return std::move(walk).answered();
}

}  // namespace wissel::rpc
