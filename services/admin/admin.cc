#include "services/admin/admin.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/domain/config_validation.h"
#include "libs/rpc/status.h"
#include "services/admin/config_diff.h"
#include "services/admin/topic_check.h"

namespace wissel::admin {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 500;
constexpr int kMostPartitions = 1024;
constexpr int kMostReplicas = 10;

// What is wrong with putting it in force after `before`.
std::vector<std::string> CheckSuccession(const config::v1::WorkspaceConfig& before,
                                         const config::v1::WorkspaceConfig& config) {
  std::vector<std::string> errors;
  for (const config::v1::RoutingGroup& group : before.routing_groups()) {
    const auto& groups = config.routing_groups();
    const std::string& id = group.routing_group_id();
    if (std::any_of(groups.begin(), groups.end(),
                    [&](const auto& g) { return g.routing_group_id() == id; })) {
      continue;
    }
    errors.push_back(absl::StrCat(
        "routing_groups[", id,
        "]: missing; nobody could work its conversations any more. Leave it, without accounts, "
        "queues and agents"));
  }
  return errors;
}

}  // namespace

Admin::Admin(bus::Bus& bus, const Clock& clock, Metrics& metrics, Options options)
    : bus_(bus),
      clock_(clock),
      metrics_(metrics),
      options_(std::move(options)),
      configs_(bus),
      dead_letters_(bus, options_.dead_letters_per_call) {}

absl::StatusOr<v1::ApplyConfigResponse> Admin::ApplyConfig(const rpc::Principal& caller,
                                                           const v1::ApplyConfigRequest& request) {
  if (request.config().workspace_id() != caller.workspace.value()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the configuration is of workspace \"", request.config().workspace_id(),
                     "\", the token of \"", caller.workspace.value(), "\""));
  }
  absl::string_view outcome = "failed";
  auto response = Apply(caller, request, outcome);
  metrics_.applies.With({outcome}).Increment();
  return response;
}

absl::StatusOr<v1::ApplyConfigResponse> Admin::Apply(const rpc::Principal& caller,
                                                     const v1::ApplyConfigRequest& request,
                                                     absl::string_view& outcome) {
  config::v1::WorkspaceConfig config = request.config();
  *config.mutable_applied_time() = ToProto(clock_.Now());
  domain::ConfigFindings findings =
      domain::ValidateConfig(config, domain::MaxConfigBytes(options_.max_record_bytes));
  const auto refuse = [&outcome](const std::vector<std::string>& errors) {
    outcome = "invalid";
    return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  };
  // What is wrong in itself is said even while the log does not answer.
  if (!findings.errors.empty()) return refuse(findings.errors);
  WISSEL_ASSIGN_OR_RETURN(const config::v1::WorkspaceConfig before,
                          rpc::OfDependency(configs_.Get(config.workspace_id())));
  // What follows looks at what it comes after, so it must come right after that.
  if (config.version() != before.version() + 1 && !(request.dry_run() && config.version() == 0)) {
    outcome = "conflict";
    return NotNext(before.version(), config.version());
  }
  if (const auto errors = CheckSuccession(before, config); !errors.empty()) return refuse(errors);

  v1::ApplyConfigResponse response;
  response.set_version(before.version() + 1);
  for (v1::Difference& difference : Diff(before, config)) {
    *response.add_differences() = std::move(difference);
  }
  for (std::string& warning : findings.warnings) response.add_warnings(std::move(warning));
  if (request.dry_run()) {
    outcome = "dry_run";
    return response;
  }
  config.set_applied_by(caller.subject);
  const absl::Status applied = configs_.Apply(config);
  if (absl::IsFailedPrecondition(applied)) outcome = "conflict";
  WISSEL_RETURN_IF_ERROR(rpc::OfDependency(applied));
  outcome = "applied";
  return response;
}

absl::StatusOr<v1::GetConfigResponse> Admin::GetConfig(const rpc::Principal& caller,
                                                       const v1::GetConfigRequest&) {
  v1::GetConfigResponse response;
  WISSEL_ASSIGN_OR_RETURN(*response.mutable_config(),
                          rpc::OfDependency(configs_.Get(caller.workspace.value())));
  if (response.config().version() == 0) {
    return absl::NotFoundError(
        absl::StrCat("workspace ", caller.workspace.value(), " has no configuration yet"));
  }
  return response;
}

