#include "bench/spine/workload.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/ids.h"
#include "libs/base/proto_time.h"
#include "libs/bus/bus.h"
#include "libs/domain/state.h"
#include "libs/domain/testing.h"

namespace wissel::bench {

std::vector<std::string> Workspaces(int partitions) {
  std::vector<std::string> workspaces(static_cast<size_t>(partitions));
  int found = 0;
  for (int i = 0; found < partitions; ++i) {
    std::string name = absl::StrCat("shop-", i);
    std::string& place = workspaces[static_cast<size_t>(bus::PartitionOf(KeyOf(name), partitions))];
    if (!place.empty()) continue;
    place = std::move(name);
    ++found;
  }
  return workspaces;
}

config::v1::WorkspaceConfig Shop(absl::string_view workspace) {
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  config.set_workspace_id(std::string(workspace));
  return config;
}

std::string KeyOf(absl::string_view workspace) {
  return domain::RoutingKey(workspace, domain::testing::kGroup);
}

message::v1::InboundMessage CustomerText(absl::string_view workspace, int64_t contact, int64_t n) {
  const std::string from = absl::StrFormat("31600%06d", contact);
  message::v1::InboundMessage m =
      domain::testing::Text(from, static_cast<int>(n), contact % 2 == 0 ? "nl" : "en",
                            "Where is my order? The other half of it came on Tuesday.");
  const WorkspaceId id(std::string{workspace});
  m.mutable_envelope()->set_workspace_id(std::string(workspace));
  m.mutable_envelope()->set_id(
      DeriveMessageId(id, ChannelAccountId("shop-phone"), m.provider_message_id()).value());
  *m.mutable_envelope()->mutable_time() = ToProto(absl::Now());
  m.mutable_sender()->set_contact_id(DeriveContactId(id, "whatsapp", from).value());
  *m.mutable_sent_time() = m.envelope().time();
  return m;
}

}  // namespace wissel::bench
