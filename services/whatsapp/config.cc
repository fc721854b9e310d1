#include "services/whatsapp/config.h"

namespace wissel::whatsapp {

void AccountSettings::Describe(config::Binder& b) {
  b.Text("account_id", &account_id,
         "The account's id in the workspace's configuration: 1 to 128 visible ASCII characters.",
         {.required = true});
  b.Text("workspace_id", &workspace_id, "The workspace that it belongs to.", {.required = true});
  b.Text("routing_group_id", &routing_group_id, "The routing group that its customers write to.",
         {.required = true});
  b.Text("phone_number_id", &phone_number_id,
         "Meta's id of the phone number (not the number itself).", {.required = true});
  b.SecretText("access_token", &access_token,
               "A system user's token with whatsapp_business_messaging.", {.required = true});
  b.SecretText("app_secret", &app_secret, "The Meta app's secret, which signs its webhooks.",
               {.required = true});
  b.SecretText("previous_app_secret", &previous_app_secret,
               "While the secret is being changed: the former one, taken as well.");
  b.SecretText("verify_token", &verify_token,
               "What Meta repeats when the webhook is set up; of your own choosing.");
  b.Real("messages_per_second", &messages_per_second,
         "How many messages this number sends in a second, at most.", {.min = 0.1, .max = 1000});
}

void GraphSettings::Describe(config::Binder& b) {
  b.Text("base_url", &base_url, "Where the Graph API is.");
  b.Text("version", &version, "Its version, which Meta keeps for about two years.");
  b.Duration("connect_timeout", &connect_timeout, "Name, TCP and TLS together.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(1)});
  b.Duration("call_timeout", &call_timeout, "One call, from start to end.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Duration("media_timeout", &media_timeout,
             "How long a webhook waits for its media; what is not there by then is marked so.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Bytes("max_media_bytes", &max_media_bytes, "The largest media fetched.",
          {.min = 1, .max = int64_t{2} << 30});
  b.TextList("media_types", &media_types,
             "The media types fetched, such as \"application/pdf\" or \"image/*\".");
  b.File("ca_file", &ca_file, "A PEM file of the authorities to trust instead of the system's.");
}

void WebhookSettings::Describe(config::Binder& b) {
  b.HostPort("listen", &listen, "HOST:PORT of the webhook's server; in a container 0.0.0.0:8081.");
  b.Text("path", &path, "The webhook's path.");
  b.File("tls_certificate_file", &tls_certificate_file,
         "PEM chain; empty where a proxy in front ends TLS.");
  b.File("tls_key_file", &tls_key_file, "PEM key of the certificate.");
  b.Int("threads", &threads, "Threads of the server.", {.min = 1, .max = 64});
  b.Int("max_connections", &max_connections, "Connections at once; above it 503.",
        {.min = 1, .max = 100'000});
  b.Int("max_pending", &max_pending, "Webhooks at work at once; above it 503.",
        {.min = 1, .max = 100'000});
  b.Bytes("max_header_bytes", &max_header_bytes,
          "The longest request line with its headers; above it 431.",
          {.min = 1 << 10, .max = 1 << 20});
  b.Bytes("max_body_bytes", &max_body_bytes, "The largest webhook; above it 413.",
          {.min = 1 << 10, .max = 64 << 20});
  b.Duration("header_timeout", &header_timeout,
             "How long a request's headers may take to arrive; then 408.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Duration("body_timeout", &body_timeout, "How long a webhook may take to arrive; then 408.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Duration("write_timeout", &write_timeout,
             "How long a client may take to read its answer; then it is cut off.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Duration("idle_timeout", &idle_timeout,
             "How long a connection may be kept without a request; longer than the proxy in front "
             "keeps it.",
             {.min = absl::Milliseconds(10), .max = absl::Minutes(10)});
  b.Bool("chaos_ack_before_publish", &chaos_ack_before_publish,
         "For the chaos test's canary only: answers 200 before the bus has the webhook, so that a "
         "crash loses messages. Needs WISSEL_CHAOS_CANARY=1 in the environment.");
}

void WhatsappSettings::Describe(config::Binder& b) {
  channel::DescribeRole(b, &role);
  b.List("accounts", &accounts, "The phone numbers, one item each.");
  b.Group("webhook", &webhook, "What Meta calls.");
  b.Group("graph", &graph, "What is called at Meta's.");
  b.Group("publish", &publish, "How much of what comes in may be on its way to the bus.");
  b.Group("delivery", &delivery, "How answers are delivered.");
  b.Group("blobs", &blobs, "Where media are kept.");
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "Where the log is.");
  b.OptionalGroup("redis", &redis,
                  "Where deliverers keep their place, beside the views; without it who takes a "
                  "partition over reads its log from the start.");
  whatsapp.Describe(b);
  channel::RequireRoom(b, whatsapp.publish, kafka.max_record_bytes);
  b.Require(whatsapp.publish.max_in_flight_bytes >=
                6 * whatsapp.webhook.max_body_bytes + kafka.max_record_bytes,
            "publish.max_in_flight_bytes must be at least six times webhook.max_body_bytes and "
            "kafka.max_record_bytes: all records of a webhook are on their way at once");
}

}  // namespace wissel::whatsapp
