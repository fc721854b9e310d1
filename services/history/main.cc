#include "libs/service/service.h"
#include "services/history/app.h"
#include "services/history/config.h"
#include "services/history/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::history::Settings>(
      argc, argv,
      {.name = "wissel-history",
       .summary = "Answers what happened: conversations, messages, queues and agents.",
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) { wissel::history::Metrics{registry}; },
       .start = wissel::history::Start});
}
