#include "services/dev/app.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "libs/bus/embedded.h"
#include "libs/bus/kafka.h"
#include "libs/channel/deliverer.h"
#include "libs/rpc/jwt.h"
#include "libs/store/redis_process.h"
#include "services/admin/app.h"
#include "services/agent-gateway/app.h"
#include "services/dev/channels.h"
#include "services/dev/outbox.h"
#include "services/dev/page.h"
#include "services/dev/state_folder.h"
#include "services/dev/tokens.h"
#include "services/dev/workspaces.h"
#include "services/email/app.h"
#include "services/history/app.h"
#include "services/projector/app.h"
#include "services/router/app.h"
#include "services/whatsapp/app.h"

namespace wissel::dev {
namespace {

using config::v1::WorkspaceConfig;

// Tokens are made anew at each start.
constexpr absl::Duration kTokenLifetime = absl::Hours(30 * 24);
constexpr absl::Duration kAnnouncePoll = absl::Milliseconds(5);
constexpr absl::Duration kRedisPoll = absl::Milliseconds(200);
// Emptied at each start, so not a name that somebody else's data may have.
constexpr absl::string_view kRedisFolder = "redis-child";
// Everything is in this process: who is gone is gone at once.
constexpr absl::Duration kSessionTimeout = absl::Seconds(6);

class DevApp final : public service::App {
 public:
  DevApp(const Settings& settings, const service::Context& context)
      : settings_(settings), context_(context) {}

  ~DevApp() override {
    TakeBackAnnouncement();
    ended_.Notify();
    if (redis_keeper_.joinable()) redis_keeper_.join();
  }

  absl::Status Start() {
    WISSEL_ASSIGN_OR_RETURN(folder_, StateFolder::Open(settings_.state));
    std::error_code ignored;
    std::filesystem::remove(folder_->Path("context.yaml"), ignored);
    WISSEL_RETURN_IF_ERROR(folder_->MakeFolder("outbox"));
    WISSEL_RETURN_IF_ERROR(folder_->MakeFolder("tokens"));
    WISSEL_RETURN_IF_ERROR(OpenBus());
    WISSEL_RETURN_IF_ERROR(FindWorkspaces());
    WISSEL_RETURN_IF_ERROR(StartRedis());
    WISSEL_RETURN_IF_ERROR(StartServices());
    WISSEL_RETURN_IF_ERROR(WriteTokens());
    announcer_ = StartThread("announcer", [this] { Announce(); });
    return absl::OkStatus();
  }

  // Nothing new comes in, then what is on its way goes out, then the log is decided to its end.
  absl::Status Drain(absl::Duration limit) override {
    TakeBackAnnouncement();
    const Timeout timeout(limit);
    absl::Status first;
    const auto drain = [&](service::App* app) {
      if (app != nullptr) first.Update(app->Drain(timeout.Remaining()));
    };
    if (page_ != nullptr) page_->Drain(timeout.Remaining());
    drain(gateway_.get());
    drain(admin_.get());
    drain(history_.get());
    drain(whatsapp_.get());
    drain(email_.get());
    for (const auto& deliverer : deliverers_) deliverer->Drain(timeout.Remaining());
    drain(router_.get());
    drain(projector_.get());
    return first;
  }

 private:
  absl::Status OpenBus() {
    if (settings_.kafka.empty()) {
      WISSEL_ASSIGN_OR_RETURN(bus_, bus::NewEmbeddedBus({.path = folder_->Path("log.sqlite"),
                                                         .partitions = settings_.partitions,
                                                         .clock = &context_.clock}));
    } else {
      WISSEL_ASSIGN_OR_RETURN(
          bus_, bus::NewKafkaBus({.brokers = settings_.kafka, .client_id = "wissel-dev"}));
    }
    const absl::StatusOr<int> found = bus_->PartitionCount(bus::Topic::kLog);
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
    return bus_->EnsureTopics(bus::DefaultTopics(found.ok() ? *found : settings_.partitions));
  }

