#include "tests/chaos/mail_customers.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "tests/chaos/leaks.h"

namespace wissel::chaos {
namespace {

constexpr size_t kThreads = 4;
constexpr absl::Duration kRetry = absl::Milliseconds(200);
constexpr absl::Duration kLook = absl::Milliseconds(250);
// The share of mails with nothing to answer that go on from the customer's last; the others begin a
// new matter.
constexpr double kGoesOn = 0.75;

}  // namespace

absl::StatusOr<std::unique_ptr<MailCustomers>> MailCustomers::Start(MailCustomersOptions options) {
  auto customers = std::unique_ptr<MailCustomers>(new MailCustomers(std::move(options)));
  const MailServers& servers = customers->options_.servers;
  // What earlier runs left is not ours.
  MailboxView view(servers, servers.customers_mailbox);
  WISSEL_ASSIGN_OR_RETURN(const std::vector<MailHeaders> before, view.After(0));
  {
    MutexLock lock(customers->mutex_);
    if (!before.empty()) customers->last_uid_ = before.back().uid;
  }
  std::error_code error;
  customers->log_begin_ = static_cast<int64_t>(std::filesystem::file_size(servers.log_file, error));
  if (error) return absl::NotFoundError(absl::StrCat(servers.log_file, ": ", error.message()));
  const auto threads = std::min(kThreads, static_cast<size_t>(customers->options_.customers));
  customers->writing_ = static_cast<int>(threads);
  for (size_t i = 0; i < threads; ++i) {
    customers->writers_.push_back(
        StartThread("mail-customers", [raw = customers.get(), i] { raw->Write(i); }));
  }
  customers->reader_ = StartThread(
      "mail-reader", [raw = customers.get()](const std::stop_token& stop) { raw->Read(stop); });
  return customers;
}

MailCustomers::MailCustomers(MailCustomersOptions options)
    : options_(std::move(options)), label_(absl::StrCat("c", absl::ToUnixMillis(start_))) {}

MailCustomers::~MailCustomers() {
  stopping_ = true;
  reader_.request_stop();
}

std::vector<CustomerMessage> MailCustomers::mails() const {
  MutexLock lock(mutex_);
  return mails_;
}

bool MailCustomers::Has(const std::string& outbound_id) const {
  MutexLock lock(mutex_);
  return arrived_ids_.contains(outbound_id);
}

std::string MailCustomers::AddressOf(int customer) const {
  std::string address = options_.servers.customers_mailbox;
  return address.insert(address.find('@'), absl::StrCat("+", customer));
}

const std::string& MailCustomers::MailboxOf(int customer) const {
  const std::vector<std::string>& all = options_.servers.shop_mailboxes;
  return all[static_cast<size_t>(customer) % all.size()];
}

// Each thread has customers of its own and a lot of its own: who writes when, and what is handed
// over twice, depends on the seed alone; what a mail answers depends on what has come by then.
void MailCustomers::Write(size_t thread) {
  std::mt19937_64 lot(options_.seed * 1000 + 500 + thread);
  const auto chance = [&](double share) {
    return static_cast<double>(lot() % 1'000'000) < share * 1'000'000;
  };
  std::vector<Customer> mine;
  for (auto i = static_cast<int>(thread); i < options_.customers;
       i += std::min(static_cast<int>(kThreads), options_.customers)) {
    mine.push_back({.number = i});
  }
  email::SmtpConnection server(options_.servers.Mx());
  while (!stopping_) {
    const int number = next_mail_++;
    if (number >= options_.mails) break;
    const absl::Time due = start_ + options_.duration * number / options_.mails;
    while (!stopping_ && absl::Now() < due) {
      absl::SleepFor(std::min(due - absl::Now(), absl::Milliseconds(50)));
    }
    Customer& customer = mine[lot() % mine.size()];
    const Written mail = Compose(customer, chance(kGoesOn));
    const bool again = chance(options_.again);
    size_t place;
    {
      MutexLock lock(mutex_);
      place = mails_.size();
      mails_.push_back(mail.message);
    }
    if (!HandOver(server, mail.message.customer, mail)) continue;
    {
      MutexLock lock(mutex_);
      mails_[place].acknowledged = true;
    }
    if (again) HandOver(server, mail.message.customer, mail);
  }
  --writing_;
}

MailCustomers::Written MailCustomers::Compose(Customer& customer, bool goes_on) {
  const std::string address = AddressOf(customer.number);
  const std::string id =
      absl::StrCat(label_, ".", customer.number, ".", ++customer.written, "@example.org");
  Written mail{.message = {.provider_message_id = id, .customer = address},
               .to = MailboxOf(customer.number)};
  std::string in_reply_to;
  {
    MutexLock lock(mutex_);
    std::deque<Answer>& unanswered = unanswered_[address];
    if (!unanswered.empty()) {
      in_reply_to = unanswered.front().message_id;
      mail.message.answers = unanswered.front().outbound_id;
      if (!unanswered.front().reply_to.empty()) mail.to = unanswered.front().reply_to;
      unanswered.pop_front();
    } else if (goes_on) {
      in_reply_to = customer.last_id;
    }
  }
  customer.last_id = id;
  mail.bytes = absl::StrCat(
      "From: <", address, ">\r\nTo: <", mail.to, ">\r\nSubject: ", kPrivateWord, "s of customer ",
      customer.number,
      "\r\nDate: ", absl::FormatTime("%a, %d %b %Y %H:%M:%S %z", absl::Now(), absl::UTCTimeZone()),
      "\r\nMessage-ID: <", id, ">\r\n",
      in_reply_to.empty()
          ? ""
          : absl::StrCat("In-Reply-To: <", in_reply_to, ">\r\nReferences: <", in_reply_to, ">\r\n"),
      "Content-Type: text/plain; charset=utf-8\r\n\r\n", kPrivateWord, " ", customer.number, ".",
      customer.written, "\r\n");
  return mail;
}

bool MailCustomers::HandOver(email::SmtpConnection& server, const std::string& from,
                             const Written& mail) {
  const Timeout limit(options_.give_up_after);
  while (!stopping_ && !limit.Expired()) {
    ++submissions_;
    const email::SmtpReply reply = server.Send({.from = from, .to = mail.to}, mail.bytes);
    if (reply.kind == email::SmtpReply::Kind::kAccepted) return true;
    ++refused_;
    absl::SleepFor(kRetry);
  }
  return false;
}

void MailCustomers::Read(const std::stop_token& stop) {
  MailboxView view(options_.servers, options_.servers.customers_mailbox);
  while (!stop.stop_requested()) {
    ReadNew(view).IgnoreError();  // The next look will do.
    absl::SleepFor(kLook);
  }
}

absl::Status MailCustomers::ReadNew(MailboxView& view) {
  uint32_t last = 0;
  {
    MutexLock lock(mutex_);
    last = last_uid_;
  }
  WISSEL_ASSIGN_OR_RETURN(const std::vector<MailHeaders> mails, view.After(last));
  MutexLock lock(mutex_);
  for (const MailHeaders& mail : mails) {
    ArrivedMail arrived{.outbound_id = mail.Value("X-Wissel-Id"),
                        .message_id = mail.Id("Message-ID"),
                        .to = mail.Id("To")};
    if (arrived_ids_.insert(arrived.outbound_id).second) {
      unanswered_[arrived.to].push_back({.message_id = arrived.message_id,
                                         .reply_to = mail.Id("Reply-To"),
                                         .outbound_id = arrived.outbound_id});
    }
    arrived_.push_back(std::move(arrived));
    last_uid_ = mail.uid;
  }
  return absl::OkStatus();
}

absl::Status MailCustomers::AddTo(History& history) {
  reader_.request_stop();
  if (reader_.joinable()) reader_.join();
  // A new connection sees all that is there.
  MailboxView customers_view(options_.servers, options_.servers.customers_mailbox);
  WISSEL_RETURN_IF_ERROR(ReadNew(customers_view));
  WISSEL_ASSIGN_OR_RETURN(history.mails_taken, TakenInOrder());
  std::unordered_map<std::string, int> places;
  for (const std::string& mailbox : options_.servers.shop_mailboxes) {
    MailboxView view(options_.servers, mailbox);
    WISSEL_ASSIGN_OR_RETURN(const std::vector<MailHeaders> mails, view.After(0));
    for (const MailHeaders& mail : mails) {
      places.try_emplace(mail.Id("Message-ID"), static_cast<int>(mail.uid));
    }
  }
  MutexLock lock(mutex_);
  for (CustomerMessage mail : mails_) {
    if (const auto place = places.find(mail.provider_message_id); place != places.end()) {
      mail.step = place->second;
    } else if (mail.acknowledged) {
      return absl::DataLossError(absl::StrCat("Postfix took ", mail.provider_message_id,
                                              ", and Dovecot does not have it"));
    }
    history.messages.push_back(std::move(mail));
  }
  history.arrived = arrived_;
  return absl::OkStatus();
}

// The ids of the mails that Postfix was given, as its log has them: it may fill mailboxes in
// another order.
absl::StatusOr<std::vector<std::string>> MailCustomers::TakenInOrder() const {
  const std::string mark_text = "message-id=<";
  std::ifstream log(options_.servers.log_file, std::ios::binary);
  log.seekg(log_begin_);
  if (!log) return absl::UnavailableError(absl::StrCat(options_.servers.log_file, ": not read"));
  std::vector<std::string> ids;
  for (std::string line; std::getline(log, line);) {
    const size_t mark = line.find(mark_text);
    const size_t end = line.rfind('>');
    if (mark == std::string::npos || end == std::string::npos) continue;
    const size_t begin = mark + mark_text.size();
    if (begin < end) ids.push_back(line.substr(begin, end - begin));
  }
  return ids;
}

}  // namespace wissel::chaos
