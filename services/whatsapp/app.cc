#include "services/whatsapp/app.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "libs/channel/blob.h"
#include "libs/channel/bus_watch.h"
#include "libs/channel/deliverer.h"
#include "libs/channel/publisher.h"
#include "libs/http/client.h"
#include "libs/http/server.h"
#include "libs/telemetry/trace.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/graph.h"
#include "services/whatsapp/graph_sender.h"
#include "services/whatsapp/media.h"
#include "services/whatsapp/metrics.h"
#include "services/whatsapp/webhook.h"

namespace wissel::whatsapp {
namespace {

absl::Status Check(const WhatsappSettings& settings, const Accounts& accounts) {
  WISSEL_RETURN_IF_ERROR(accounts.Check());
  // An attempt is taken for orphaned after delivery.call_timeout: its calls must be over by then.
  // Two uploads and one message.
  if (settings.graph.call_timeout * 3 > settings.delivery.policy.call_timeout) {
    return absl::InvalidArgumentError(
        "delivery.call_timeout must be at least three times graph.call_timeout: uploading may take "
        "two calls, sending one");
  }
  // What a webhook holds must fit somewhere, or it would come back for ever.
  if (settings.blobs.max_blob_bytes < settings.webhook.max_body_bytes) {
    return absl::InvalidArgumentError(
        "blobs.max_blob_bytes must not be less than webhook.max_body_bytes");
  }
  const char* canary = getenv("WISSEL_CHAOS_CANARY");
  if (settings.webhook.chaos_ack_before_publish &&
      (canary == nullptr || canary != std::string("1"))) {
    return absl::FailedPreconditionError(
        "webhook.chaos_ack_before_publish loses messages and is for the chaos test only: it needs "
        "WISSEL_CHAOS_CANARY=1 in the environment");
  }
  return absl::OkStatus();
}

class RunningApp final : public WhatsappApp {
 public:
  RunningApp(bus::Bus& bus, std::optional<store::RedisOptions> redis,
             const WhatsappSettings& settings, const service::Context& context)
      : bus_(bus),
        redis_(std::move(redis)),
        settings_(settings),
        context_(context),
        metrics_(context.metrics),
        accounts_(settings.accounts) {}

  ~RunningApp() override {
    watch_.reset();
    // From the outside in: each of these may still call what comes after it.
    server_.reset();
    deliverer_.reset();
    client_.reset();
    media_.reset();
    publisher_.reset();
  }

  absl::Status Start() {
    WISSEL_RETURN_IF_ERROR(Check(settings_, accounts_));
    WISSEL_ASSIGN_OR_RETURN(
        blobs_, channel::NewFolderBlobStore({.folder = settings_.blobs.folder,
                                             .max_blob_bytes = settings_.blobs.max_blob_bytes}));
    WISSEL_ASSIGN_OR_RETURN(client_, http::Client::Create({.max_queued = 10'000}));
    graph_.emplace(settings_.graph, client_.get());
    if (channel::Ingests(settings_.role)) WISSEL_RETURN_IF_ERROR(StartIngest());
    if (channel::Delivers(settings_.role)) StartDeliver();
    watch_ = std::make_unique<channel::BusWatch>(&bus_, publisher_ ? &*publisher_ : nullptr,
                                                 context_.readiness.Add("whatsapp_bus"));
    return absl::OkStatus();
  }

  int webhook_port() const override { return server_ ? server_->port() : 0; }

  absl::Status Drain(absl::Duration limit) override {
    const Timeout timeout(limit);
    // First: a webhook that is cut off comes again, but an answer that is cut off becomes
    // uncertain.
    if (deliverer_) deliverer_->Drain(limit / 2);
    if (!server_) return absl::OkStatus();
    server_->Drain(timeout.Remaining() / 2);
    return publisher_->Flush(timeout.Remaining());
  }

 private:
  absl::Status StartIngest() {
    channel::PublisherOptions publishing = settings_.publish.ToOptions();
    publishing.on_diverted = [this](const deadletter::v1::DeadLetter& letter,
                                    absl::string_view traceparent) {
      webhook_->NoteDeadLetter(letter, telemetry::TraceIdOf(traceparent));
    };
    publisher_.emplace(&bus_, &context_.clock, std::move(publishing));
    media_.emplace(&*graph_, blobs_.get(), &metrics_);
    webhook_.emplace(settings_.webhook, &accounts_, &*media_, &*publisher_, &context_.clock,
                     &metrics_, context_.log);
    http::Router router;
    webhook_->Register(&router);
    const WebhookSettings& w = settings_.webhook;
    WISSEL_ASSIGN_OR_RETURN(
        server_,
        http::Server::Start(
            {.listen = w.listen,
             .tls_certificate_file = w.tls_certificate_file,
             .tls_key_file = w.tls_key_file,
             .threads = w.threads,
             .max_connections = w.max_connections,
             .max_header_bytes = w.max_header_bytes,
             .max_body_bytes = w.max_body_bytes,
             .header_timeout = w.header_timeout,
             .body_timeout = w.body_timeout,
             .write_timeout = w.write_timeout,
             .idle_timeout = w.idle_timeout,
             .on_refused =
                 [this](int status) { metrics_.refused.With({absl::StrCat(status)}).Increment(); }},
            std::move(router)));
    context_.log.Info("webhook listens", {{"port", server_->port()}, {"path", w.path}});
    return absl::OkStatus();
  }

  void StartDeliver() {
    sender_.emplace(&accounts_, &*graph_, blobs_.get(), &context_.clock);
    deliverer_ = channel::Deliverer::Start(
        {.kind = common::v1::CHANNEL_KIND_WHATSAPP,
         .group = "",
         .deliverer_id = absl::StrCat("whatsapp-", getpid(), "-", RandomUuid()),
         .policy = settings_.delivery.policy,
         .session_timeout = settings_.delivery.session_timeout,
         .redis = redis_,
         .decides_readiness = !channel::Ingests(settings_.role)},
        &bus_, &*sender_, &context_.clock, context_.log, &context_.metrics, &context_.readiness);
  }

  bus::Bus& bus_;
  const std::optional<store::RedisOptions> redis_;
  const WhatsappSettings settings_;
  const service::Context context_;
  Metrics metrics_;
  const Accounts accounts_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::optional<Graph> graph_;

  std::optional<channel::Publisher> publisher_;
  std::optional<MediaFetcher> media_;
  std::optional<Webhook> webhook_;
  std::optional<GraphSender> sender_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<channel::Deliverer> deliverer_;
  std::unique_ptr<channel::BusWatch> watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<WhatsappApp>> WhatsappApp::New(
    bus::Bus& bus, std::optional<store::RedisOptions> redis, const WhatsappSettings& settings,
    const service::Context& context) {
  auto app = std::make_unique<RunningApp>(bus, std::move(redis), settings, context);
  WISSEL_RETURN_IF_ERROR(app->Start());
  return app;
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  std::optional<store::RedisOptions> redis;
  if (settings.redis) {
    WISSEL_ASSIGN_OR_RETURN(redis, settings.redis->ToOptions());
  }
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-whatsapp", context.log));
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<WhatsappApp> app,
                          WhatsappApp::New(*bus, std::move(redis), settings.whatsapp, context));
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::whatsapp