  absl::Status FindWorkspaces() {
    WISSEL_ASSIGN_OR_RETURN(workspaces_, ReadWorkspaces(*bus_));
    const std::string& file = settings_.workspace_file;
    if (file.empty()) {
      if (!workspaces_.empty()) return absl::OkStatus();
      return absl::InvalidArgumentError(
          "no workspace is configured yet: give --workspace-file, for example "
          "deploy/examples/web-shop.yaml");
    }
    WISSEL_ASSIGN_OR_RETURN(WorkspaceConfig config, ReadWorkspaceFile(file));
    if (!workspaces_.empty()) {
      if (!IsInForce(config, workspaces_)) {
        context_.log.Warning(
            "the workspace file is not what is in force, and is only applied at the first start: "
            "apply it with wisselctl apply, or give another --state",
            {{"file", file}});
      }
      return absl::OkStatus();
    }
    WISSEL_RETURN_IF_ERROR(ApplyFirst(*bus_, std::move(config), context_.clock.Now()));
    WISSEL_ASSIGN_OR_RETURN(workspaces_, ReadWorkspaces(*bus_));
    return absl::OkStatus();
  }

  // A child's socket is this process's own: one that a dying predecessor's child still has, and
  // will remove, is never taken for it. It keeps nothing: the views are folded from the log.
  absl::Status StartRedis() {
    redis_address_ = settings_.redis;
    if (!redis_address_.empty()) return absl::OkStatus();
    std::error_code ignored;
    std::filesystem::remove_all(folder_->Path(kRedisFolder), ignored);
    WISSEL_RETURN_IF_ERROR(folder_->MakeFolder(kRedisFolder));
    redis_address_ = folder_->Path(absl::StrCat(kRedisFolder, "/", getpid(), ".sock"));
    WISSEL_ASSIGN_OR_RETURN(redis_, NewRedis());
    redis_keeper_ = StartThread("redis-keeper", [this] { KeepRedis(); });
    return absl::OkStatus();
  }

  absl::StatusOr<std::unique_ptr<store::RedisProcess>> NewRedis() const {
    return store::RedisProcess::Start(
        {.dir = folder_->Path(kRedisFolder), .socket = redis_address_});
  }

  // Until everything has ended: a child that this thread has started ends with it.
  void KeepRedis() {
    while (!ended_.WaitFor(kRedisPoll)) {
      if (redis_->Running()) continue;
      absl::StatusOr<std::unique_ptr<store::RedisProcess>> another = NewRedis();
      if (!another.ok()) {
        context_.log.Error("the Redis child has ended, and no other one starts",
                           {{"reason", another.status()}});
        continue;
      }
      context_.log.Warning("the Redis child has ended; another one is filled from the log", {});
      redis_ = *std::move(another);
    }
  }

  store::RedisOptions Redis() const { return {.address = redis_address_}; }

  absl::Status StartServices() {
    const store::RedisOptions redis = Redis();
    router::RouterSettings router;
    router.session_timeout = kSessionTimeout;
    router_ = router::NewApp(router, *bus_, redis, context_);

    projector::ProjectorSettings projector;
    projector.session_timeout = kSessionTimeout;
    projector_ = projector::NewApp(*bus_, redis, projector, context_);

    WISSEL_ASSIGN_OR_RETURN(jwt_secret_, folder_->Secret("jwt"));
    agent_gateway::GatewaySettings gateway;
    gateway.grpc.listen = settings_.grpc_listen;
    gateway.auth.hs256_secret = config::Secret(jwt_secret_, "generated");
    gateway_ = agent_gateway::NewApp(*bus_, redis, gateway, context_);

    admin::AdminSettings admin;
    admin.grpc.listen = settings_.admin_listen;
    admin.auth = gateway.auth;
    // One person's machine: its admin is the operator too.
    admin.operator_workspace = workspaces_.front().workspace_id();
    admin_ = admin::NewApp(*bus_, admin, context_);

    history::HistorySettings history;
    history.grpc.listen = settings_.history_listen;
    history.auth = gateway.auth;
    history_ = history::NewApp(*bus_, redis, history, context_);

    WISSEL_RETURN_IF_ERROR(StartWhatsapp());
    WISSEL_RETURN_IF_ERROR(StartEmail());

    WISSEL_ASSIGN_OR_RETURN(blobs_,
                            channel::NewFolderBlobStore({.folder = folder_->Path("blobs")}));
    publisher_ = std::make_unique<channel::Publisher>(bus_.get(), &context_.clock,
                                                      channel::PublisherOptions{});
    WISSEL_RETURN_IF_ERROR(publisher_->Connect());
    PageOptions page{.listen = settings_.page_listen,
                     .outbox_folder = folder_->Path("outbox"),
                     .mailboxes = Mailboxes()};
    WISSEL_ASSIGN_OR_RETURN(page_, StartPage(page, publisher_.get(), blobs_.get()));
    return absl::OkStatus();
  }

