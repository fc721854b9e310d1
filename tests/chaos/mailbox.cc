#include "tests/chaos/mailbox.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/status_macros.h"

namespace wissel::chaos {
namespace {

constexpr absl::string_view kDoneKeyword = "$WisselDone";
constexpr absl::Duration kTimeout = absl::Seconds(15);
constexpr size_t kFetchedAtOnce = 200;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The port of host:port; 0: there is none.
uint16_t Port(const char* variable) {
  int port = 0;
  const std::string address = Environment(variable);
  if (!absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port)) return 0;
  return static_cast<uint16_t>(port);
}

}  // namespace

absl::StatusOr<MailServers> MailServers::FromEnvironment() {
  MailServers servers{.imaps = Port("WISSEL_TEST_IMAPS"),
                      .smtp = Port("WISSEL_TEST_SMTP"),
                      .mx = Port("WISSEL_TEST_MX"),
                      .ca_file = Environment("WISSEL_TEST_CA"),
                      .password = Environment("WISSEL_TEST_MAIL_PASSWORD"),
                      .shop_mailboxes = {"support@shop.example", "sales@shop.example"},
                      .customers_mailbox = Environment("WISSEL_TEST_MAIL_CUSTOMER"),
                      .log_file = ""};
  if (servers.imaps == 0 || servers.smtp == 0 || servers.mx == 0) {
    return absl::NotFoundError("no Dovecot and Postfix of scripts/stack; Postfix needs root");
  }
  // …/tls/ca.pem, …/postfix/log
  const size_t folder = servers.ca_file.rfind("/tls/");
  servers.log_file = absl::StrCat(servers.ca_file.substr(0, folder), "/postfix/log");
  return servers;
}

email::ServerLogin MailServers::Imap(const std::string& mailbox) const {
  return {.host = "localhost",
          .port = imaps,
          .security = email::Security::kTls,
          .ca_file = ca_file,
          .user = mailbox,
          .password = password,
          .timeout = kTimeout};
}

email::ServerLogin MailServers::Mx() const {
  return {.host = "localhost",
          .port = mx,
          .security = email::Security::kNone,
          .ca_file = "",
          .user = "",
          .password = "",
          .timeout = kTimeout};
}

std::string MailHeaders::Value(absl::string_view name) const {
  std::string value;
  bool in_it = false;
  for (absl::string_view line : absl::StrSplit(bytes, '\n')) {
    const bool folded = absl::StartsWith(line, " ") || absl::StartsWith(line, "\t");
    if (in_it && !folded) break;
    if (!in_it) {
      if (line.size() <= name.size() || line[name.size()] != ':' ||
          !absl::StartsWithIgnoreCase(line, name)) {
        continue;
      }
      in_it = true;
      line.remove_prefix(name.size() + 1);
    }
    absl::StrAppend(&value, value.empty() ? "" : " ", absl::StripAsciiWhitespace(line));
  }
  return std::string(absl::StripAsciiWhitespace(value));
}

std::string MailHeaders::Id(absl::string_view name) const {
  const std::string value = Value(name);
  const size_t open = value.find('<');
  const size_t close = value.find('>');
  if (open == std::string::npos || close == std::string::npos || close < open) return value;
  return value.substr(open + 1, close - open - 1);
}

absl::Status MailboxView::Connect() {
  WISSEL_ASSIGN_OR_RETURN(connection_, email::ImapConnection::Open(login_));
  return connection_->Select("INBOX", kDoneKeyword).status();
}

absl::StatusOr<std::vector<uint32_t>> MailboxView::UidsAfter(uint32_t uid) {
  if (connection_ == nullptr) WISSEL_RETURN_IF_ERROR(Connect());
  WISSEL_ASSIGN_OR_RETURN(std::vector<uint32_t> uids, connection_->Search("", std::nullopt));
  uids.erase(uids.begin(), std::upper_bound(uids.begin(), uids.end(), uid));
  return uids;
}

absl::StatusOr<std::vector<MailHeaders>> MailboxView::After(uint32_t uid) {
  const auto read = [&]() -> absl::StatusOr<std::vector<MailHeaders>> {
    WISSEL_ASSIGN_OR_RETURN(const std::vector<uint32_t> uids, UidsAfter(uid));
    std::vector<MailHeaders> mails;
    for (size_t i = 0; i < uids.size(); i += kFetchedAtOnce) {
      WISSEL_ASSIGN_OR_RETURN(std::vector<email::FetchedMail> fetched,
                              connection_->Fetch(absl::MakeSpan(uids).subspan(i, kFetchedAtOnce),
                                                 email::ImapConnection::Part::kHeader));
      for (email::FetchedMail& mail : fetched) mails.push_back({mail.uid, std::move(mail.bytes)});
    }
    return mails;
  };
  absl::StatusOr<std::vector<MailHeaders>> mails = read();
  if (!mails.ok()) connection_ = nullptr;
  return mails;
}

absl::Status MailboxView::MarkAllDone() {
  WISSEL_ASSIGN_OR_RETURN(const std::vector<uint32_t> uids, UidsAfter(0));
  for (size_t i = 0; i < uids.size(); i += kFetchedAtOnce) {
    WISSEL_RETURN_IF_ERROR(
        connection_->AddKeyword(absl::MakeSpan(uids).subspan(i, kFetchedAtOnce), kDoneKeyword));
  }
  return absl::OkStatus();
}

}  // namespace wissel::chaos