DeadLetters::Filter Admin::SeenBy(const rpc::Principal& caller) const {
  const std::string& workspace = caller.workspace.value();
  const bool is_operator = workspace == options_.operator_workspace;
  return [workspace, is_operator](const deadletter::v1::DeadLetter& letter) {
    return letter.workspace_id().empty() ? is_operator : letter.workspace_id() == workspace;
  };
}

absl::StatusOr<v1::ListDeadLettersResponse> Admin::ListDeadLetters(
    const rpc::Principal& caller, const v1::ListDeadLettersRequest& request) {
  const int size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  if (size < 1 || size > kLargestPage) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size: ", size, "; from 1 to ", kLargestPage));
  }
  WISSEL_ASSIGN_OR_RETURN(DeadLetters::Page page,
                          rpc::OfDependency(dead_letters_.List(
                              SeenBy(caller), static_cast<size_t>(size), request.page_token())));
  v1::ListDeadLettersResponse response;
  for (deadletter::v1::DeadLetter& letter : page.letters) {
    *response.add_dead_letters() = std::move(letter);
  }
  response.set_next_page_token(std::move(page.next_page_token));
  return response;
}

absl::StatusOr<v1::GetDeadLetterResponse> Admin::GetDeadLetter(
    const rpc::Principal& caller, const v1::GetDeadLetterRequest& request) {
  v1::GetDeadLetterResponse response;
  WISSEL_ASSIGN_OR_RETURN(
      *response.mutable_dead_letter(),
      rpc::OfDependency(dead_letters_.Get(SeenBy(caller), request.dead_letter_id())));
  return response;
}

absl::StatusOr<v1::ReplayDeadLetterResponse> Admin::ReplayDeadLetter(
    const rpc::Principal& caller, const v1::ReplayDeadLetterRequest& request) {
  WISSEL_ASSIGN_OR_RETURN(
      DeadLetters::Replayed replayed,
      rpc::OfDependency(dead_letters_.Replay(SeenBy(caller), request.dead_letter_id())));
  metrics_.replays.Increment();
  v1::ReplayDeadLetterResponse response;
  response.set_topic(std::move(replayed.topic));
  response.set_partition(replayed.partition);
  response.set_offset(replayed.offset);
  return response;
}

absl::StatusOr<v1::CreateTopicsResponse> Admin::CreateTopics(
    const rpc::Principal& caller, const v1::CreateTopicsRequest& request) {
  if (options_.operator_workspace.empty()) {
    return absl::PermissionDeniedError(
        "topics are every workspace's, and no workspace is the operator's here: "
        "admin.operator_workspace names it");
  }
  if (caller.workspace.value() != options_.operator_workspace) {
    return absl::PermissionDeniedError(absl::StrCat(
        "topics are every workspace's: only an admin of workspace \"", options_.operator_workspace,
        "\" makes them (admin.operator_workspace), and the token is of \"",
        caller.workspace.value(), "\""));
  }
  if (request.partitions() < 1 || request.partitions() > kMostPartitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("partitions: ", request.partitions(), "; from 1 to ", kMostPartitions));
  }
  if (request.replication_factor() < 1 || request.replication_factor() > kMostReplicas) {
    return absl::InvalidArgumentError(absl::StrCat(
        "replication_factor: ", request.replication_factor(), "; from 1 to ", kMostReplicas));
  }
  WISSEL_RETURN_IF_ERROR(rpc::OfDependency(
      bus_.EnsureTopics(bus::DefaultTopics(request.partitions(), request.replication_factor()))));
  WISSEL_ASSIGN_OR_RETURN(
      std::vector<v1::TopicStatus> statuses,
      rpc::OfDependency(ExamineTopics(bus_, {.replication = request.replication_factor(),
                                             .log_retention = options_.log_retention,
                                             .max_record_bytes = options_.max_record_bytes})));
  v1::CreateTopicsResponse response;
  for (v1::TopicStatus& status : statuses) *response.add_topics() = std::move(status);
  return response;
}

absl::StatusOr<v1::CheckTopicsResponse> Admin::CheckTopics(const rpc::Principal&,
                                                           const v1::CheckTopicsRequest&) {
  WISSEL_ASSIGN_OR_RETURN(
      std::vector<v1::TopicStatus> statuses,
      rpc::OfDependency(ExamineTopics(bus_, {.log_retention = options_.log_retention,
                                             .max_record_bytes = options_.max_record_bytes})));
  v1::CheckTopicsResponse response;
  for (v1::TopicStatus& status : statuses) *response.add_topics() = std::move(status);
  return response;
}

}  // namespace wissel::admin