  // Webhooks are taken in with a provider and without; what goes out goes to the outbox without.
  absl::Status StartWhatsapp() {
    WISSEL_ASSIGN_OR_RETURN(const whatsapp::WhatsappSettings channel,
                            WhatsappChannel(settings_, workspaces_, *folder_));
    webhook_path_ = channel.webhook.path;
    if (!channel.accounts.empty()) {
      WISSEL_ASSIGN_OR_RETURN(whatsapp_,
                              whatsapp::WhatsappApp::New(*bus_, Redis(), channel, context_));
    }
    StartOutboxUnless(!settings_.whatsapp.accounts.empty(), common::v1::CHANNEL_KIND_WHATSAPP);
    return absl::OkStatus();
  }

  absl::Status StartEmail() {
    WISSEL_ASSIGN_OR_RETURN(const email::EmailSettings channel,
                            EmailChannel(settings_, workspaces_, *folder_));
    if (!channel.accounts.empty()) {
      WISSEL_ASSIGN_OR_RETURN(email_, email::StartOn(*bus_, Redis(), channel, context_));
    }
    StartOutboxUnless(!settings_.email.accounts.empty(), common::v1::CHANNEL_KIND_EMAIL);
    return absl::OkStatus();
  }

  void StartOutboxUnless(bool has_provider, common::v1::ChannelKind kind) {
    if (!has_provider) return StartOutbox(kind);
    for (const std::string& account : AccountsWithoutProvider(settings_, workspaces_, kind)) {
      context_.log.Warning("no provider for an account: its answers cannot be delivered",
                           {{"account", account}});
    }
  }

  void StartOutbox(common::v1::ChannelKind kind) {
    senders_.push_back(std::make_unique<OutboxSender>(folder_->Path("outbox"), &context_.clock));
    channel::DelivererOptions options;
    options.kind = kind;
    options.deliverer_id = absl::StrCat("wissel-dev-", RandomUuid());
    options.session_timeout = kSessionTimeout;
    options.redis = Redis();
    // Nobody reports on an answer later, its file tells at once, and a repeat writes the same file.
    options.policy.settle_wait = absl::Seconds(1);
    // An attempt of a process that was killed is over by then: writing a file is quick.
    options.policy.start_limit = absl::Seconds(2);
    options.policy.call_timeout = absl::Seconds(2);
    options.policy.uncertain = channel::UncertainPolicy::kResend;
    deliverers_.push_back(channel::Deliverer::Start(
        std::move(options), bus_.get(), senders_.back().get(), &context_.clock, context_.log,
        &context_.metrics, &context_.readiness));
  }

  std::vector<email::Mailbox> Mailboxes() const {
    std::vector<email::Mailbox> mailboxes;
    for (const WorkspaceConfig& workspace : workspaces_) {
      for (const auto& account : workspace.accounts()) {
        if (account.account().kind() != common::v1::CHANNEL_KIND_EMAIL) continue;
        mailboxes.push_back({.workspace = WorkspaceId(workspace.workspace_id()),
                             .routing_group = RoutingGroupId(account.routing_group_id()),
                             .account = ChannelAccountId(account.account().account_id()),
                             .address = account.address()});
      }
    }
    return mailboxes;
  }

  // For the first workspace; a second one's can be had with `wisselctl token mint`.
  absl::Status WriteTokens() {
    const WorkspaceConfig& workspace = workspaces_.front();
    const absl::Time now = context_.clock.Now();
    for (const Token& token : TokensOf(workspace)) {
      rpc::Claims claims;
      claims.subject = token.subject;
      claims.workspace = workspace.workspace_id();
      claims.routing_group = token.group;
      claims.agent = token.agent;
      claims.roles = {token.role};
      claims.expires_at = now + kTokenLifetime;
      WISSEL_ASSIGN_OR_RETURN(const std::string text,
                              rpc::MintJwt(claims, jwt_secret_, /*key_id=*/"", now));
      WISSEL_RETURN_IF_ERROR(folder_->Write(absl::StrCat("tokens/", token.name), text + "\n"));
    }
    return absl::OkStatus();
  }

  std::string Url(int port, absl::string_view path) const {
    return absl::StrCat("http://127.0.0.1:", port, path);
  }

