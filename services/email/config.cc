#include "services/email/config.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/civil_time.h"
#include "libs/base/loopback.h"

namespace wissel::email {

void ServerSettings::Describe(config::Binder& b) {
  b.Text("host", &host, "Name of the server, as its certificate has it.", {.required = true});
  b.Int("port", &port, "Port; 0 for the usual one of the protocol and security.", {.min = 0});
  b.Enum("security", &security,
         "How the connection is protected; none is for localhost, 127.0.0.0/8 and ::1 only.",
         {{"tls", Security::kTls}, {"starttls", Security::kStartTls}, {"none", Security::kNone}});
  b.File("ca_file", &ca_file, "PEM file of the authorities to trust instead of the system's.");
  b.Text("user", &user, "Name to log in with.", {.required = true});
  b.SecretText("password", &password, "Password to log in with.", {.required = true});
  b.Duration("timeout", &timeout,
             "How long the server may take for an answer; of smtp at most half of "
             "delivery.call_timeout.",
             {.min = absl::Seconds(1), .max = absl::Seconds(55)});
  b.Require(!absl::StrContains(host, '['), "an IPv6 address of host has no brackets");
  b.Require(security != Security::kNone || IsLoopback(host),
            "security none sends the password in plain text: the host must be localhost, in "
            "127.0.0.0/8 or ::1");
}

ServerLogin ServerSettings::Login(uint16_t usual_port) const {
  return ServerLogin{.host = host,
                     .port = port == 0 ? usual_port : port,
                     .security = security,
                     .ca_file = ca_file,
                     .user = user,
                     .password = password.value(),
                     .timeout = timeout};
}

std::string AccountSettings::StateFileName() const {
  // An account's id may have what a file's name may not.
  return absl::StrCat(workspace_id, ".",
                      absl::StrReplaceAll(account_id, {{"%", "%25"}, {"/", "%2F"}}), ".done");
}

void ThreadKeySettings::Describe(config::Binder& b) {
  b.SecretText("key", &key, "A secret of at least 16 bytes.", {.required = true});
}

void AccountSettings::Describe(config::Binder& b) {
  b.Text("workspace_id", &workspace_id, "The workspace it belongs to.", {.required = true});
  b.Text("routing_group_id", &routing_group_id, "The routing group its messages go to.",
         {.required = true});
  b.Text("account_id", &account_id,
         "The account's id in the workspace's configuration: 1 to 128 visible ASCII characters.",
         {.required = true});
  b.Text("address", &address, "The address that customers write to.", {.required = true});
  b.Text("display_name", &display_name, "The name that customers see as the sender.");
  b.Group("imap", &imap, "The server that holds the mailbox.");
  b.Group("smtp", &smtp, "The server that takes outgoing mail.");
  b.Text("folder", &folder, "The folder that is read.");
  b.Text("since", &since, "Leaves mails alone that arrived before this day, e.g. 2026-01-31.");
  b.Bool("plus_addressing", &plus_addressing,
         "Whether local+anything is delivered like local: then answers carry the conversation in "
         "Reply-To too.");
  absl::CivilDay day;
  b.Require(since.empty() || absl::ParseCivilTime(since, &day), "since must be a day");
}

EmailSettings::EmailSettings() {
  // A second copy has the same Message-ID and is shown once.
  delivery.policy.uncertain = channel::UncertainPolicy::kResend;
  delivery.policy.settle_wait = absl::Seconds(5);
  delivery.policy.max_attempts = 12;
  // No more than can be called within the time that an attempt has to begin.
  delivery.policy.max_in_flight = smtp_connections;
}

void EmailSettings::Describe(config::Binder& b) {
  channel::DescribeRole(b, &role);
  b.List("accounts", &accounts, "The mailboxes.", {.max_items = 500});
  b.List("thread_keys", &thread_keys,
         "Secrets that sign our Message-IDs: the first signs, all are recognised.",
         {.max_items = 8});
  b.Text("state_folder", &state_folder,
         "Where marks are kept for servers that keep no keywords; must outlive the process.");
  b.Bytes("max_mail_bytes", &max_mail_bytes,
          "Of a larger mail only the header is taken, and an agent is told.",
          {.min = 64 << 10, .max = 256 << 20});
  b.Bytes("max_attachment_bytes", &max_attachment_bytes,
          "A larger attachment stays in the raw mail.", {.min = 1 << 10, .max = 256 << 20});
  b.Bytes("max_outgoing_bytes", &max_outgoing_bytes, "The largest mail that is sent.",
          {.min = 64 << 10, .max = 256 << 20});
  b.Int("batch_mails", &batch_mails, "Mails fetched and published at once.",
        {.min = 1, .max = 1000});
  b.Bytes("batch_bytes", &batch_bytes, "Bytes of mail fetched at once.",
          {.min = 64 << 10, .max = 1 << 30});
  b.Duration("idle_renewal", &idle_renewal,
             "How long one IDLE lasts; servers may log out after 30 minutes.",
             {.min = absl::Seconds(1), .max = absl::Minutes(28)});
  b.Duration("poll_interval", &poll_interval, "How often to look where the server has no IDLE.",
             {.min = absl::Seconds(1), .max = absl::Minutes(28)});
  b.Duration("unreadable_after", &unreadable_after,
             "How long the server may fail to hand out a mail before that is a dead letter.",
             {.min = absl::ZeroDuration(), .max = absl::Hours(168)});
  b.Int("smtp_connections", &smtp_connections,
        "Mails sent at once, at most; raise delivery.max_in_flight with it, which must not exceed "
        "it.",
        {.min = 1, .max = 64});
  b.Group("publish", &publish, "How much of what comes in may be on its way to the bus.");
  b.Group("delivery", &delivery, "How answers are delivered.");
  b.Group("blobs", &blobs, "Where mails and attachments are kept.");
  // A mail that waited for a connection could be sent later than its attempt may begin.
  b.Require(delivery.policy.max_in_flight <= smtp_connections,
            "delivery.max_in_flight must not exceed smtp_connections");
  b.Require(blobs.max_blob_bytes >= max_mail_bytes,
            "blobs.max_blob_bytes must be at least max_mail_bytes: whole mails are kept");
}

void Settings::Describe(config::Binder& b) {
  b.Group("kafka", &kafka, "The log.");
  b.OptionalGroup("redis", &redis,
                  "Where deliverers keep their place, beside the views; without it who takes a "
                  "partition over reads its log from the start.");
  email.Describe(b);
  channel::RequireRoom(b, email.publish, kafka.max_record_bytes);
}

}  // namespace wissel::email
