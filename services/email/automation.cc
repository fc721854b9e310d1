#include "services/email/automation.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/utf8.h"
#include "services/email/charset.h"

namespace wissel::email {
namespace {

namespace messagev1 = ::wissel::message::v1;

constexpr size_t kMaxReports = 100;
constexpr size_t kMaxDiagnosticBytes = 1024;
constexpr size_t kMaxStatusBytes = 16;
constexpr size_t kMaxHeaderBytes = 64 << 10;
// More hops than any mail makes (RFC 5321, section 6.3, asks for at least 100 to be let through;
// ours is stricter, as the mail is not refused, only never answered by a machine).
constexpr int kMaxReceived = 60;

struct Field {
  std::string name;  // lower case
  std::string value;
};

// The fields up to the first blank line, unfolded; takes them off `text`.
std::vector<Field> TakeFields(absl::string_view* text) {
  std::vector<Field> fields;
  while (!text->empty()) {
    const size_t end = std::min(text->find('\n'), text->size());
    absl::string_view line = text->substr(0, end);
    text->remove_prefix(std::min(end + 1, text->size()));
    absl::ConsumeSuffix(&line, "\r");
    if (absl::StripAsciiWhitespace(line).empty()) {
      if (fields.empty()) continue;
      break;
    }
    if (absl::ascii_isspace(line.front())) {
      if (!fields.empty()) {
        absl::StrAppend(&fields.back().value, " ", absl::StripAsciiWhitespace(line));
      }
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    fields.push_back({absl::AsciiStrToLower(absl::StripAsciiWhitespace(line.substr(0, colon))),
                      std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  }
  return fields;
}

// "rfc822; someone@example.org" without its type.
std::string WithoutType(absl::string_view value) {
  const size_t semicolon = value.find(';');
  if (semicolon != absl::string_view::npos) value.remove_prefix(semicolon + 1);
  return CleanLine(ToUtf8(absl::StripAsciiWhitespace(value), ""), kMaxDiagnosticBytes);
}

// The value up to its parameters, in lower case.
std::string Keyword(const std::string* value) {
  if (value == nullptr) return "";
  const absl::string_view head = absl::string_view(*value).substr(0, value->find_first_of(";( "));
  return absl::AsciiStrToLower(absl::StripAsciiWhitespace(head));
}

bool IsBounce(const Mail& mail) {
  if (mail.content_type == "multipart/report" &&
      (mail.report_type == "delivery-status" || mail.report_type.empty())) {
    return true;
  }
  if (mail.FindHeader("x-failed-recipients") != nullptr) return true;
  const std::string* return_path = mail.FindHeader("return-path");
  if (return_path == nullptr || *return_path != "<>" || mail.from.empty()) return false;
  return absl::StartsWithIgnoreCase(mail.from.front().address, "mailer-daemon@") ||
         absl::StartsWithIgnoreCase(mail.from.front().address, "postmaster@");
}

bool IsLoop(const Mail& mail, const AutomationContext& context) {
  if (context.is_own_mail || mail.FindHeader("x-wissel-id") != nullptr ||
      mail.received_headers > kMaxReceived) {
    return true;
  }
  if (!context.own_address.empty()) {
    for (const MailHeader& header : mail.headers) {
      if (header.name == "x-loop" && absl::EqualsIgnoreCase(header.value, context.own_address)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

std::vector<DeliveryReport> ParseDeliveryStatus(absl::string_view part) {
  std::vector<DeliveryReport> reports;
  part = part.substr(0, kMaxHeaderBytes);
  while (!part.empty() && reports.size() < kMaxReports) {
    DeliveryReport report;
    for (const Field& field : TakeFields(&part)) {
      if (field.name == "action") report.action = Keyword(&field.value);
      if (field.name == "status") {
        report.status = std::string(TruncateUtf8(WithoutType(field.value), kMaxStatusBytes));
      }
      if (field.name == "diagnostic-code") report.diagnostic = WithoutType(field.value);
      if (field.name == "final-recipient") report.recipient = WithoutType(field.value);
    }
    // The first block is about the whole mail and has no action.
    if (!report.action.empty()) reports.push_back(std::move(report));
  }
  return reports;
}

std::optional<std::string> ReturnedMessageId(absl::string_view part) {
  part = part.substr(0, kMaxHeaderBytes);
  for (const Field& field : TakeFields(&part)) {
    if (field.name != "message-id") continue;
    std::vector<std::string> ids = ParseMessageIds(field.value, 1);
    if (!ids.empty()) return std::move(ids.front());
  }
  return std::nullopt;
}

messagev1::Automation ClassifyAutomation(const Mail& mail, const AutomationContext& context) {
  if (IsLoop(mail, context)) return messagev1::AUTOMATION_LOOP;
  if (IsBounce(mail)) return messagev1::AUTOMATION_BOUNCE;

  // Any other report (RFC 6522): mostly that somebody has opened a mail (RFC 8098).
  if (mail.content_type == "multipart/report") return messagev1::AUTOMATION_AUTO_REPLY;

  const std::string precedence = Keyword(mail.FindHeader("precedence"));
  const std::string submitted = Keyword(mail.FindHeader("auto-submitted"));
  const bool answers = !mail.in_reply_to.empty() || !mail.references.empty();
  if (submitted == "auto-replied" || precedence == "auto_reply" ||
      mail.FindHeader("x-autoreply") != nullptr || mail.FindHeader("x-autorespond") != nullptr ||
      mail.FindHeader("x-auto-reply-from") != nullptr) {
    return messagev1::AUTOMATION_AUTO_REPLY;
  }
  // Exchange marks an out-of-office answer as generated, not as replied.
  if (!submitted.empty() && submitted != "no") {
    return answers ? messagev1::AUTOMATION_AUTO_REPLY : messagev1::AUTOMATION_BULK;
  }
  if (precedence == "bulk" || precedence == "list" || precedence == "junk" ||
      mail.FindHeader("list-id") != nullptr || mail.FindHeader("list-unsubscribe") != nullptr ||
      mail.FindHeader("list-post") != nullptr) {
    return messagev1::AUTOMATION_BULK;
  }
  if (const std::string suppress = Keyword(mail.FindHeader("x-auto-response-suppress"));
      !suppress.empty() && suppress != "none") {
    return answers ? messagev1::AUTOMATION_AUTO_REPLY : messagev1::AUTOMATION_BULK;
  }
  // RFC 3834, section 3.3: machines answer with an empty return path.
  if (const std::string* path = mail.FindHeader("return-path"); path != nullptr && *path == "<>") {
    return messagev1::AUTOMATION_AUTO_REPLY;
  }
  return messagev1::AUTOMATION_NONE;
}

}  // namespace wissel::email
