#include "services/admin/config_topic.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/bus/content_type.h"

namespace wissel::admin {
namespace {

constexpr int32_t kPartition = 0;
constexpr size_t kBatch = 1000;
constexpr absl::Duration kReadTimeout = absl::Seconds(10);
// Longer than a bus takes to give an append up.
constexpr absl::Duration kAppendTimeout = absl::Minutes(2);

}  // namespace

absl::Status NotNext(int64_t in_force, int64_t version) {
  return absl::FailedPreconditionError(absl::StrCat(
      "version ", in_force, " is in force: the next is ", in_force + 1, ", not ", version));
}

absl::Status ConfigTopic::CatchUp(Appended* ours) {
  if (reader_ == nullptr) {
    WISSEL_ASSIGN_OR_RETURN(reader_, bus_.OpenReader(bus::Topic::kConfig, kPartition, {}));
  }
  WISSEL_ASSIGN_OR_RETURN(int64_t end, reader_->EndOffset());
  if (ours != nullptr) end = std::max(end, ours->offset + 1);
  const Timeout limit(kReadTimeout);
  while (reader_->position() < end) {
    if (limit.Expired()) return absl::UnavailableError("the configuration topic does not answer");
    WISSEL_ASSIGN_OR_RETURN(const auto records, reader_->Poll(kBatch, limit.Remaining()));
    for (const bus::Record& record : records) {
      config::v1::WorkspaceConfig config;
      const bool valid = config.ParseFromString(record.value) && history_.Accept(config);
      if (ours != nullptr &&
          (ours->offset >= 0 ? record.offset == ours->offset : record.value == ours->value)) {
        ours->counts = ours->counts || valid;
      }
      if (valid) configs_[config.workspace_id()] = std::move(config);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<config::v1::WorkspaceConfig> ConfigTopic::Get(const std::string& workspace_id) {
  MutexLock lock(mutex_);
  WISSEL_RETURN_IF_ERROR(CatchUp(nullptr));
  const auto found = configs_.find(workspace_id);
  return found == configs_.end() ? config::v1::WorkspaceConfig() : found->second;
}

absl::Status ConfigTopic::Apply(const config::v1::WorkspaceConfig& config) {
  MutexLock lock(mutex_);
  WISSEL_RETURN_IF_ERROR(CatchUp(nullptr));
  if (const int64_t in_force = history_.VersionOf(config.workspace_id());
      config.version() != in_force + 1) {
    return NotNext(in_force, config.version());
  }

  if (appender_ == nullptr) appender_ = bus_.NewAppender({});
  struct Answer {
    Notification given;
    absl::StatusOr<int64_t> offset;
  };
  const auto answer = std::make_shared<Answer>();
  const std::string value = config.SerializeAsString();
  appender_->Append({.topic = bus::Topic::kConfig,
                     .partition = kPartition,
                     .key = config.workspace_id(),
                     .value = value,
                     .headers = {bus::ContentTypeHeader(config.GetDescriptor()->full_name())}},
                    [answer](absl::StatusOr<int64_t> offset) {
                      answer->offset = std::move(offset);
                      answer->given.Notify();
                    });
  if (!answer->given.WaitFor(kAppendTimeout)) {
    return absl::UnavailableError("not acknowledged: it may be in force all the same");
  }
  if (!answer->offset.ok()) {
    return Annotate(answer->offset.status(), "appending the configuration");
  }
  Appended ours{.offset = *answer->offset, .value = value};
  if (absl::Status status = CatchUp(&ours); !status.ok()) {
    return Annotate(status, "appended, it may be in force; reading it back");
  }
  return ours.counts ? absl::OkStatus()
                     : NotNext(history_.VersionOf(config.workspace_id()), config.version());
}

}  // namespace wissel::admin
