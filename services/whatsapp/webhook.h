#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/channel/publisher.h"
#include "libs/http/server.h"
#include "libs/telemetry/log.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/config.h"
#include "services/whatsapp/media.h"
#include "services/whatsapp/metrics.h"
#include "services/whatsapp/sender_order.h"

namespace wissel::whatsapp {

// The webhook that Meta calls. Thread-safe.
//
//   GET   verification: 200 with hub.challenge, or 403
//   POST  200  everything in it is durable: messages, receipts, dead letters
//         401  no signature, or none of ours: dropped, whoever wrote it
//         503  with Retry-After: the bus does not take it now; Meta repeats for hours, ids make
//         that harmless
//
// What is signed is never refused for what it says: Meta would repeat it for ever. 400, 408, 413
// and 431 are the server's answers to what is not a request.
class Webhook {
 public:
  // Not owned.
  Webhook(const WebhookSettings& settings, const Accounts* accounts, MediaFetcher* media,
          channel::Publisher* publisher, const Clock* clock, Metrics* metrics,
          telemetry::Logger log);

  // Adds both routes.
  void Register(http::Router* router);

  // Counts and logs one: of a webhook's own, or of a message that the publisher diverts.
  void NoteDeadLetter(const deadletter::v1::DeadLetter& letter, absl::string_view trace_id) const;

  int pending() const { return pending_; }

 private:
  // An app's secret and the accounts whose webhooks it signs.
  struct App {
    std::string secret;
    std::vector<const Account*> accounts;
  };
  class Pending;

  void Verify(const http::Request& request, http::Responder responder) const;
  void Receive(http::Request request, http::Responder responder);
  const App* FindSigner(absl::string_view body, absl::string_view signature) const;

  const WebhookSettings settings_;
  const Accounts* const accounts_;
  MediaFetcher* const media_;
  channel::Publisher* const publisher_;
  const Clock* const clock_;
  Metrics* const metrics_;
  const telemetry::Logger log_;
  std::vector<App> apps_;
  SenderOrder order_;
  std::atomic<int> pending_ = 0;
};

}  // namespace wissel::whatsapp
