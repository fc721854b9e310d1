#include "services/history/config.h"

namespace wissel::history {

void HistorySettings::Describe(config::Binder& b) {
  b.Group("grpc", &grpc, "Where and how it listens.");
  b.Group("auth", &auth, "Who may call: docs/reference/tokens.md.");
  b.Int("threads", &threads,
        "Calls worked on at the same time, each on a connection to Redis of its own.",
        {.min = 1, .max = 256});
  b.Int("max_waiting_calls", &max_waiting_calls,
        "Calls that wait for a thread, at most; the next gets RESOURCE_EXHAUSTED.",
        {.min = 1, .max = 100'000});
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the log is: asked for its partitions, once.");
  b.Group("redis", &redis, "Where the views are.");
  b.Group("history", &history, "How the history service works.");
}

}  // namespace wissel::history
