#include "libs/service/service.h"
#include "services/router/app.h"
#include "services/router/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::router::Settings>(
      argc, argv,
      {.name = "wissel-router",
       .summary = "Decides which agent gets which conversation: the only writer of the log.",
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) { wissel::router::Metrics metrics(registry); },
       .start = wissel::router::Start});
}
