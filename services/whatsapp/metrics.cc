#include "services/whatsapp/metrics.h"

namespace wissel::whatsapp {

Metrics::Metrics(telemetry::Registry& registry)
    : webhooks(registry.AddCounterFamily(
          "wissel_whatsapp_webhooks_total", "Webhooks answered, by outcome.",
          {{"outcome", {"accepted", "unsigned", "forged", "busy", "unavailable"}}})),
      webhook_seconds(registry.AddHistogram("wissel_whatsapp_webhook_seconds",
                                            "From a whole webhook to its answer.",
                                            telemetry::LatencyBuckets())),
      refused(registry.AddCounterFamily(
          "wissel_whatsapp_requests_refused_total",
          "Requests and connections refused before they were a webhook, by HTTP status.",
          {{"status", {"400", "408", "413", "431", "503"}}})),
      messages(registry.AddCounter("wissel_whatsapp_messages_total",
                                   "Customers' messages found in webhooks.")),
      receipts(registry.AddCounter("wissel_whatsapp_receipts_total",
                                   "Statuses of our messages found in webhooks.")),
      dead_letters(registry.AddCounterFamily(
          "wissel_whatsapp_dead_letters_total",
          "What webhooks held and nobody understood, and messages out of the contract's bounds.",
          {{"reason", {"unparsable", "invalid", "unknown_account", "other"}}})),
      media(registry.AddCounterFamily("wissel_whatsapp_media_total",
                                      "Media of customers' messages, by outcome.",
                                      {{"outcome", {"stored", "unavailable"}}})) {}

}  // namespace wissel::whatsapp
