#include "libs/service/service.h"
#include "services/admin/app.h"
#include "services/admin/config.h"
#include "services/admin/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::admin::Settings>(
      argc, argv,
      {.name = "wissel-admin",
       .summary = "Puts workspaces' configurations in force; dead letters and topics.",
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) { wissel::admin::Metrics{registry}; },
       .start = wissel::admin::Start});
}
