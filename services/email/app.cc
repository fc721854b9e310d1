#include "services/email/app.h"

#include <unistd.h>

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/channel/blob.h"
#include "libs/channel/deliverer.h"
#include "libs/channel/publisher.h"
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
  EmailApp(const Settings& settings, const service::Context& context)
      : settings_(settings), context_(context), metrics_(context.metrics) {}

  absl::Status Start(bus::Bus& bus) {
    WISSEL_RETURN_IF_ERROR(Check());
    WISSEL_ASSIGN_OR_RETURN(
        blobs_, channel::NewFolderBlobStore(
                    {.folder = settings_.blob_folder, .max_blob_bytes = settings_.max_mail_bytes}));
    std::vector<std::string> keys;
    for (const ThreadKeySettings& key : settings_.thread_keys) keys.push_back(key.key.value());
    for (const AccountSettings& account : settings_.accounts) {
      WISSEL_ASSIGN_OR_RETURN(ThreadSigner signer,
                              ThreadSigner::Create(WorkspaceId(account.workspace_id), keys));
      signers_.push_back(std::make_unique<ThreadSigner>(std::move(signer)));
    }
    if (settings_.role != Role::kIngest) StartDeliver(bus);
    if (settings_.role != Role::kDeliver) WISSEL_RETURN_IF_ERROR(StartIngest(bus));
    return absl::OkStatus();
  }

  absl::Status Drain(absl::Duration limit) override {
    readers_.clear();
    if (publisher_ != nullptr) WISSEL_RETURN_IF_ERROR(publisher_->Flush(limit));
    if (deliverer_ != nullptr) deliverer_->Drain(limit);
    return absl::OkStatus();
  }

 private:
  absl::Status Check() const {
    std::set<std::pair<std::string, std::string>> seen;
    for (const AccountSettings& account : settings_.accounts) {
      if (!seen.emplace(account.workspace_id, account.account_id).second) {
        return absl::InvalidArgumentError(
            absl::StrCat("accounts: ", account.account_id, " stands there twice"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status StartIngest(bus::Bus& bus) {
    std::error_code error;
    std::filesystem::create_directories(settings_.state_folder, error);
    if (error) {
      return absl::UnavailableError(absl::StrCat(settings_.state_folder, ": ", error.message()));
    }
    publisher_ =
        std::make_unique<channel::Publisher>(&bus, &context_.clock, channel::PublisherOptions{});
    for (size_t i = 0; i < settings_.accounts.size(); ++i) {
      const AccountSettings& account = settings_.accounts[i];
      const IngestMetrics metrics = metrics_.ForMailbox(account.account_id);
      takers_.push_back(std::make_unique<MailIngest>(
          MailIngestOptions{.normalise = {.limits = {},
                                          .max_attachment_bytes =
                                              static_cast<size_t>(settings_.max_attachment_bytes)}},
          MailboxOf(account), signers_[i].get(), blobs_.get(), publisher_.get(), metrics));
      MailboxReaderOptions options{
          .account_id = account.account_id,
          .login =
              account.imap.Login(account.imap.security == Security::kTls ? kImapsPort : kImapPort),
          .folder = account.folder,
          .state_file = absl::StrCat(settings_.state_folder, "/", account.workspace_id, ".",
                                     account.account_id, ".done"),
          .since = std::nullopt,
          .max_mail_bytes = static_cast<size_t>(settings_.max_mail_bytes),
          .batch_mails = static_cast<size_t>(settings_.batch_mails),
          .batch_bytes = static_cast<size_t>(settings_.batch_bytes),
          .idle_renewal = settings_.idle_renewal,
          .poll_interval = settings_.poll_interval};
      if (absl::CivilDay day; absl::ParseCivilTime(account.since, &day)) options.since = day;
      readers_.push_back(MailboxReader::Start(std::move(options), takers_.back().get(),
                                              context_.log.With({{"account", account.account_id}}),
                                              metrics));
    }
    return absl::OkStatus();
  }

  void StartDeliver(bus::Bus& bus) {
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
    sender_ = std::make_unique<MailSender>(
        MailSenderOptions{.connections = settings_.smtp_connections,
                          .max_mail_bytes = static_cast<size_t>(settings_.max_outgoing_bytes)},
        std::move(accounts), blobs_.get(), &context_.clock, metrics_.send_seconds);
    channel::DelivererOptions options;
    options.kind = wissel::common::v1::CHANNEL_KIND_EMAIL;
    options.deliverer_id = RandomUuid();
    options.policy.max_attempts = settings_.max_attempts;
    options.policy.max_age = settings_.max_age;
    // A second copy has the same Message-ID and is shown once.
    options.policy.uncertain = channel::UncertainPolicy::kResend;
    options.policy.settle_wait = absl::Seconds(5);
    // More could not be called within the time that an attempt has to begin.
    options.policy.max_in_flight = settings_.smtp_connections;
    deliverer_ = channel::Deliverer::Start(std::move(options), &bus, sender_.get(), &context_.clock,
                                           context_.log, &context_.metrics);
  }

  const Settings settings_;
  const service::Context context_;
  const Metrics metrics_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::vector<std::unique_ptr<ThreadSigner>> signers_;
  std::unique_ptr<channel::Publisher> publisher_;
  std::vector<std::unique_ptr<MailIngest>> takers_;
  // Destroyed from the last to the first: the deliverer before the sender that it calls.
  std::unique_ptr<MailSender> sender_;
  std::unique_ptr<channel::Deliverer> deliverer_;
  std::vector<std::unique_ptr<MailboxReader>> readers_;
};

// Owns the bus beside the app that uses it.
class OwnBusApp final : public service::App {
 public:
  OwnBusApp(std::unique_ptr<bus::Bus> bus, std::unique_ptr<service::App> app)
      : bus_(std::move(bus)), app_(std::move(app)) {}
  absl::Status Drain(absl::Duration limit) override { return app_->Drain(limit); }

 private:
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<service::App> app_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<service::App>> StartOn(bus::Bus& bus, const Settings& settings,
                                                      const service::Context& context) {
  auto app = std::make_unique<EmailApp>(settings, context);
  WISSEL_RETURN_IF_ERROR(app->Start(bus));
  return app;
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  bus::KafkaOptions options;
  options.brokers = settings.brokers;
  options.client_id = "wissel-email";
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus, bus::NewKafkaBus(std::move(options)));
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<service::App> app, StartOn(*bus, settings, context));
  return std::make_unique<OwnBusApp>(std::move(bus), std::move(app));
}

}  // namespace wissel::email