  // What wisselctl needs to find everything; written when everything is there to be found.
  absl::Status WriteContext() const {
    std::string yaml = absl::StrCat(
        "# Written by wissel-dev at each start; read by wisselctl.\nserver: 127.0.0.1:",
        gateway_->port(), "\nadmin_server: 127.0.0.1:", admin_->port(),
        "\nhistory_server: 127.0.0.1:", history_->port(),
        "\nworkspace: ", workspaces_.front().workspace_id(),
        "\ninsecure_local: true\nredis: ", redis_address_,
        "\nstatez: [\"127.0.0.1:", context_.endpoint.port(),
        "\"]\noutbox: ", Url(page_->port(), "/outbox.json"), "\nwebhooks:\n");
    if (whatsapp_ != nullptr) {
      absl::StrAppend(&yaml, "  whatsapp: ", Url(whatsapp_->webhook_port(), webhook_path_), "\n");
    }
    absl::StrAppend(&yaml, "  email: ", Url(page_->port(), "/inject/email"), "\n");
    // A provider's secret is where its owner keeps it.
    if (settings_.whatsapp.accounts.empty()) {
      absl::StrAppend(&yaml, "whatsapp_secret_file: secrets/whatsapp-app-secret\n");
    }
    if (settings_.kafka.empty()) {
      absl::StrAppend(&yaml, "log_file: log.sqlite\n");
    } else {
      absl::StrAppend(&yaml, "kafka: ", settings_.kafka, "\n");
    }
    absl::StrAppend(&yaml, "token_files:\n");
    for (const Token& token : TokensOf(workspaces_.front())) {
      absl::StrAppend(&yaml, "  ", token.name, ": tokens/", token.name, "\n");
    }
    return folder_->Write("context.yaml", yaml);
  }

  void PrintBanner() const {
    std::cout << "wissel-dev is ready: workspace " << workspaces_.front().workspace_id() << "\n"
              << "  agents' service  127.0.0.1:" << gateway_->port() << ", admin " << admin_->port()
              << ", history " << history_->port() << "\n";
    if (whatsapp_ != nullptr) {
      std::cout << "  WhatsApp webhook " << Url(whatsapp_->webhook_port(), webhook_path_) << "\n";
    }
    for (const auto& account : settings_.email.accounts) {
      std::cout << "  mailbox          " << account.address << " on " << account.imap.host << "\n";
    }
    std::cout << "  outbox           " << Url(page_->port(), "/outbox") << "\n"
              << "  operators        " << Url(context_.endpoint.port(), "/metrics") << "\n"
              << "  state            " << folder_->path() << "\n"
              << "  try              wisselctl --context " << folder_->Path("context.yaml")
              << " agent --as ";
    const auto& agents = workspaces_.front().agents();
    std::cout << (agents.empty() ? "supervisor" : agents[0].agent_id()) << std::endl;
  }

  void Announce() {
    while (!context_.readiness.Ready()) {
      if (stopping_.WaitFor(kAnnouncePoll)) return;
    }
    if (const absl::Status status = WriteContext(); !status.ok()) {
      return context_.fail(Annotate(status, "the context file"));
    }
    PrintBanner();
  }

  // The context file is there while all of it is ready.
  void TakeBackAnnouncement() {
    stopping_.Notify();
    if (announcer_.joinable()) announcer_.join();
    std::error_code ignored;
    if (folder_ != nullptr) std::filesystem::remove(folder_->Path("context.yaml"), ignored);
  }

  const Settings settings_;
  const service::Context context_;
  std::unique_ptr<StateFolder> folder_;
  std::unique_ptr<bus::Bus> bus_;
  std::vector<WorkspaceConfig> workspaces_;
  std::string redis_address_;
  std::unique_ptr<store::RedisProcess> redis_;
  std::string jwt_secret_;
  std::string webhook_path_;
  std::unique_ptr<service::App> router_;
  std::unique_ptr<service::App> projector_;
  std::unique_ptr<agent_gateway::GatewayApp> gateway_;
  std::unique_ptr<admin::AdminApp> admin_;
  std::unique_ptr<history::HistoryApp> history_;
  std::unique_ptr<whatsapp::WhatsappApp> whatsapp_;
  std::unique_ptr<service::App> email_;
  std::vector<std::unique_ptr<OutboxSender>> senders_;
  std::vector<std::unique_ptr<channel::Deliverer>> deliverers_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::unique_ptr<channel::Publisher> publisher_;
  std::unique_ptr<http::Server> page_;
  Notification stopping_;
  Notification ended_;
  std::jthread redis_keeper_;
  std::jthread announcer_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  auto app = std::make_unique<DevApp>(settings, context);
  WISSEL_RETURN_IF_ERROR(app->Start());
  return app;
}

}  // namespace wissel::dev
