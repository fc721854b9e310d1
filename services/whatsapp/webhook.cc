#include "services/whatsapp/webhook.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/channel/ack_group.h"
#include "libs/telemetry/trace.h"
#include "services/whatsapp/normalise.h"
#include "services/whatsapp/signature.h"

namespace wissel::whatsapp {
namespace {

using message::v1::InboundMessage;

constexpr absl::string_view kSignatureHeader = "X-Hub-Signature-256";

http::Response Later(absl::string_view seconds, absl::string_view text) {
  http::Response response = http::TextResponse(503, text);
  response.headers.push_back({"Retry-After", std::string(seconds)});
  return response;
}

absl::string_view ReasonName(deadletter::v1::Reason reason) {
  switch (reason) {
    case deadletter::v1::REASON_UNPARSABLE:
      return "unparsable";
    case deadletter::v1::REASON_INVALID:
      return "invalid";
    case deadletter::v1::REASON_UNKNOWN_ACCOUNT:
      return "unknown_account";
    default:
      return "other";
  }
}

}  // namespace

// One webhook at work: counted while it lives.
class Webhook::Pending {
 public:
  explicit Pending(std::atomic<int>* count) : count_(count) {}
  Pending(Pending&& other) : count_(std::exchange(other.count_, nullptr)) {}
  Pending& operator=(Pending&&) = delete;
  ~Pending() {
    if (count_ != nullptr) --*count_;
  }

