#include "services/dev/outbox.h"

#include <google/protobuf/util/json_util.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/dev/state_folder.h"

namespace wissel::dev {
namespace {

// What a page shows at most.
constexpr size_t kMaxShown = 1000;

std::string ProviderId(const std::string& outbound_id) { return "outbox-" + outbound_id; }

std::string ToJson(const channel::OutboundDelivery& delivery, absl::Time now) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string message;
  if (!MessageToJsonString(delivery.message, &message, options).ok()) message = "{}";
  boost::json::object file{{"outbound_id", delivery.outbound_id},
                           {"conversation_id", delivery.conversation_id},
                           {"workspace_id", delivery.workspace_id},
                           {"time", absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone())},
                           {"attempt", delivery.attempt}};
  boost::system::error_code error;
  file["message"] = boost::json::parse(message, error);
  return boost::json::serialize(file);
}

std::string Text(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string().c_str()) : "";
}

const boost::json::object* Object(const boost::json::object& object, const char* key) {
  const auto* value = object.if_contains(key);
  return value != nullptr && value->is_object() ? &value->get_object() : nullptr;
}

std::vector<boost::json::object> ReadAll(const std::string& folder) {
  std::vector<boost::json::object> all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream file(entry.path());
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    boost::system::error_code wrong;
    boost::json::value value = boost::json::parse(bytes, wrong);
    if (!wrong && value.is_object()) all.push_back(std::move(value.get_object()));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return std::pair(Text(a, "time"), Text(a, "outbound_id")) >
           std::pair(Text(b, "time"), Text(b, "outbound_id"));
  });
  if (all.size() > kMaxShown) all.resize(kMaxShown);
  return all;
}

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string Contents(const boost::json::object& message) {
  std::string html;
  const auto* contents = message.if_contains("contents");
  if (contents == nullptr || !contents->is_array()) return html;
  for (const auto& content : contents->get_array()) {
    if (!content.is_object()) continue;
    if (const auto* text = Object(content.get_object(), "text")) {
      absl::StrAppend(&html, "<pre>", Escape(Text(*text, "text")), "</pre>");
    } else {
      absl::StrAppend(&html, "<pre>", Escape(boost::json::serialize(content)), "</pre>");
    }
  }
  return html;
}

}  // namespace

std::string OutboxSender::PathOf(const std::string& outbound_id) const {
  // A UUID: no byte of it means anything in a path.
  return absl::StrCat(folder_, "/", absl::StrReplaceAll(outbound_id, {{"/", "_"}}), ".json");
}

void OutboxSender::Send(const channel::OutboundDelivery& delivery,
                        absl::AnyInvocable<void(channel::SendOutcome) &&> done) {
  const absl::Status status =
      ReplaceFile(PathOf(delivery.outbound_id), ToJson(delivery, clock_->Now()));
  channel::SendOutcome outcome;
  if (status.ok()) {
    outcome.kind = channel::SendOutcome::Kind::kAccepted;
    outcome.provider_message_id = ProviderId(delivery.outbound_id);
  } else {
    outcome.kind = channel::SendOutcome::Kind::kRetry;
    outcome.error.set_detail(std::string(status.message()));
  }
  std::move(done)(std::move(outcome));
}

void OutboxSender::LookUp(const channel::OutboundDelivery& delivery,
                          absl::AnyInvocable<void(channel::LookUpOutcome) &&> done) {
  struct stat found {};
  channel::LookUpOutcome outcome;
  outcome.kind = channel::LookUpOutcome::Kind::kNotThere;
  if (stat(PathOf(delivery.outbound_id).c_str(), &found) == 0) {
    outcome.kind = channel::LookUpOutcome::Kind::kFound;
    outcome.provider_message_id = ProviderId(delivery.outbound_id);
  }
  std::move(done)(std::move(outcome));
}

std::string OutboxJson(const std::string& folder) {
  boost::json::array all;
  for (auto& file : ReadAll(folder)) all.push_back(std::move(file));
  return boost::json::serialize(all);
}

std::string OutboxHtml(const std::string& folder) {
  std::string html =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Wissel: outbox</title>"
      "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 "
      "1rem}"
      "article{border:1px solid #ccc;border-radius:.5rem;padding:.5rem 1rem;margin:1rem 0}"
      "pre{white-space:pre-wrap;font:inherit;margin:.5rem 0}small{color:#555}</style>"
      "<h1>Outbox</h1><p>Answers that would have gone to customers: no provider is configured.</p>";
  const std::vector<boost::json::object> all = ReadAll(folder);
  if (all.empty()) absl::StrAppend(&html, "<p>Nothing yet.</p>");
  for (const auto& file : all) {
    const auto* message = Object(file, "message");
    if (message == nullptr) continue;
    const auto* recipient = Object(*message, "recipient");
    const auto* account = Object(*message, "account");
    absl::StrAppend(
        &html, "<article><strong>", Escape(recipient == nullptr ? "" : Text(*recipient, "address")),
        "</strong> on ", Escape(account == nullptr ? "" : Text(*account, "account_id")));
    if (const std::string subject = Text(*message, "subject"); !subject.empty()) {
      absl::StrAppend(&html, ": ", Escape(subject));
    }
    absl::StrAppend(&html, Contents(*message), "<small>", Escape(Text(file, "time")),
                    ", conversation ", Escape(Text(file, "conversation_id")), "</small></article>");
  }
  return html;
}

}  // namespace wissel::dev
