#include "libs/channel/deliverer.h"
#include "libs/service/service.h"
#include "services/email/app.h"
#include "services/email/config.h"
#include "services/email/metrics.h"

int main(int argc, char** argv) {
  using wissel::email::Settings;
  return wissel::service::Run<Settings>(
      argc, argv,
      {.name = "wissel-email",
       .summary = "The e-mail channel: mailboxes in over IMAP, answers out over SMTP.",
       .flags = {{"role", "role"}},
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) {
             const wissel::email::Metrics metrics(registry);
             wissel::channel::DescribeDelivererMetrics(wissel::common::v1::CHANNEL_KIND_EMAIL,
                                                       registry);
           },
       .start = &wissel::email::Start});
}