 private:
  std::atomic<int>* count_;
};

Webhook::Webhook(const WebhookSettings& settings, const Accounts* accounts, MediaFetcher* media,
                 channel::Publisher* publisher, const Clock* clock, Metrics* metrics,
                 telemetry::Logger log)
    : settings_(settings),
      accounts_(accounts),
      media_(media),
      publisher_(publisher),
      clock_(clock),
      metrics_(metrics),
      log_(std::move(log)) {
  const auto add = [this](const config::Secret& secret, const Account& account) {
    if (secret.empty()) return;
    auto app = std::find_if(apps_.begin(), apps_.end(),
                            [&](const App& a) { return a.secret == secret.value(); });
    if (app == apps_.end()) app = apps_.insert(apps_.end(), {.secret = secret.value()});
    app->accounts.push_back(&account);
  };
  for (const Account& account : accounts_->all()) {
    add(account.settings.app_secret, account);
    add(account.settings.previous_app_secret, account);
  }
}

void Webhook::Register(http::Router* router) {
  router->Handle("GET", settings_.path, [this](http::Request request, http::Responder responder) {
    Verify(request, std::move(responder));
  });
  router->Handle("POST", settings_.path, [this](http::Request request, http::Responder responder) {
    Receive(std::move(request), std::move(responder));
  });
}

// Source: developers.facebook.com/docs/graph-api/webhooks/getting-started, "Verification Requests".
void Webhook::Verify(const http::Request& request, http::Responder responder) const {
  const std::string token = request.QueryParameter("hub.verify_token").value_or("");
  bool known = false;
  for (const Account& account : accounts_->all()) {
    known |= SecretsEqual(token, account.settings.verify_token.value());
  }
  const std::optional<std::string> challenge = request.QueryParameter("hub.challenge");
  if (!known || !challenge || request.QueryParameter("hub.mode") != "subscribe") {
    return responder.Send(http::TextResponse(403, "verification refused"));
  }
  responder.Send({.status = 200,
                  .body = *challenge,
                  .content_type = "text/plain; charset=utf-8",
                  .headers = {}});
}

const Webhook::App* Webhook::FindSigner(absl::string_view body, absl::string_view signature) const {
  const App* signer = nullptr;
  for (const App& app : apps_) {
    if (SignatureMatches(app.secret, body, signature)) signer = &app;
  }
  return signer;
}

void Webhook::NoteDeadLetter(const deadletter::v1::DeadLetter& letter,
                             absl::string_view trace_id) const {
  metrics_->dead_letters.With({ReasonName(letter.reason())}).Increment();
  log_.Warning("dead letter", {{"reason", ReasonName(letter.reason())},
                               {"detail", letter.detail()},
                               {"workspace_id", letter.workspace_id()},
                               {"account_id", letter.origin().provider().account_id()},
                               {"reference", letter.origin().provider().reference()},
                               {"trace_id", trace_id}});
}

void Webhook::Receive(http::Request request, http::Responder responder) {
  const absl::Time begin = clock_->Now();
  const auto refuse = [&](absl::string_view outcome, http::Response response) {
    metrics_->webhooks.With({outcome}).Increment();
    responder.Send(std::move(response));
  };
  const std::optional<absl::string_view> signature =
      http::FindHeader(request.headers, kSignatureHeader);
  if (!signature) return refuse("unsigned", http::TextResponse(401, "no signature"));
  const App* signer = FindSigner(request.body, *signature);
  if (signer == nullptr) return refuse("forged", http::TextResponse(401, "wrong signature"));
  if (++pending_ > settings_.max_pending) {
    --pending_;
    return refuse("busy", Later("1", "too many webhooks at work"));
  }
  Pending pending(&pending_);
  if (!publisher_->connected()) return refuse("unavailable", Later("5", "the bus is away"));

  // An app signs for its own numbers only.
  const AccountLookup lookup = [&](absl::string_view number) -> const AccountRef* {
    const Account* account = accounts_->ByNumber(number);
    const bool own = std::find(signer->accounts.begin(), signer->accounts.end(), account) !=
                     signer->accounts.end();
    return own ? &account->ref : nullptr;
  };
  Normalised normalised = Normalise(request.body, lookup);
  const std::string trace =
      telemetry::TraceContext::FromHeaderOrNew(
          http::FindHeader(request.headers, telemetry::kTraceParent).value_or(""))
          .NewChild()
          .ToHeader();

  const bool answer_first = settings_.chaos_ack_before_publish;
  std::optional<http::Responder> later;
  if (answer_first) {
    responder.Send({.status = 200, .body = {}, .content_type = {}, .headers = {}});
  } else {
    later = std::move(responder);
  }
  const std::string trace_id = telemetry::TraceIdOf(trace);
  channel::AckGroup group([this, begin, trace_id, pending = std::move(pending),
                           later = std::move(later)](const absl::Status& status) mutable {
    metrics_->webhooks.With({status.ok() ? "accepted" : "unavailable"}).Increment();
    metrics_->webhook_seconds.Observe(clock_->Now() - begin);
    if (!status.ok()) {
      log_.Warning("webhook not taken", {{"status", status}, {"trace_id", trace_id}});
    }
    if (!later) return;
    later->Send(status.ok()
                    ? http::Response{.status = 200, .body = {}, .content_type = {}, .headers = {}}
                    : Later("5", "the bus is away"));
  });
  for (deadletter::v1::DeadLetter& letter : normalised.dead_letters) {
    NoteDeadLetter(letter, trace_id);
    publisher_->Publish(std::move(letter), trace, group.Add());
  }
  for (const receipt::v1::Receipt& receipt : normalised.receipts) {
    metrics_->receipts.Increment();
    publisher_->Publish(receipt, trace, group.Add());
  }
  for (NormalisedMessage& message : normalised.messages) {
    metrics_->messages.Increment();
    log_.Debug("message accepted", {{"workspace_id", message.message.envelope().workspace_id()},
                                    {"account_id", message.message.account().account_id()},
                                    {"reference", message.message.provider_message_id()},
                                    {"trace_id", trace_id}});
    const InboundMessage& inbound = message.message;
    const std::string& workspace = inbound.envelope().workspace_id();
    const std::string& account_id = inbound.account().account_id();
    // What a customer writes behind a photo waits for it: the log's order is the conversation's.
    auto place =
        order_.Take(absl::StrCat(workspace, "/", account_id, "/", inbound.sender().address()));
    auto publish = [this, trace, place = std::move(place),
                    part = group.Add()](absl::StatusOr<InboundMessage> fetched) mutable {
      order_.Ready(place,
                   [this, trace, part = std::move(part), fetched = std::move(fetched)]() mutable {
                     if (!fetched.ok()) return std::move(part)(fetched.status());
                     publisher_->Publish(*std::move(fetched), trace, std::move(part));
                   });
    };
    if (message.media.empty() && message.raw.empty()) {
      publish(std::move(message.message));
      continue;
    }
    const Account* account = accounts_->ById(workspace, account_id);
    media_->Fetch(*account, std::move(message), std::move(publish));
  }
}

}  // namespace wissel::whatsapp
