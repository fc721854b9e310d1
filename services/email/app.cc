#include "services/email/app.h"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "libs/channel/blob.h"
#include "libs/channel/bus_watch.h"
#include "libs/channel/deliverer.h"
#include "libs/channel/ids.h"
#include "libs/channel/publisher.h"
#include "libs/telemetry/trace.h"
#include "services/email/mail_ingest.h"
#include "services/email/mail_sender.h"
#include "services/email/mailbox_reader.h"
#include "services/email/metrics.h"
#include "services/email/threading.h"

namespace wissel::email {
namespace {

constexpr uint16_t kImapPort = 143;
constexpr uint16_t kImapsPort = 993;
constexpr uint16_t kSubmissionPort = 587;
constexpr uint16_t kSubmissionsPort = 465;

Mailbox MailboxOf(const AccountSettings& account) {
  return Mailbox{WorkspaceId(account.workspace_id), RoutingGroupId(account.routing_group_id),
                 ChannelAccountId(account.account_id), account.address};
}

class EmailApp final : public service::App {
 public:
  EmailApp(bus::Bus& bus, std::optional<store::RedisOptions> redis, const EmailSettings& settings,
           const service::Context& context)
      : bus_(bus),
        redis_(std::move(redis)),
        settings_(settings),
        context_(context),
        metrics_(context.metrics) {}

  ~EmailApp() override {
    watch_.reset();
    // From the outside in: each of these may still call what comes after it.
    readers_.clear();
    takers_.clear();
    deliverer_.reset();
    sender_.reset();
    publisher_.reset();
  }

  absl::Status Start() {
    WISSEL_RETURN_IF_ERROR(Check());
    WISSEL_ASSIGN_OR_RETURN(
        blobs_, channel::NewFolderBlobStore({.folder = settings_.blobs.folder,
                                             .max_blob_bytes = settings_.blobs.max_blob_bytes}));
    std::vector<std::string> keys;
    for (const ThreadKeySettings& key : settings_.thread_keys) keys.push_back(key.key.value());
    for (const AccountSettings& account : settings_.accounts) {
      WISSEL_ASSIGN_OR_RETURN(ThreadSigner signer,
                              ThreadSigner::Create(WorkspaceId(account.workspace_id), keys));
      signers_.push_back(std::make_unique<ThreadSigner>(std::move(signer)));
    }
    if (channel::Ingests(settings_.role)) WISSEL_RETURN_IF_ERROR(StartIngest());
    if (channel::Delivers(settings_.role)) StartDeliver();
    watch_ = std::make_unique<channel::BusWatch>(&bus_, publisher_ ? &*publisher_ : nullptr,
                                                 context_.readiness.Add("email_bus"));
    return absl::OkStatus();
  }

  absl::Status Drain(absl::Duration limit) override {
    const Timeout timeout(limit);
    for (const auto& reader : readers_) reader->RequestStop();
    // First, as a reader can wait for its server longer than `limit`; cut off there, no mail is
    // lost, but an answer that is cut off becomes uncertain.
    if (deliverer_) deliverer_->Drain(limit / 2);
    readers_.clear();
    return publisher_ ? publisher_->Flush(timeout.Remaining()) : absl::OkStatus();
  }

