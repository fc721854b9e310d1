#include "libs/serving/serving.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/loopback.h"
#include "libs/base/notification.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"

namespace wissel::serving {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);
// A check that fails right after listening is usually a moment early.
constexpr absl::Duration kFirstCheckAfter = absl::Milliseconds(10);
constexpr absl::Duration kCheckInterval = absl::Seconds(1);

// Until `duration` is over or a stop is asked for.
void Sleep(const std::stop_token& stop, absl::Duration duration) {
  Notification stopped;
  const std::stop_callback wake(stop, [&] { stopped.Notify(); });
  stopped.WaitFor(duration);
}

}  // namespace

absl::StatusOr<std::string> Get(http::Client& client, const std::string& url) {
  const http::FetchResult result =
      client.FetchAndWait({.url = url}, {.max_attempts = 3, .idempotent = true});
  if (result.ok()) return result.body;
  return absl::UnavailableError(absl::StrCat(
      url, ": ", result.error.empty() ? absl::StrCat("HTTP ", result.status) : result.error));
}

Serving::Serving(Options options, const service::Context& context)
    : options_(std::move(options)),
      context_(context),
      ready_(context.readiness.Add(options_.name)),
      thread_(StartThread(options_.name, [this](std::stop_token stop) { Run(stop); })) {}

Serving::~Serving() = default;

void Serving::Drain(absl::Duration limit) {
  const absl::Time deadline = absl::Now() + limit;
  thread_ = {};  // or it would say ready again
  ready_.SetNotReady("draining");
  if (server_ == nullptr) return;
  server_->SetServing(false);
  if (options_.on_drain) options_.on_drain();
  server_->Drain(deadline);
}

void Serving::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const absl::Status status = TryToListen();
    if (server_ != nullptr) return Watch(stop);
    if (!absl::IsUnavailable(status) && !absl::IsNotFound(status)) return context_.fail(status);
    ready_.SetNotReady(status.message());
    Sleep(stop, kRetryAfter);
  }
}

absl::Status Serving::TryToListen() {
  WISSEL_ASSIGN_OR_RETURN(const rpc::ServerOptions server_options, options_.grpc.ToOptions());
  if (http_ == nullptr) {
    WISSEL_ASSIGN_OR_RETURN(http_, http::Client::Create({}));
  }
  if (authenticator_ == nullptr) {
    WISSEL_ASSIGN_OR_RETURN(
        authenticator_,
        rpc::Authenticator::Create(options_.auth.ToOptions(
            &context_.clock, [this](const std::string& url) { return Get(*http_, url); })));
  }
  WISSEL_ASSIGN_OR_RETURN(const std::vector<grpc::Service*> services,
                          options_.make(*authenticator_));
  absl::StatusOr<std::unique_ptr<rpc::Server>> server =
      rpc::Server::Start(server_options, services);
  if (!server.ok()) return absl::FailedPreconditionError(server.status().message());
  server_ = *std::move(server);
  port_ = server_->port();
  context_.log.Info("listening", {{"port", server_->port()}});
  const absl::string_view listen = server_options.listen;
  if (!server_options.tls && !IsLoopback(listen.substr(0, listen.rfind(':')))) {
    context_.log.Warning(
        "gRPC in plain text beyond this machine: unless something in front encrypts, tokens can be "
        "read on their way; set certificate_file of its grpc section",
        {{"listen", listen}});
  }
  return absl::OkStatus();
}

void Serving::Watch(const std::stop_token& stop) {
  bool was_ready = false;
  absl::Duration pause = kFirstCheckAfter;
  while (!stop.stop_requested()) {
    const absl::Status status = options_.check();
    if (status.ok()) {
      ready_.SetReady();
    } else {
      ready_.SetNotReady(status.message());
    }
    if (status.ok() != was_ready) server_->SetServing(status.ok());
    was_ready = status.ok();
    Sleep(stop, was_ready ? kCheckInterval : pause);
    pause = std::min(pause * 2, kCheckInterval);
  }
}

}  // namespace wissel::serving
