#include "services/dev/workspaces.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/bus/content_type.h"
#include "libs/domain/config_rule.h"
#include "libs/domain/config_validation.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::dev {

absl::StatusOr<std::vector<config::v1::WorkspaceConfig>> ReadWorkspaces(bus::Bus& bus) {
  WISSEL_ASSIGN_OR_RETURN(const auto reader, bus.OpenReader(bus::Topic::kConfig, 0, {}));
  WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
  WISSEL_RETURN_IF_ERROR(reader->Seek(start));
  WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
  domain::ConfigHistory history;
  std::map<std::string, config::v1::WorkspaceConfig> in_force;
  while (reader->position() < end) {
    WISSEL_ASSIGN_OR_RETURN(const auto records, reader->Poll(100, absl::Seconds(5)));
    if (records.empty())
      return absl::UnavailableError("the config topic cannot be read to its end");
    for (const bus::Record& record : records) {
      config::v1::WorkspaceConfig config;
      if (!config.ParseFromString(record.value) || !history.Accept(config)) continue;
      in_force[config.workspace_id()] = std::move(config);
    }
  }
  std::vector<config::v1::WorkspaceConfig> configs;
  for (auto& [id, config] : in_force) configs.push_back(std::move(config));
  return configs;
}

absl::StatusOr<config::v1::WorkspaceConfig> ReadWorkspaceFile(const std::string& file) {
  std::ifstream in(file);
  if (!in) return absl::InvalidArgumentError(absl::StrCat(file, ": cannot be opened"));
  const std::string yaml((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  WISSEL_ASSIGN_OR_RETURN(config::v1::WorkspaceConfig config, ctl::ParseWorkspaceYaml(file, yaml));
  const domain::ConfigFindings findings = domain::ValidateConfig(config);
  if (!findings.errors.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", absl::StrJoin(findings.errors, absl::StrCat("\n", file, ": "))));
  }
  return config;
}

bool IsInForce(const config::v1::WorkspaceConfig& config,
               const std::vector<config::v1::WorkspaceConfig>& in_force) {
  return std::any_of(in_force.begin(), in_force.end(),
                     [&config](config::v1::WorkspaceConfig other) {
                       other.clear_version();
                       other.clear_applied_by();
                       other.clear_applied_time();
                       return google::protobuf::util::MessageDifferencer::Equals(config, other);
                     });
}

absl::Status ApplyFirst(bus::Bus& bus, config::v1::WorkspaceConfig config, absl::Time now) {
  config.set_version(1);
  config.set_applied_by("wissel-dev");
  *config.mutable_applied_time() = ToProto(now);
  std::promise<absl::StatusOr<int64_t>> done;
  const auto appender = bus.NewAppender({});
  appender->Append({.topic = bus::Topic::kConfig,
                    .key = config.workspace_id(),
                    .value = config.SerializeAsString(),
                    .headers = {bus::ContentTypeHeader(config.GetDescriptor()->full_name())}},
                   [&done](absl::StatusOr<int64_t> offset) { done.set_value(std::move(offset)); });
  return done.get_future().get().status();
}

}  // namespace wissel::dev