 private:
  absl::Status Check() const {
    // An attempt is taken for orphaned after delivery.call_timeout: its call must be over by then.
    // The answer to QUIT can take as long as the mail.
    for (const AccountSettings& account : settings_.accounts) {
      if (account.smtp.timeout * 2 > settings_.delivery.policy.call_timeout) {
        return absl::InvalidArgumentError(
            "delivery.call_timeout must be at least twice smtp.timeout of every account");
      }
    }
    if (!settings_.accounts.empty() && settings_.thread_keys.empty()) {
      return absl::InvalidArgumentError("thread_keys: at least one is needed");
    }
    std::set<std::pair<std::string, std::string>> seen;
    for (const AccountSettings& account : settings_.accounts) {
      const absl::Status valid =
          channel::ValidateAccount({.workspace_id = account.workspace_id,
                                    .routing_group_id = account.routing_group_id,
                                    .account_id = account.account_id});
      if (!valid.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("accounts: ", account.account_id, ": ", valid.message()));
      }
      if (!seen.emplace(account.workspace_id, account.account_id).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("accounts: ", account.account_id, " stands there twice"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status StartIngest() {
    std::error_code error;
    std::filesystem::create_directories(settings_.state_folder, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat(settings_.state_folder, ": ", error.message()));
    }
    channel::PublisherOptions publishing = settings_.publish.ToOptions();
    publishing.on_diverted = [this](const deadletter::v1::DeadLetter& letter,
                                    absl::string_view traceparent) {
      const deadletter::v1::ProviderOrigin& origin = letter.origin().provider();
      metrics_.ForMailbox(WorkspaceId(letter.workspace_id()), ChannelAccountId(origin.account_id()))
          .dead_letters.Increment();
      context_.log.Warning("dead letter", {{"reason", deadletter::v1::Reason_Name(letter.reason())},
                                           {"detail", letter.detail()},
                                           {"workspace_id", letter.workspace_id()},
                                           {"account_id", origin.account_id()},
                                           {"reference", origin.reference()},
                                           {"trace_id", telemetry::TraceIdOf(traceparent)}});
    };
    publisher_.emplace(&bus_, &context_.clock, std::move(publishing));
    for (size_t i = 0; i < settings_.accounts.size(); ++i) {
      const AccountSettings& account = settings_.accounts[i];
      const Mailbox mailbox = MailboxOf(account);
      const IngestMetrics metrics = metrics_.ForMailbox(mailbox.workspace, mailbox.account);
      const telemetry::Logger log = context_.log.With(
          {{"workspace_id", account.workspace_id}, {"account_id", account.account_id}});
      takers_.push_back(std::make_unique<MailIngest>(
          MailIngestOptions{.normalise = {.limits = {},
                                          .max_attachment_bytes =
                                              static_cast<size_t>(settings_.max_attachment_bytes)},
                            .log = log},
          mailbox, signers_[i].get(), blobs_.get(), &*publisher_, metrics));
      MailboxReaderOptions options{
          .account_id = account.account_id,
          .login =
              account.imap.Login(account.imap.security == Security::kTls ? kImapsPort : kImapPort),
          .folder = account.folder,
          .state_file = absl::StrCat(settings_.state_folder, "/", account.StateFileName()),
          .since = std::nullopt,
          .max_mail_bytes = static_cast<size_t>(settings_.max_mail_bytes),
          .batch_mails = static_cast<size_t>(settings_.batch_mails),
          .batch_bytes = static_cast<size_t>(settings_.batch_bytes),
          .idle_renewal = settings_.idle_renewal,
          .poll_interval = settings_.poll_interval,
          .unreadable_after = settings_.unreadable_after};
      if (absl::CivilDay day; absl::ParseCivilTime(account.since, &day)) options.since = day;
      readers_.push_back(
          MailboxReader::Start(std::move(options), takers_.back().get(), log, metrics));
    }
    return absl::OkStatus();
  }

  void StartDeliver() {
    std::vector<OutgoingAccount> accounts;
    for (size_t i = 0; i < settings_.accounts.size(); ++i) {
      const AccountSettings& account = settings_.accounts[i];
      accounts.push_back(
          {.mailbox = MailboxOf(account),
           .from_name = account.display_name,
           .smtp = account.smtp.Login(account.smtp.security == Security::kTls ? kSubmissionsPort
                                                                              : kSubmissionPort),
           .signer = signers_[i].get(),
           .plus_addressing = account.plus_addressing});
    }
    sender_.emplace(
        MailSenderOptions{.connections = settings_.smtp_connections,
                          .max_mail_bytes = static_cast<size_t>(settings_.max_outgoing_bytes)},
        std::move(accounts), blobs_.get(), &context_.clock, metrics_.send_seconds);
    deliverer_ = channel::Deliverer::Start(
        {.kind = wissel::common::v1::CHANNEL_KIND_EMAIL,
         .group = "",
         .deliverer_id = absl::StrCat("email-", getpid(), "-", RandomUuid()),
         .policy = settings_.delivery.policy,
         .session_timeout = settings_.delivery.session_timeout,
         .redis = redis_,
         .decides_readiness = !channel::Ingests(settings_.role)},
        &bus_, &*sender_, &context_.clock, context_.log, &context_.metrics, &context_.readiness);
  }

  bus::Bus& bus_;
  const std::optional<store::RedisOptions> redis_;
  const EmailSettings settings_;
  const service::Context context_;
  const Metrics metrics_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::vector<std::unique_ptr<ThreadSigner>> signers_;
  std::optional<channel::Publisher> publisher_;
  std::optional<MailSender> sender_;
  std::unique_ptr<channel::Deliverer> deliverer_;
  std::vector<std::unique_ptr<MailIngest>> takers_;
  std::vector<std::unique_ptr<MailboxReader>> readers_;
  std::unique_ptr<channel::BusWatch> watch_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<service::App>> StartOn(bus::Bus& bus,
                                                      std::optional<store::RedisOptions> redis,
                                                      const EmailSettings& settings,
                                                      const service::Context& context) {
  auto app = std::make_unique<EmailApp>(bus, std::move(redis), settings, context);
  WISSEL_RETURN_IF_ERROR(app->Start());
  return app;
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  std::optional<store::RedisOptions> redis;
  if (settings.redis) {
    WISSEL_ASSIGN_OR_RETURN(redis, settings.redis->ToOptions());
  }
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-email", context.log));
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<service::App> app,
                          StartOn(*bus, std::move(redis), settings.email, context));
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::email
