#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/clock.h"
#include "libs/bus/bus.h"
#include "libs/rpc/auth.h"
#include "services/admin/config_topic.h"
#include "services/admin/dead_letters.h"
#include "services/admin/metrics.h"
#include "services/admin/topic_check.h"
#include "wissel/admin/v1/admin_service.pb.h"

namespace wissel::admin {

// What the admin service does, without the wire: one function an RPC, its errors as
// wissel/admin/v1/admin_service.proto says. The caller's role has been checked. Thread-safe;
// everything blocks on the log.
class Admin {
 public:
  struct Options {
    // Its admins also see the dead letters that belong to no workspace, and make topics; empty:
    // nobody does.
    std::string operator_workspace;
    absl::Duration log_retention = TopicNeeds::kLogRetention;
    int64_t dead_letters_per_call = 10'000;
    // What the log takes; as the routers have it.
    size_t max_record_bytes = bus::kMaxRecordBytes;
  };

  Admin(bus::Bus& bus, const Clock& clock, Metrics& metrics, Options options);

  absl::StatusOr<v1::ApplyConfigResponse> ApplyConfig(const rpc::Principal& caller,
                                                      const v1::ApplyConfigRequest& request);
  absl::StatusOr<v1::GetConfigResponse> GetConfig(const rpc::Principal& caller,
                                                  const v1::GetConfigRequest& request);
  absl::StatusOr<v1::ListDeadLettersResponse> ListDeadLetters(
      const rpc::Principal& caller, const v1::ListDeadLettersRequest& request);
  absl::StatusOr<v1::GetDeadLetterResponse> GetDeadLetter(const rpc::Principal& caller,
                                                          const v1::GetDeadLetterRequest& request);
  absl::StatusOr<v1::ReplayDeadLetterResponse> ReplayDeadLetter(
      const rpc::Principal& caller, const v1::ReplayDeadLetterRequest& request);
  absl::StatusOr<v1::CreateTopicsResponse> CreateTopics(const rpc::Principal& caller,
                                                        const v1::CreateTopicsRequest& request);
  absl::StatusOr<v1::CheckTopicsResponse> CheckTopics(const rpc::Principal& caller,
                                                      const v1::CheckTopicsRequest& request);

 private:
  // `outcome`, as the metric has it, changes where another is decided.
  absl::StatusOr<v1::ApplyConfigResponse> Apply(const rpc::Principal& caller,
                                                const v1::ApplyConfigRequest& request,
                                                absl::string_view& outcome);
  DeadLetters::Filter SeenBy(const rpc::Principal& caller) const;

  bus::Bus& bus_;
  const Clock& clock_;
  Metrics& metrics_;
  const Options options_;
  ConfigTopic configs_;
  DeadLetters dead_letters_;
};

}  // namespace wissel::admin
