#include "services/admin/config.h"

namespace wissel::admin {

void AdminSettings::Describe(config::Binder& b) {
  b.Group("grpc", &grpc, "Where and how it listens.");
  b.Group("auth", &auth, "Who may call: docs/reference/tokens.md.");
  b.Text(
      "operator_workspace", &operator_workspace,
      "Its admins also see the dead letters that belong to no workspace, and make topics; nobody "
      "does if empty.");
  b.Duration(
      "log_retention", &log_retention,
      "How long the log has to be kept: the topics' check calls less a problem. The default goes "
      "with a router.restate_interval of 24h, well below it.",
      {.min = absl::Hours(1), .max = absl::Hours(24 * 28)});
  b.Int("dead_letters_per_call", &dead_letters_per_call,
        "Dead letters read for one page, of all partitions together; it may then be short.",
        {.min = 200, .max = 1'000'000});
  b.Int("threads", &threads, "Calls worked on at the same time.", {.min = 1, .max = 64});
  b.Int("max_waiting_calls", &max_waiting_calls,
        "Calls that wait for a thread, at most; the next gets RESOURCE_EXHAUSTED.",
        {.min = 1, .max = 100'000});
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the topics are.");
  b.Group("admin", &admin, "How the admin service works.");
}

}  // namespace wissel::admin
