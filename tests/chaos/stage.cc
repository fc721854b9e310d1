#include "tests/chaos/stage.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/bus/kafka.h"
#include "libs/rpc/jwt.h"
#include "libs/store/redis.h"
#include "libs/views/checkpoint.h"
#include "libs/views/keys.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::chaos {
namespace {

namespace json = boost::json;

constexpr absl::string_view kWorkspace = "shop";
constexpr absl::string_view kTokenSecret = "chaos chaos chaos chaos chaos chaos";
constexpr int kAgentsPerGroup = 3;
constexpr int kCapacityUnits = 60;

std::string AccountId(size_t group) { return absl::StrCat("wa-", group); }
std::string MailAccountId(size_t group) { return absl::StrCat("mail-", group); }
std::string AgentId(size_t group, int number) { return absl::StrCat("agent-", group, "-", number); }

absl::Status WriteFile(const std::string& path, absl::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
  return absl::OkStatus();
}

// Adds what a router says of the partitions that it owns.
absl::Status ReadStatez(const std::string& page, const std::string& holder,
                        std::vector<HeldState>& states) {
  try {
    const json::value value = json::parse(page);
    for (const json::value& partition : value.at("partitions").as_array()) {
      if (partition.at("phase").as_string() != "owning") continue;
      HeldState held{.holder = holder,
                     .partition = partition.at("partition").to_number<int32_t>(),
                     .epoch = partition.at("epoch").to_number<int64_t>(),
                     .sequence = partition.at("sequence").to_number<int64_t>()};
      const auto& hash = partition.at("state_hash").as_string();
      if (!absl::SimpleHexAtoi(absl::string_view(hash.data(), hash.size()), &held.hash)) {
        return absl::DataLossError("a state_hash that is none");
      }
      states.push_back(std::move(held));
    }
  } catch (const std::exception& error) {
    return absl::DataLossError(error.what());
  }
  return absl::OkStatus();
}

std::string Address(int port) { return absl::StrCat("127.0.0.1:", port); }

}  // namespace

absl::StatusOr<std::unique_ptr<Stage>> Stage::Set(StageOptions options) {
  auto stage = std::unique_ptr<Stage>(new Stage(std::move(options)));
  WISSEL_RETURN_IF_ERROR(stage->Open());
  return stage;
}

absl::Status Stage::Open() {
  prefix_ = absl::StrCat("chaos-", absl::ToUnixMillis(absl::Now()), "-", getpid(), ".");
  // One routing group on each partition.
  groups_.resize(kPartitions);
  for (int i = 0, found = 0; found < kPartitions; ++i) {
    const std::string group = absl::StrCat("g", i);
    std::string& place = groups_[static_cast<size_t>(
        bus::PartitionOf(absl::StrCat(kWorkspace, "/", group), kPartitions))];
    if (!place.empty()) continue;
    place = group;
    ++found;
  }
  for (size_t i = 0; i < groups_.size(); ++i) {
    phone_number_ids_.push_back(absl::StrCat(1'060'000 + i));
  }
  WISSEL_ASSIGN_OR_RETURN(
      bus_,
      bus::NewKafkaBus({.brokers = options_.kafka, .client_id = "chaos", .topic_prefix = prefix_}));
  // Every broker has a copy.
  const auto brokers = std::count(options_.kafka.begin(), options_.kafka.end(), ',') + 1;
  WISSEL_RETURN_IF_ERROR(
      Annotate(bus_->EnsureTopics(bus::DefaultTopics(kPartitions, static_cast<int>(brokers))),
               "making the topics"));
  WISSEL_RETURN_IF_ERROR(FlushRedis());
  WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/token-secret", kTokenSecret));
  WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/app-secret", app_secret()));
  WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/access-token", access_token()));
  WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/whatsapp.yaml", WhatsappConfig()));
  if (options_.mail) {
    WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/mail-password", options_.mail->password));
    WISSEL_RETURN_IF_ERROR(WriteFile(options_.work + "/email.yaml", EmailConfig()));
    // What earlier runs left there is no mail of this one.
    for (const std::string& mailbox : options_.mail->shop_mailboxes) {
      WISSEL_RETURN_IF_ERROR(Annotate(MailboxView(*options_.mail, mailbox).MarkAllDone(), mailbox));
    }
  }
  return Configure();
}

