#include "services/whatsapp/graph_sender.h"

#include <algorithm>
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "libs/base/timeout.h"
#include "services/whatsapp/graph_error.h"
#include "services/whatsapp/outbound.h"

namespace wissel::whatsapp {
namespace {

using Kind = channel::SendOutcome::Kind;

channel::SendOutcome Outcome(Kind kind, absl::string_view detail) {
  channel::SendOutcome outcome{.kind = kind};
  outcome.error.set_detail(std::string(detail));
  return outcome;
}

// The id in {"id": "…"}, or empty.
std::string UploadedId(const std::string& body) {
  boost::json::error_code error;
  const boost::json::value root = boost::json::parse(body, error);
  if (error || !root.is_object()) return "";
  const boost::json::value* id = root.get_object().if_contains("id");
  return id != nullptr && id->is_string() ? std::string(id->get_string().c_str()) : "";
}

}  // namespace

NumberPace::NumberPace(double per_second, absl::Time now)
    : per_second_(per_second), tokens_(std::max(1.0, per_second)), filled_(now) {}

absl::Duration NumberPace::Take(absl::Time now) {
  if (now < paused_until_) return paused_until_ - now;
  const double elapsed = std::max(0.0, absl::ToDoubleSeconds(now - filled_));
  tokens_ = std::min(std::max(1.0, per_second_), tokens_ + elapsed * per_second_);
  filled_ = now;
  if (tokens_ >= 1) {
    tokens_ -= 1;
    return absl::ZeroDuration();
  }
  return std::max(absl::Milliseconds(1), absl::Seconds((1 - tokens_) / per_second_));
}

void NumberPace::SlowDown(absl::Time now, absl::Duration at_least) {
  if (now < paused_until_) return;  // Several calls were under way: one reason, one pause.
  paused_until_ = now + std::max(at_least, next_pause_);
  next_pause_ = std::min(next_pause_ * 2, absl::Minutes(5));
}

GraphSender::GraphSender(const Accounts* accounts, Graph* graph, channel::BlobStore* blobs,
                         const Clock* clock)
    : accounts_(accounts), graph_(graph), blobs_(blobs), clock_(clock) {
  MutexLock lock(mutex_);
  for (const Account& account : accounts->all()) {
    paces_.emplace(&account, NumberPace(account.settings.messages_per_second, clock->Now()));
  }
}

absl::Duration GraphSender::Admit(const channel::OutboundDelivery& delivery) {
  const Account* account =
      accounts_->ById(delivery.workspace_id, delivery.message.account().account_id());
  if (account == nullptr) return absl::ZeroDuration();  // Send says what is wrong.
  MutexLock lock(mutex_);
  return paces_.at(account).Take(clock_->Now());
}

void GraphSender::Send(const channel::OutboundDelivery& delivery, Done done) {
  const std::string& account_id = delivery.message.account().account_id();
  const Account* account = accounts_->ById(delivery.workspace_id, account_id);
  if (account == nullptr) {
    return std::move(done)(Outcome(
        Kind::kReauthorise,
        absl::StrCat("account ", account_id, " is not in the settings of wissel-whatsapp")));
  }
  // Anything wrong with the message itself, before any call.
  if (absl::StatusOr<std::string> body = BuildOutbound(delivery, "0"); !body.ok()) {
    return std::move(done)(Outcome(Kind::kFailed, body.status().message()));
  }
  const message::v1::Media* media = FindMedia(delivery.message);
  if (media == nullptr) return SendMessage(*account, delivery, "", std::move(done));

  absl::StatusOr<std::string> path = blobs_->PathOf(media->blob().blob_id());
  if (!path.ok()) {
    const bool gone = path.status().code() != absl::StatusCode::kUnavailable;
    return std::move(done)(Outcome(gone ? Kind::kFailed : Kind::kRetry, path.status().message()));
  }
  graph_->Upload(*account, *path, media->blob().content_type(), media->blob().file_name(),
                 [this, account, delivery, limit = Timeout(graph_->settings().call_timeout * 2),
                  done = std::move(done)](http::FetchResult result) mutable {
                   NoteRefusal(*account, result);
                   // The attempt may be given up by others when its time is over: no message after
                   // that.
                   if (limit.Expired())
                     return std::move(done)(Outcome(Kind::kRetry, "uploading took too long"));
                   if (result.ok()) {
                     const std::string id = UploadedId(result.body);
                     if (!id.empty()) {
                       return SendMessage(*account, delivery, id, std::move(done));
                     }
                   }
                   // Whatever became of the upload, the message has not been sent.
                   channel::SendOutcome outcome = OutcomeOf(result, clock_->Now());
                   if (outcome.kind == Kind::kUncertain || outcome.kind == Kind::kAccepted) {
                     outcome.kind = Kind::kRetry;
                   }
                   std::move(done)(std::move(outcome));
                 });
}

void GraphSender::SendMessage(const Account& account, const channel::OutboundDelivery& delivery,
                              const std::string& media_id, Done done) {
  absl::StatusOr<std::string> body = BuildOutbound(delivery, media_id);
  if (!body.ok()) return std::move(done)(Outcome(Kind::kFailed, body.status().message()));
  graph_->Send(account, *std::move(body),
               [this, &account, done = std::move(done)](http::FetchResult result) mutable {
                 if (result.ok()) {
                   MutexLock lock(mutex_);
                   paces_.at(&account).Succeeded();
                 }
                 NoteRefusal(account, result);
                 std::move(done)(OutcomeOf(result, clock_->Now()));
               });
}

void GraphSender::NoteRefusal(const Account& account, const http::FetchResult& result) {
  const absl::Time now = clock_->Now();
  if (result.ok() || result.fate != http::Fate::kAnswered) return;
  const std::optional<GraphError> error = ParseGraphError(result.body);
  if ((error && Classify(*error) == ErrorClass::kSlowDown) || (!error && result.status == 429)) {
    MutexLock lock(mutex_);
    paces_.at(&account).SlowDown(now, result.RetryAfter(now));
  }
}

}  // namespace wissel::whatsapp
