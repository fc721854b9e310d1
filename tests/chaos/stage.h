#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "tests/chaos/agents.h"
#include "tests/chaos/fleet.h"
#include "tests/chaos/history.h"
#include "tests/chaos/leaks.h"
#include "tests/chaos/mailbox.h"

namespace wissel::chaos {

// How long a router, deliverer or projector may be silent before its partitions go to another.
inline constexpr absl::Duration kSessionTimeout = absl::Seconds(3);
inline constexpr int kPartitions = 4;

struct StageOptions {
  std::string bin;    // The folder of the services' binaries.
  std::string work;   // Where configurations, logs and blobs go; exists.
  std::string stack;  // The folder of scripts/stack; its Kafka and Redis are used.
  std::string kafka;  // host:port
  std::string redis;  // host:port
  std::string graph_url;
  std::optional<MailServers> mail;
};

// A shop on a Kafka and a Redis of the run's own, with topics of its own: one routing group and one
// WhatsApp number on each partition, mailboxes on the first ones where there are mail servers, and
// the services as separate processes. For one thread, but for the bus.
class Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Stage>> Set(StageOptions options);

  bus::Bus& bus() { return *bus_; }
  Fleet& fleet() { return fleet_; }

  // Each starts a process. `settings` are further "key=value".
  absl::Status StartRouter(const std::string& name, const std::vector<std::string>& settings = {});
  absl::Status StartProjector(const std::string& name);
  absl::Status StartGateway(const std::string& name);
  absl::Status StartIngest(const std::string& name, bool acknowledge_first = false);
  absl::Status StartDeliver(const std::string& name);
  // Needs the mail servers. `role`: ingest or deliver.
  absl::Status StartEmail(const std::string& name, const std::string& role);
  absl::Status StartHistory(const std::string& name);
  absl::Status StartAdmin(const std::string& name);

  const std::vector<std::string>& webhook_urls() const { return webhook_urls_; }
  const std::vector<std::string>& gateways() const { return gateways_; }
  // host:port
  const std::string& history() const { return history_; }
  const std::string& admin() const { return admin_; }
  const std::vector<std::string>& phone_number_ids() const { return phone_number_ids_; }
  // By partition.
  const std::vector<std::string>& routing_groups() const { return groups_; }
  static absl::string_view app_secret() { return "s3cret-of-the-app"; }
  static absl::string_view access_token() { return "t0ken-of-the-number"; }
  // What no log may show.
  std::vector<Secret> Secrets() const;
  absl::StatusOr<std::vector<AgentSeat>> Seats() const;
  // For one who has this role and is no agent.
  absl::StatusOr<std::string> Token(const std::string& role) const;

  // What scripts/stack does: {"restart", "kafka"}. Blocks; from any thread.
  absl::Status Stack(const std::vector<std::string>& arguments) const;
  absl::Status FlushRedis() const;

  // The states that these routers hold now, of the partitions that they own.
  absl::StatusOr<std::vector<HeldState>> RouterStates(const std::vector<std::string>& names);
  // The checkpoints in Redis. UNAVAILABLE where one is missing or does not add up.
  absl::StatusOr<std::vector<HeldState>> Checkpoints() const;

 private:
  explicit Stage(StageOptions options) : options_(std::move(options)) {}
  absl::Status Open();
  absl::Status Configure();
  absl::Status StartService(const std::string& name, const std::string& binary,
                            std::vector<std::string> settings,
                            const std::vector<std::string>& arguments = {});
  std::string WhatsappConfig() const;
  std::string EmailConfig() const;

  const StageOptions options_;
  std::string prefix_;
  std::vector<std::string> groups_;
  std::vector<std::string> phone_number_ids_;
  std::vector<std::string> webhook_urls_;
  std::vector<std::string> gateways_;
  std::string history_;
  std::string admin_;
  std::unique_ptr<bus::Bus> bus_;
  Fleet fleet_;
};

}  // namespace wissel::chaos