absl::Status Stage::Configure() {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id(std::string(kWorkspace));
  config.set_version(1);
  for (size_t i = 0; i < groups_.size(); ++i) {
    config.add_routing_groups()->set_routing_group_id(groups_[i]);
    config::v1::Account& account = *config.add_accounts();
    account.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    account.mutable_account()->set_account_id(AccountId(i));
    account.set_routing_group_id(groups_[i]);
    account.set_address(phone_number_ids_[i]);
    if (options_.mail && i < options_.mail->shop_mailboxes.size()) {
      config::v1::Account& mailbox = *config.add_accounts();
      mailbox.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
      mailbox.mutable_account()->set_account_id(MailAccountId(i));
      mailbox.set_routing_group_id(groups_[i]);
      mailbox.set_address(options_.mail->shop_mailboxes[i]);
    }
    config::v1::Queue& queue = *config.add_queues();
    queue.set_queue_id(absl::StrCat("queue-", i));
    queue.set_routing_group_id(groups_[i]);
    queue.set_strategy(config::v1::STRATEGY_LONGEST_IDLE);
    queue.mutable_offer_timeout()->set_seconds(5);
    queue.set_max_missed_offers(100);
    queue.mutable_decline_cooldown()->set_seconds(1);
    for (int j = 0; j < kAgentsPerGroup; ++j) {
      config::v1::Agent& agent = *config.add_agents();
      agent.set_agent_id(AgentId(i, j));
      agent.set_routing_group_id(groups_[i]);
      agent.add_queue_ids(queue.queue_id());
      agent.set_capacity_units(kCapacityUnits);
    }
  }
  config::v1::ChannelPolicy& whatsapp = *config.add_channels();
  whatsapp.set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  whatsapp.set_weight_units(1);
  whatsapp.set_live(true);
  config::v1::ChannelPolicy& email = *config.add_channels();
  email.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  email.set_weight_units(1);
  config.mutable_conversations()->mutable_disconnect_grace()->set_seconds(3);

  const auto appender = bus_->NewAppender({});
  const auto status = std::make_shared<absl::Status>();
  appender->Append({.topic = bus::Topic::kConfig,
                    .partition = 0,
                    .key = config.workspace_id(),
                    .value = config.SerializeAsString(),
                    .headers = {}},
                   [status](absl::StatusOr<int64_t> offset) { *status = offset.status(); });
  WISSEL_RETURN_IF_ERROR(appender->Flush(absl::Seconds(30)));
  return *status;
}

std::string Stage::WhatsappConfig() const {
  std::string text = "accounts:\n";
  for (size_t i = 0; i < groups_.size(); ++i) {
    absl::StrAppend(&text, "  - account_id: ", AccountId(i), "\n    workspace_id: ", kWorkspace,
                    "\n    routing_group_id: ", groups_[i], "\n    phone_number_id: \"",
                    phone_number_ids_[i], "\"\n    access_token: {file: ", options_.work,
                    "/access-token}\n    app_secret: {file: ", options_.work,
                    "/app-secret}\n    messages_per_second: 1000\n");
  }
  return text;
}

std::string Stage::EmailConfig() const {
  const MailServers& mail = *options_.mail;
  std::string text =
      absl::StrCat("thread_keys: [{key: {file: ", options_.work, "/token-secret}}]\naccounts:\n");
  for (size_t i = 0; i < mail.shop_mailboxes.size(); ++i) {
    const std::string& address = mail.shop_mailboxes[i];
    const std::string server =
        absl::StrCat("host: localhost, ca_file: ", mail.ca_file, ", user: ", address,
                     ", timeout: 3s, password: {file: ", options_.work, "/mail-password}");
    absl::StrAppend(&text, "  - workspace_id: ", kWorkspace, "\n    routing_group_id: ", groups_[i],
                    "\n    account_id: ", MailAccountId(i), "\n    address: ", address,
                    "\n    imap: {port: ", mail.imaps, ", security: tls, ", server,
                    "}\n    smtp: {port: ", mail.smtp, ", security: starttls, ", server, "}\n");
  }
  return text;
}

