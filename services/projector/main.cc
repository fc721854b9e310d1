#include "libs/service/service.h"
#include "services/projector/app.h"
#include "services/projector/config.h"
#include "services/projector/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::projector::Settings>(
      argc, argv,
      {.name = "wissel-projector",
       .summary = "Folds the log into the views in Redis, which are also the checkpoints.",
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) { wissel::projector::Metrics{registry}; },
       .start = wissel::projector::Start});
}
