#pragma once

#include "libs/base/ids.h"
#include "libs/telemetry/metrics.h"

namespace wissel::email {

// The series of one mailbox.
struct IngestMetrics {
  telemetry::Gauge connected;
  telemetry::Gauge backlog;
  telemetry::Counter failures;
  telemetry::Counter messages;
  telemetry::Counter dead_letters;
  telemetry::Counter bounces;
  telemetry::Histogram normalise_seconds;
};

// Every metric of the service. A value.
class Metrics {
 public:
  explicit Metrics(telemetry::Registry& registry);

  // An account's id is unique within its workspace only.
  IngestMetrics ForMailbox(const WorkspaceId& workspace, const ChannelAccountId& account) const;

  // By what the mail server said: accepted, retry, failed, reauthorise, uncertain.
  telemetry::HistogramFamily send_seconds;

 private:
  telemetry::GaugeFamily connected_;
  telemetry::GaugeFamily backlog_;
  telemetry::CounterFamily failures_;
  telemetry::CounterFamily mails_;
  telemetry::Histogram normalise_seconds_;
};

}  // namespace wissel::email
