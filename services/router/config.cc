#include "services/router/config.h"

#include <cstdlib>

namespace wissel::router {
namespace {

// What a decision holds beside its input.
constexpr int64_t kDecisionBytes = 128 << 10;

}  // namespace

void RouterSettings::Describe(config::Binder& b) {
  b.Text("group", &group, "The consumer group whose members share the partitions.");
  b.Duration(
      "session_timeout", &session_timeout,
      "A router silent for so long loses its partitions; take-over after a crash waits for it.",
      {.min = absl::Seconds(1), .max = absl::Minutes(5)});
  b.Duration("claim_backoff", &claim_backoff,
             "How long to wait before claiming a partition again whose ownership was lost.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(5)});
  b.Bool("use_checkpoints", &use_checkpoints,
         "Whether to begin from the checkpoints in Redis; without them the log alone is folded.");
  b.Int("batch", &batch, "Records taken from one topic at a time.", {.min = 1, .max = 100'000});
  b.Int(
      "inbound_share_percent", &inbound_share_percent,
      "Of each batch, what a backlog of inbound messages may take while commands or receipts wait.",
      {.min = 1, .max = 100});
  b.Bytes("max_input_bytes", &max_input_bytes,
          "A larger input goes to the dead letters: its decision would not fit a record. At least "
          "128 KiB below kafka.max_record_bytes.",
          {.min = 64 << 10, .max = 63 << 20});
  b.Int("max_in_flight", &max_in_flight, "Decisions appended and not yet durable, at most.",
        {.min = 1, .max = 1'000'000});
  b.Bytes("max_in_flight_bytes", &max_in_flight_bytes, "Their bytes, at most.",
          {.min = 1 << 20, .max = int64_t{4} << 30});
  b.Duration(
      "restate_interval", &restate_interval,
      "How often everything that is open is restated in the log. Well below the log's retention.",
      {.min = absl::Seconds(1), .max = absl::Hours(24 * 14)});
  b.Bytes("restate_step_bytes", &restate_step_bytes, "About how much one decision restates.",
          {.min = 1 << 10, .max = 512 << 10});
  b.Bytes("restate_bytes_per_second", &restate_bytes_per_second,
          "How fast a restating round goes, beside the work.", {.min = 64 << 10, .max = 1 << 30});
  b.Bool("chaos_ignore_reader_rule", &chaos_ignore_reader_rule,
         "For the chaos test's canary only: takes void records for valid. Needs "
         "WISSEL_CHAOS_CANARY=1 in the environment.");
  b.Bool("chaos_ignore_seen", &chaos_ignore_seen,
         "For the chaos test's canary only: decides repeated inputs again. Needs "
         "WISSEL_CHAOS_CANARY=1 in the environment.");
  b.Require((!chaos_ignore_reader_rule && !chaos_ignore_seen) ||
                std::getenv("WISSEL_CHAOS_CANARY") != nullptr,
            "chaos_*: for the chaos test only; set WISSEL_CHAOS_CANARY=1 if that is what you mean");
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the log is.");
  b.Group("redis", &redis, "Where the checkpoints are.");
  b.Group("router", &router, "How the router works.");
  b.Require(router.max_input_bytes + kDecisionBytes <= kafka.max_record_bytes,
            "router.max_input_bytes: expected 128 KiB less than kafka.max_record_bytes, or below");
}

}  // namespace wissel::router
