#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/partition_tail.h"
#include "wissel/agent/v1/agent_service.pb.h"
#include "wissel/command/v1/command.pb.h"

namespace wissel::agent_gateway {

/// A unary call that sends one command and waits for its outcome in the log. Owns itself until gRPC
/// is done with it. A refusal by the router is an outcome, not an error of the call.
class CommandCall final : public grpc::ServerUnaryReactor,
                          public OutcomeWaiter,
                          public Tickable,
                          public std::enable_shared_from_this<CommandCall> {
 public:
  /// `outcome` is part of the call's response. The reactor to give to gRPC.
  static grpc::ServerUnaryReactor* Start(Gateway& gateway, grpc::CallbackServerContext* context,
                                         command::v1::Command command,
                                         agent::v1::CommandOutcome* outcome);

  void OnCancel() override;
  void OnDone() override;
  void OnOutcome(const Entry& entry, const Entry* original) override;
  void Tick(absl::Time now) override;
  void GoAway() override {}  // its outcome is near

 private:
  CommandCall(Gateway& gateway, std::string command_id, Issuer issuer, Viewer viewer,
              agent::v1::CommandOutcome* outcome);

  void Append(command::v1::Command command, absl::string_view traceparent);
  void FinishOnce(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveUp(const absl::Status& status);

  Gateway& gateway_;
  const std::string command_id_;
  const Issuer issuer_;
  const Viewer viewer_;
  PartitionTail& tail_;
  const absl::Time started_;
  std::shared_ptr<CommandCall> self_;  // until OnDone

  Mutex mutex_;
  agent::v1::CommandOutcome* const outcome_ ABSL_PT_GUARDED_BY(mutex_);  // good until Finish
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace wissel::agent_gateway
