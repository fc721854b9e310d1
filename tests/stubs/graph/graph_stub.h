#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/http/client.h"
#include "libs/http/server.h"

namespace wissel::stubs {

// A stand-in for Meta's Graph API, as far as WhatsApp's Cloud API goes: takes messages and uploads,
// gives out media, sends signed webhooks, keeps a book of everything it accepted, and misbehaves on
// demand. Owns its server and threads. Thread-safe.
class GraphStub {
 public:
  struct Options {
    std::string listen = "127.0.0.1:0";
    std::string access_token = "token";
    std::string app_secret = "secret";
    // Where webhooks go; may be set later.
    std::string webhook_url;
    // Tell of each accepted message by webhook that it was sent, delivered.
    bool send_statuses = false;
    uint64_t seed = 1;
  };

  // A message that was accepted: it is on the customer's telephone.
  struct Accepted {
    std::string id;
    std::string phone_number_id;
    std::string to;
    std::string type;
    std::string text;         // A text's body, or a media's caption.
    std::string outbound_id;  // biz_opaque_callback_data
    std::string context_id;
    std::string media_id;
    absl::Time time;
    std::string json;
  };

  // What is done to a call that sends a message.
  struct Fault {
    enum class Kind {
      kError,             // Answered with status and Graph error code; not accepted.
      kHangBeforeAccept,  // Never answered, and not accepted.
      kHangAfterAccept,   // Accepted, and never answered.
      kDelay,             // Accepted, and answered after `delay`.
    };
    Kind kind = Kind::kError;
    int status = 500;
    int64_t code = 0;  // 0: no error object in the answer.
    absl::Duration retry_after = absl::ZeroDuration();
    absl::Duration delay = absl::ZeroDuration();
  };

  // What is done to webhooks on their way. They are sent again until they get a 200, as Meta does.
  struct WebhookManners {
    double repeat = 0;  // The share that is sent twice though the first was answered.
    absl::Duration max_delay =
        absl::ZeroDuration();  // Each waits up to so long, so that they change order.
  };

  struct WebhookStats {
    int64_t queued = 0;        // Not yet answered with 200.
    int64_t acknowledged = 0;  // Answered with 200, repeats apart.
    int64_t posts = 0;
    int last_status = 0;
  };

  static absl::StatusOr<std::unique_ptr<GraphStub>> Start(Options options);
  ~GraphStub();

  int port() const { return server_->port(); }
  std::string base_url() const;

  void SetWebhookUrl(std::string url);
  void SetManners(WebhookManners manners);

  // The next `times` calls that send.
  void FailNext(const Fault& fault, int times = 1);
  // Any call that sends, by lot; probability 0 ends it.
  void FailAtRandom(const Fault& fault, double probability);

  std::vector<Accepted> book() const;
  // Outbound ids that were accepted more than once: repeats that a customer saw.
  std::vector<std::string> doubled() const;

  // Bytes that GET /{id} leads to.
  std::string AddMedia(std::string bytes, std::string content_type);
  // Until ReleaseMedia no GET is answered.
  void HoldMedia();
  void ReleaseMedia();
  // What was uploaded under an id, or nothing.
  std::optional<std::string> Uploaded(const std::string& media_id) const;

  // A customer writes; the webhook is on its way. Returns the message's id.
  std::string CustomerWrites(const std::string& phone_number_id, const std::string& from,
                             const std::string& text);
  // Sends any JSON, signed, until it is answered with 200.
  void PostWebhook(std::string json);
  // Tells of a message's status.
  void PostStatus(const Accepted& message, const std::string& status);

  WebhookStats webhook_stats() const;
  // Until every webhook so far has been acknowledged; false after `timeout`.
  bool WaitForWebhooks(absl::Duration timeout) const;

 private:
  struct Webhook {
    std::string body;
    bool repeat_follows = false;
    bool is_repeat = false;
  };
  struct Media {
    std::string bytes;
    std::string content_type;
  };

  GraphStub(Options options, std::unique_ptr<http::Client> client);

  void OnSend(const std::string& phone_number_id, const http::Request& request,
              http::Responder responder);
  void OnUpload(const http::Request& request, http::Responder responder);
  void OnGet(http::Request request, http::Responder responder);
  void OnControl(const http::Request& request, http::Responder responder);
  http::Response Book() const;

  std::string Accept(const std::string& phone_number_id, const std::string& json);
  std::optional<Fault> TakeFault();
  void Enqueue(Webhook webhook, absl::Duration delay);
  void PostWebhooks();
  void Post(Webhook webhook);

  const Options options_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<http::Server> server_;

  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::string webhook_url_ ABSL_GUARDED_BY(mutex_);
  WebhookManners manners_ ABSL_GUARDED_BY(mutex_);
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::deque<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  Fault random_fault_ ABSL_GUARDED_BY(mutex_);
  double fault_probability_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Accepted> book_ ABSL_GUARDED_BY(mutex_);
  std::vector<http::Responder> hanging_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Media> media_ ABSL_GUARDED_BY(mutex_);
  bool hold_media_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::pair<http::Request, http::Responder>> held_media_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> uploads_ ABSL_GUARDED_BY(mutex_);
  std::multimap<absl::Time, Webhook> webhooks_ ABSL_GUARDED_BY(mutex_);
  WebhookStats stats_ ABSL_GUARDED_BY(mutex_);
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace wissel::stubs