absl::StatusOr<std::vector<AgentSeat>> Stage::Seats() const {
  std::vector<AgentSeat> seats;
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (int j = 0; j < kAgentsPerGroup; ++j) {
      const std::string id = AgentId(i, j);
      WISSEL_ASSIGN_OR_RETURN(std::string token,
                              rpc::MintJwt({.subject = id,
                                            .workspace = std::string(kWorkspace),
                                            .routing_group = groups_[i],
                                            .agent = id,
                                            .roles = {"agent"},
                                            .expires_at = absl::Now() + absl::Hours(24)},
                                           kTokenSecret, "", absl::Now()));
      seats.push_back({.agent_id = id, .token = std::move(token)});
    }
  }
  return seats;
}

absl::StatusOr<std::string> Stage::Token(const std::string& role) const {
  return rpc::MintJwt({.subject = role,
                       .workspace = std::string(kWorkspace),
                       .roles = {role},
                       .expires_at = absl::Now() + absl::Hours(24)},
                      kTokenSecret, "", absl::Now());
}

absl::Status Stage::StartService(const std::string& name, const std::string& binary,
                                 std::vector<std::string> settings,
                                 const std::vector<std::string>& arguments) {
  const int port = FreePort();
  settings.push_back(absl::StrCat("telemetry.listen=", Address(port)));
  settings.push_back("log.level=debug");  // So that all that can be logged is searched for leaks.
  settings.push_back(absl::StrCat("kafka.brokers=", options_.kafka));
  settings.push_back(absl::StrCat("kafka.topic_prefix=", prefix_));
  std::vector<std::string> argv = {absl::StrCat(options_.bin, "/", binary)};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  for (std::string& setting : settings) {
    argv.emplace_back("--set");
    argv.push_back(std::move(setting));
  }
  return fleet_.Start({.name = name,
                       .argv = std::move(argv),
                       .environment = {"WISSEL_CHAOS_CANARY=1"},
                       .log_file = absl::StrCat(options_.work, "/", name, ".log"),
                       .telemetry_port = port});
}

absl::Status Stage::StartRouter(const std::string& name, const std::vector<std::string>& settings) {
  std::vector<std::string> all = {
      absl::StrCat("redis.address=", options_.redis),
      absl::StrCat("router.session_timeout=", absl::FormatDuration(kSessionTimeout)),
      "router.claim_backoff=500ms"};
  all.insert(all.end(), settings.begin(), settings.end());
  return StartService(name, "wissel-router", std::move(all));
}

absl::Status Stage::StartProjector(const std::string& name) {
  return StartService(
      name, "wissel-projector",
      {absl::StrCat("redis.address=", options_.redis),
       absl::StrCat("projector.session_timeout=", absl::FormatDuration(kSessionTimeout))});
}

absl::Status Stage::StartGateway(const std::string& name) {
  const int port = FreePort();
  gateways_.push_back(Address(port));
  return StartService(
      name, "wissel-agent-gateway",
      {absl::StrCat("redis.address=", options_.redis),
       absl::StrCat("gateway.grpc.listen=", Address(port)),
       absl::StrCat("gateway.auth.hs256_secret=file:", options_.work, "/token-secret"),
       "gateway.heartbeat_interval=1s", "gateway.lease=3s", "gateway.lease_renewal=1s"});
}

absl::Status Stage::StartIngest(const std::string& name, bool acknowledge_first) {
  const int port = FreePort();
  webhook_urls_.push_back(absl::StrCat("http://", Address(port), "/whatsapp/webhook"));
  return StartService(
      name, "wissel-whatsapp",
      {"role=ingest", absl::StrCat("webhook.listen=", Address(port)),
       absl::StrCat("graph.base_url=", options_.graph_url),
       absl::StrCat("blobs.folder=", options_.work, "/blobs"),
       absl::StrCat("webhook.chaos_ack_before_publish=", acknowledge_first ? "true" : "false")},
      {"--config", options_.work + "/whatsapp.yaml"});
}

