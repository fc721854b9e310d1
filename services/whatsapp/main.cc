#include "libs/channel/deliverer.h"
#include "libs/service/service.h"
#include "services/whatsapp/app.h"
#include "services/whatsapp/config.h"
#include "services/whatsapp/metrics.h"

int main(int argc, char** argv) {
  return wissel::service::Run<wissel::whatsapp::Settings>(
      argc, argv,
      {.name = "wissel-whatsapp",
       .summary = "Takes customers' WhatsApp messages in by webhook and delivers the answers.",
       .flags = {{"role", "role"}},
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) {
             wissel::whatsapp::Metrics{registry};
             wissel::channel::DescribeDelivererMetrics(wissel::common::v1::CHANNEL_KIND_WHATSAPP,
                                                       registry);
           },
       .start = wissel::whatsapp::Start});
}
