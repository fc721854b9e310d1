#include "services/email/metrics.h"

namespace wissel::email {

using telemetry::Label;

Metrics::Metrics(telemetry::Registry& registry)
    : send_seconds(registry.AddHistogramFamily(
          "wissel_email_send_seconds", "Time of a call to the SMTP server, by its outcome.",
          {Label{"outcome", {"accepted", "retry", "failed", "reauthorise", "uncertain"}}},
          telemetry::LatencyBuckets())),
      connected_(registry.AddGaugeFamily("wissel_email_mailbox_connected",
                                         "1 while the mailbox is open, else 0.",
                                         {Label{"workspace"}, Label{"account"}})),
      backlog_(registry.AddGaugeFamily("wissel_email_mailbox_backlog_mails",
                                       "Mails found without a mark and not yet taken.",
                                       {Label{"workspace"}, Label{"account"}})),
      failures_(registry.AddCounterFamily("wissel_email_mailbox_failures_total",
                                          "Connections to the mailbox that failed or broke.",
                                          {Label{"workspace"}, Label{"account"}})),
      mails_(registry.AddCounterFamily(
          "wissel_email_mails_total",
          "Mails taken: those that became a message, those that became a dead letter, and of the "
          "messages those that report on a mail of ours. A message out of the contract's bounds "
          "becomes a dead letter too and counts as both.",
          {Label{"workspace"}, Label{"account"},
           Label{"outcome", {"message", "dead_letter", "bounce"}}})),
      normalise_seconds_(registry.AddHistogram("wissel_email_normalise_seconds",
                                               "Time to make a message of a mail, blobs included.",
                                               telemetry::LatencyBuckets())) {}

IngestMetrics Metrics::ForMailbox(const WorkspaceId& workspace,
                                  const ChannelAccountId& account) const {
  const std::string& w = workspace.value();
  const std::string& a = account.value();
  return IngestMetrics{.connected = connected_.With({w, a}),
                       .backlog = backlog_.With({w, a}),
                       .failures = failures_.With({w, a}),
                       .messages = mails_.With({w, a, "message"}),
                       .dead_letters = mails_.With({w, a, "dead_letter"}),
                       .bounces = mails_.With({w, a, "bounce"}),
                       .normalise_seconds = normalise_seconds_};
}

}  // namespace wissel::email
