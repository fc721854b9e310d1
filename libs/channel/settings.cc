#include "libs/channel/settings.h"

namespace wissel::channel {

void DescribeRole(config::Binder& b, Role* role) {
  b.Enum("role", role, "Which half runs here: taking messages in, delivering answers, or both.",
         {{"ingest", Role::kIngest}, {"deliver", Role::kDeliver}, {"all", Role::kAll}});
}

void DeliverySettings::Describe(config::Binder& b) {
  b.Int("max_attempts", &policy.max_attempts, "Attempts for one message, at most.",
        {.min = 1, .max = 1000});
  b.Duration("max_age", &policy.max_age,
             "How long after the agent's answer an attempt may still be made.",
             {.min = absl::Seconds(1), .max = absl::Hours(24 * 7)});
  b.Duration("initial_backoff", &policy.initial_backoff,
             "The pause after the first failed attempt; it doubles with each.",
             {.min = absl::Milliseconds(1), .max = absl::Hours(1)});
  b.Duration("max_backoff", &policy.max_backoff, "The longest pause between attempts.",
             {.min = absl::Milliseconds(1), .max = absl::Hours(24)});
  b.Duration("reauthorise_retry", &policy.reauthorise_retry,
             "How often to try again while the account must be authorised anew.",
             {.min = absl::Milliseconds(1), .max = absl::Hours(24)});
  b.Duration("start_limit", &policy.start_limit,
             "From logging an attempt to calling the provider, at most; later it is not called.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Duration("call_timeout", &policy.call_timeout, "How long one call to the provider may take.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(30)});
  b.Duration("settle_wait", &policy.settle_wait,
             "How long an uncertain message waits for the provider's status.",
             {.max = absl::Hours(24)});
  b.Enum("uncertain", &policy.uncertain,
         "What is done with a message of which nobody knows whether the customer has it: hold it "
         "for the agent to decide, or send it again.",
         {{"hold", UncertainPolicy::kHold}, {"resend", UncertainPolicy::kResend}});
  b.Int("max_in_flight", &policy.max_in_flight, "Attempts at once.", {.min = 1, .max = 10'000});
  b.Duration("session_timeout", &session_timeout,
             "A deliverer silent for so long loses its partitions.",
             {.min = absl::Seconds(1), .max = absl::Minutes(5)});
}

void PublishSettings::Describe(config::Binder& b) {
  // Meta sends up to 1,000 updates in a webhook: all of them must have room, or it comes for ever.
  b.Int(
      "max_in_flight", &max_in_flight,
      "Records that the bus has not acknowledged yet, at most; above it a webhook gets 503, a mail "
      "is brought again.",
      {.min = 1000, .max = 1'000'000});
  b.Bytes("max_in_flight_bytes", &max_in_flight_bytes, "Their bytes, at most.",
          {.min = 16 << 20, .max = int64_t{4} << 30});
}

PublisherOptions PublishSettings::ToOptions() const {
  return {.max_in_flight = static_cast<size_t>(max_in_flight),
          .max_in_flight_bytes = static_cast<size_t>(max_in_flight_bytes)};
}

void RequireRoom(config::Binder& b, const PublishSettings& publish, int64_t max_record_bytes) {
  // What came, as far as it is kept, and what is said of it.
  constexpr int64_t kDeadLetterBytes = kMaxDeadLetterRawBytes + (16 << 10);
  b.Require(max_record_bytes >= kDeadLetterBytes,
            "kafka.max_record_bytes must be at least 528 KiB: no dead letter may be larger");
  b.Require(publish.max_in_flight_bytes >= max_record_bytes,
            "publish.max_in_flight_bytes must be at least kafka.max_record_bytes");
}

void BlobSettings::Describe(config::Binder& b) {
  b.Text("folder", &folder,
         "Where attachments and raw mails are kept: one folder for all that take in and all that "
         "deliver, on a volume that outlives them. Relative to the working directory. Nothing is "
         "removed from it.");
  b.Bytes("max_blob_bytes", &max_blob_bytes, "The largest attachment kept.",
          {.min = 1, .max = int64_t{2} << 30});
}

}  // namespace wissel::channel
