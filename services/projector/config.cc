#include "services/projector/config.h"

namespace wissel::projector {

void ProjectorSettings::Describe(config::Binder& b) {
  b.Text("group", &group, "The consumer group whose members share the partitions.");
  b.Duration("session_timeout", &session_timeout,
             "A projector silent for so long loses its partitions.",
             {.min = absl::Seconds(1), .max = absl::Minutes(5)});
  b.Int("batch", &batch, "Decisions written to Redis at once, at most.", {.min = 1, .max = 10'000});
  b.Bytes("batch_bytes", &batch_bytes, "About how much is read from the log for one batch.",
          {.min = 64 << 10, .max = 256 << 20});
  b.Int("messages_kept", &messages_kept, "Messages of one conversation kept, the latest.",
        {.min = 20, .max = 10'000});
  b.Duration("forgotten_kept", &forgotten_kept,
             "How long a conversation stays here after the working state has forgotten it.",
             {.max = absl::Hours(24 * 366)});
  b.Duration("check_interval", &check_interval,
             "How often a quiet partition is looked at for a flush of Redis.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(1)});
  b.Duration("lag_interval", &lag_interval, "How often the lag behind the log is measured.",
             {.min = absl::Milliseconds(100), .max = absl::Minutes(5)});
  b.Duration("retry_initial", &retry_initial, "The first pause after a failure, at most.",
             {.min = absl::Milliseconds(1), .max = absl::Minutes(1)});
  b.Duration("retry_max", &retry_max, "The longest pause between attempts.",
             {.min = absl::Milliseconds(1), .max = absl::Minutes(5)});
  b.Require(retry_initial <= retry_max, "retry_initial must not exceed retry_max");
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the log is.");
  b.Group("redis", &redis, "Where the views go.");
  b.Group("projector", &projector, "How the projector works.");
}

}  // namespace wissel::projector
