#include "libs/service/service.h"
#include "services/agent-gateway/app.h"
#include "services/agent-gateway/config.h"
#include "services/agent-gateway/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::agent_gateway::Settings>(
      argc, argv,
      {.name = "wissel-agent-gateway",
       .summary = "Shows agents their work as it happens, and takes what they ask for.",
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) {
             wissel::agent_gateway::Metrics metrics(registry);
           },
       .start = wissel::agent_gateway::Start});
}