absl::Status Stage::StartDeliver(const std::string& name) {
  return StartService(
      name, "wissel-whatsapp",
      {"role=deliver", absl::StrCat("graph.base_url=", options_.graph_url),
       absl::StrCat("redis.address=", options_.redis),
       absl::StrCat("blobs.folder=", options_.work, "/blobs"), "graph.call_timeout=1500ms",
       "delivery.call_timeout=4500ms", "delivery.start_limit=3s", "delivery.settle_wait=5s",
       "delivery.initial_backoff=200ms", "delivery.max_backoff=2s", "delivery.max_attempts=50",
       "delivery.max_in_flight=256",
       absl::StrCat("delivery.session_timeout=", absl::FormatDuration(kSessionTimeout))},
      {"--config", options_.work + "/whatsapp.yaml"});
}

absl::Status Stage::StartEmail(const std::string& name, const std::string& role) {
  // A call may take both time-outs of SMTP. What nobody knows the outcome of is sent again at once.
  return StartService(
      name, "wissel-email",
      {absl::StrCat("role=", role), absl::StrCat("redis.address=", options_.redis),
       absl::StrCat("blobs.folder=", options_.work, "/blobs"),
       absl::StrCat("state_folder=", options_.work, "/", name), "delivery.call_timeout=6s",
       "delivery.start_limit=3s", "delivery.settle_wait=0s", "delivery.initial_backoff=100ms",
       "delivery.max_backoff=1s", "delivery.max_attempts=100",
       absl::StrCat("delivery.session_timeout=", absl::FormatDuration(kSessionTimeout))},
      {"--config", options_.work + "/email.yaml"});
}

absl::Status Stage::StartHistory(const std::string& name) {
  history_ = Address(FreePort());
  return StartService(
      name, "wissel-history",
      {absl::StrCat("redis.address=", options_.redis),
       absl::StrCat("history.grpc.listen=", history_),
       absl::StrCat("history.auth.hs256_secret=file:", options_.work, "/token-secret")});
}

absl::Status Stage::StartAdmin(const std::string& name) {
  admin_ = Address(FreePort());
  return StartService(
      name, "wissel-admin",
      {absl::StrCat("admin.grpc.listen=", admin_),
       absl::StrCat("admin.auth.hs256_secret=file:", options_.work, "/token-secret")});
}

std::vector<Secret> Stage::Secrets() const {
  std::vector<Secret> secrets = {{"the app's secret", std::string(app_secret())},
                                 {"the access token", std::string(access_token())},
                                 {"the secret that signs tokens", std::string(kTokenSecret)}};
  if (options_.mail) secrets.push_back({"the mailboxes' password", options_.mail->password});
  return secrets;
}

absl::Status Stage::Stack(const std::vector<std::string>& arguments) const {
  // scripts/stack runs for seconds; system() so that any thread may wait for it.
  const std::string command =
      absl::StrCat("scripts/stack ", absl::StrJoin(arguments, " "), " --dir '", options_.stack,
                   "' >>'", options_.work, "/stack.log' 2>&1");
  const int status = std::system(command.c_str());
  if (status != 0) {
    return absl::InternalError(absl::StrCat("`", command, "` failed: ", WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

absl::Status Stage::FlushRedis() const {
  store::Redis redis({.address = options_.redis});
  return redis.Run("", {"FLUSHALL"}).status();
}

absl::StatusOr<std::vector<HeldState>> Stage::RouterStates(const std::vector<std::string>& names) {
  std::vector<HeldState> states;
  for (const std::string& name : names) {
    WISSEL_ASSIGN_OR_RETURN(const std::string page, fleet_.Page(name, "/statez"));
    WISSEL_RETURN_IF_ERROR(Annotate(ReadStatez(page, name, states), name + "/statez"));
  }
  return states;
}

absl::StatusOr<std::vector<HeldState>> Stage::Checkpoints() const {
  store::Redis redis({.address = options_.redis});
  std::vector<HeldState> states;
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(const views::CheckpointLoad load,
                            views::LoadCheckpoint(redis, views::PartitionKeys(partition)));
    if (load.outcome != views::CheckpointLoad::Outcome::kLoaded ||
        !load.checkpoint.meta.position.has_value()) {
      return absl::UnavailableError(absl::StrCat("the checkpoint of partition ", partition, ": ",
                                                 views::OutcomeName(load.outcome), " ",
                                                 load.detail));
    }
    states.push_back({.holder = "checkpoint",
                      .partition = partition,
                      .hash = load.checkpoint.meta.state_hash,
                      .next_offset = load.checkpoint.meta.position->offset});
  }
  return states;
}

}  // namespace wissel::chaos
