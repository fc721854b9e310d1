// Any bytes as a workspace's file. Reading ends with a configuration or with INVALID_ARGUMENT, each
// error a line that names the file. What was read survives the wire, and prints as a file that
// reads back equal. A policy can be made of whatever it says, as a log may hold it; and a shop that
// works under one that is valid folds to the engine's own state.

#include <google/protobuf/util/message_differencer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/domain/config_validation.h"
#include "libs/domain/testing_shop.h"
#include "libs/routing/policy.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

using config::v1::WorkspaceConfig;

void CheckErrors(const absl::Status& status) {
  WISSEL_CHECK(absl::IsInvalidArgument(status)) << status;
  for (absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    WISSEL_CHECK(absl::StartsWith(line, "f.yaml:")) << status;
  }
}

void CheckWritten(const WorkspaceConfig& config) {
  WorkspaceConfig received;
  WISSEL_CHECK(received.ParseFromString(config.SerializeAsString())) << config.DebugString();
  const std::string written = FormatWorkspaceYaml(config);
  const auto again = ParseWorkspaceYaml("written.yaml", written);
  WISSEL_CHECK_OK(again.status()) << written;
  WISSEL_CHECK(google::protobuf::util::MessageDifferencer::Equals(config, *again)) << written;
}

// A morning at the shop, in the middle of which the configuration is put in force.
void CheckShop(WorkspaceConfig config) {
  domain::testing::Shop shop;
  shop.Online("anna");
  shop.Open("+31600000001", "nl");
  shop.Open("+31600000002", "fy");
  config.set_workspace_id(std::string(domain::testing::kWorkspace));
  config.set_version(2);
  shop.Apply(config);
  shop.Online("bram");
  shop.Open("+31600000003", "nl");
  domain::testing::WaitConnected(shop, absl::Minutes(5));
  domain::State folded;
  for (const log::v1::Decision& decision : shop.log()) folded.Apply(decision);
  WISSEL_CHECK(folded.Hash() == shop.engine().state().Hash());
}

}  // namespace
}  // namespace wissel::ctl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto config = wissel::ctl::ParseWorkspaceYaml("f.yaml", yaml);
  if (!config.ok()) {
    wissel::ctl::CheckErrors(config.status());
    return 0;
  }
  wissel::ctl::CheckWritten(*config);
  for (const auto& group : config->routing_groups()) {
    wissel::routing::Policy::Compile(*config, group.routing_group_id());
  }
  if (wissel::domain::ValidateConfig(*config).errors.empty()) wissel::ctl::CheckShop(*config);
  return 0;
}
