#include "services/whatsapp/normalise.h"

#include <algorithm>
#include <boost/json.hpp>
#include <initializer_list>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/hash.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "libs/channel/ids.h"
#include "libs/channel/text.h"

namespace wissel::whatsapp {
namespace {

namespace json = boost::json;
using message::v1::Content;
using message::v1::InboundMessage;

absl::string_view View(const json::string& text) { return {text.data(), text.size()}; }
json::string_view Key(absl::string_view key) { return {key.data(), key.size()}; }

const json::value* Find(const json::object& object, absl::string_view key) {
  return object.if_contains(Key(key));
}
const json::object* FindObject(const json::object& object, absl::string_view key) {
  const json::value* value = Find(object, key);
  return value == nullptr ? nullptr : value->if_object();
}
const json::array* FindArray(const json::object& object, absl::string_view key) {
  const json::value* value = Find(object, key);
  return value == nullptr ? nullptr : value->if_array();
}
absl::string_view FindString(const json::object& object, absl::string_view key) {
  const json::value* value = Find(object, key);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? absl::string_view() : View(*text);
}
std::optional<double> FindNumber(const json::object& object, absl::string_view key) {
  const json::value* value = Find(object, key);
  if (value == nullptr) return std::nullopt;
  json::error_code error;
  const double number = value->to_number<double>(error);
  return error ? std::nullopt : std::optional(number);
}

// NUL is valid in JSON and of no use in a text.
std::string Clean(absl::string_view text, size_t max) {
  return std::string(TruncateUtf8(channel::ToUtf8(text), max));
}

// Unix seconds, as a string of digits (Meta's habit) or a number.
absl::Time FindTime(const json::object& object, absl::string_view key) {
  int64_t seconds = 0;
  const absl::string_view text = FindString(object, key);
  if (!text.empty()) {
    if (!absl::SimpleAtoi(text, &seconds)) seconds = 0;
  } else if (const std::optional<double> number = FindNumber(object, key)) {
    if (*number > 0 && *number < 1e11) seconds = static_cast<int64_t>(*number);
  }
  // Timestamps of the contract go from year 1 to 9999.
  return absl::FromUnixSeconds(std::clamp<int64_t>(seconds, 0, 253402300799));
}

class Normaliser {
 public:
  explicit Normaliser(const AccountLookup& lookup) : lookup_(lookup) {}

  Normalised Run(absl::string_view text) {
    max_dead_letter_bytes_ = MaxDeadLetterBytes(text.size());
    json::parse_options options;
    options.max_depth = kMaxJsonDepth;
    json::error_code error;
    // One arena for the whole tree.
    json::monotonic_resource arena;
    const json::value root =
        json::parse({text.data(), text.size()}, error, json::storage_ptr(&arena), options);
    if (error) {
      Dead(deadletter::v1::REASON_UNPARSABLE, absl::StrCat("not JSON: ", error.message()), text);
      return std::move(out_);
    }
    const json::object* object = root.if_object();
    if (object == nullptr || FindString(*object, "object") != "whatsapp_business_account") {
      Dead(deadletter::v1::REASON_INVALID,
           "expected an object with \"object\": \"whatsapp_business_account\"", text);
      return std::move(out_);
    }
    const json::array* entries = FindArray(*object, "entry");
    if (entries == nullptr) {
      Dead(deadletter::v1::REASON_INVALID, "expected an array \"entry\"", text);
      return std::move(out_);
    }
    for (const json::value& entry : *entries) {
      account_ = nullptr;
      entry_ = entry.if_object();
      const json::array* changes = entry_ == nullptr ? nullptr : FindArray(*entry_, "changes");
      if (changes == nullptr) {
        Dead(deadletter::v1::REASON_INVALID, "entry without \"changes\"", WebhookOf(entry));
        continue;
      }
      for (const json::value& change : *changes) OnChange(change);
    }
    if (too_many_dead_letters_) {
      too_many_dead_letters_ = false;
      out_.dead_letters.clear();
      dead_letter_bytes_ = 0;
      account_ = nullptr;
      Dead(deadletter::v1::REASON_INVALID,
           "too much of it is not understood for a dead letter each", text);
    }
    return std::move(out_);
  }

 private:
  void OnChange(const json::value& change) {
    account_ = nullptr;
    const json::object* object = change.if_object();
    const json::object* value = object == nullptr ? nullptr : FindObject(*object, "value");
    if (value == nullptr) {
      return Dead(deadletter::v1::REASON_INVALID, "change without \"value\"",
                  WebhookOfChange(change));
    }
    const absl::string_view field = FindString(*object, "field");
    if (field != "messages") {
      return Dead(deadletter::v1::REASON_INVALID,
                  absl::StrCat("field \"", Clean(field, 64), "\" is not handled"),
                  WebhookOfChange(change));
    }
    const json::object* metadata = FindObject(*value, "metadata");
    const absl::string_view number =
        metadata == nullptr ? absl::string_view() : FindString(*metadata, "phone_number_id");
    account_ = number.empty() ? nullptr : lookup_(number);
    if (account_ == nullptr) {
      return Dead(deadletter::v1::REASON_UNKNOWN_ACCOUNT,
                  absl::StrCat("no account has phone_number_id \"", Clean(number, 64), "\""),
                  WebhookOfChange(change));
    }
    value_ = value;
    names_.clear();
    if (const json::array* contacts = FindArray(*value, "contacts")) {
      for (const json::value& contact : *contacts) {
        const json::object* c = contact.if_object();
        const json::object* profile = c == nullptr ? nullptr : FindObject(*c, "profile");
        if (profile == nullptr) continue;
        for (const absl::string_view key : {"wa_id", "user_id"}) {
          const absl::string_view id = FindString(*c, key);
          if (!id.empty()) {
            names_[std::string(id)] =
                Clean(FindString(*profile, "name"), channel::kMaxDisplayNameBytes);
          }
        }
      }
    }
    ForEach(*value, "messages", [this](const json::value& v) { OnMessage(v); });
    ForEach(*value, "statuses", [this](const json::value& v) { OnStatus(v); });
    ForEach(*value, "errors", [this](const json::value& v) {
      Dead(deadletter::v1::REASON_INVALID, "the provider reports an error of the account",
           WebhookOfItem("errors", v, /*contacts=*/nullptr));
    });
    for (const auto& member : *value) {
      const absl::string_view key(member.key().data(), member.key().size());
      if (!IsOneOf(key, {"messaging_product", "metadata", "contacts", "messages", "statuses",
                         "errors"})) {
        Dead(deadletter::v1::REASON_INVALID,
             absl::StrCat("\"", Clean(key, 64), "\" in a change of messages is not handled"),
             WebhookOfMember(key, member.value(), Find(*value_, "contacts")));
      }
    }
  }

  template <typename F>
  void ForEach(const json::object& value, absl::string_view key, F on_item) {
    const json::value* items = Find(value, key);
    if (items == nullptr) return;
    if (!items->is_array()) {
      return Dead(
          deadletter::v1::REASON_INVALID, absl::StrCat("\"", key, "\" is no array"),
          WebhookOfMember(key, *items, key == "messages" ? Find(*value_, "contacts") : nullptr));
    }
    for (const json::value& item : items->get_array()) on_item(item);
  }

  void OnMessage(const json::value& value) {
    const json::object* object = value.if_object();
    const absl::string_view id = object == nullptr ? "" : FindString(*object, "id");
    absl::string_view from = object == nullptr ? "" : FindString(*object, "from");
    // Customers with a user name may come without a number.
    if (from.empty() && object != nullptr) from = FindString(*object, "from_user_id");
    if (id.empty() || from.empty()) {
      return Dead(deadletter::v1::REASON_INVALID, "message without \"id\" or \"from\"",
                  WebhookOfMessage(value, from));
    }
    NormalisedMessage normalised;
    InboundMessage& message = normalised.message;
    const absl::Time time = FindTime(*object, "timestamp");
    message.mutable_envelope()->set_workspace_id(account_->workspace_id);
    message.mutable_envelope()->set_routing_group_id(account_->routing_group_id);
    *message.mutable_envelope()->mutable_time() = ToProto(time);
    *message.mutable_sent_time() = ToProto(time);
    message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    message.mutable_account()->set_account_id(account_->account_id);
    message.set_provider_message_id(std::string(id));
    message.mutable_sender()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    message.mutable_sender()->set_address(std::string(from));
    message.set_automation(message::v1::AUTOMATION_NONE);
    if (const auto name = names_.find(std::string(from)); name != names_.end()) {
      message.mutable_sender()->set_display_name(name->second);
    }
    if (const json::object* context = FindObject(*object, "context")) {
      message.mutable_thread()->set_in_reply_to_provider_message_id(
          std::string(FindString(*context, "id")));
    }

    const std::string type(FindString(*object, "type"));
    if (AddContents(type, *object, &normalised)) {
      // What comes along with it: an ad that was clicked, a product that was asked about.
      for (const auto& member : *object) {
        const absl::string_view key(member.key().data(), member.key().size());
        if (key != type &&
            !IsOneOf(key, {"from", "from_user_id", "id", "timestamp", "type", "context"})) {
          AddUnsupported(key, member.value(), &normalised);
        }
      }
      if (const json::object* context = FindObject(*object, "context")) {
        if (HasOtherThan(*context, {"from", "id", "forwarded", "frequently_forwarded"})) {
          AddUnsupported("context", *context, &normalised);
        }
      }
    } else {
      AddUnsupported(type, value, &normalised);
    }
    out_.messages.push_back(std::move(normalised));
  }

  // False where the type has no form here, or its object does not hold what the type promises.
  static bool AddContents(absl::string_view type, const json::object& object,
                          NormalisedMessage* out) {
    if (type == "contacts") return AddContacts(object, out);
    const json::object* body = FindObject(object, type);
    if (body == nullptr) return false;
    if (type == "text") return AddText(*body, out);
    if (type == "image") return AddMedia(message::v1::Media::KIND_IMAGE, *body, out);
    if (type == "audio") return AddMedia(message::v1::Media::KIND_AUDIO, *body, out);
    if (type == "video") return AddMedia(message::v1::Media::KIND_VIDEO, *body, out);
    if (type == "document") return AddMedia(message::v1::Media::KIND_DOCUMENT, *body, out);
    if (type == "sticker") return AddMedia(message::v1::Media::KIND_STICKER, *body, out);
    if (type == "location") return AddLocation(*body, out);
    if (type == "interactive") return AddInteractive(*body, out);
    if (type == "button") return AddButton(*body, out);
    if (type == "reaction") return AddReaction(*body, out);
    return false;
  }

  static bool AddText(const json::object& body, NormalisedMessage* out) {
    const json::value* text = Find(body, "body");
    if (text == nullptr || !text->is_string()) return false;
    message::v1::Text* content = out->message.add_contents()->mutable_text();
    content->set_text(Clean(View(text->get_string()), channel::kMaxTextBytes));
    content->set_truncated(text->get_string().size() > channel::kMaxTextBytes);
    return true;
  }

  static bool AddMedia(message::v1::Media::Kind kind, const json::object& body,
                       NormalisedMessage* out) {
    const absl::string_view id = FindString(body, "id");
    if (id.empty()) return false;
    message::v1::Media* media = out->message.add_contents()->mutable_media();
    media->set_kind(kind);
    media->set_provider_media_id(std::string(id));
    media->set_caption(Clean(FindString(body, "caption"), channel::kMaxTextBytes));
    media->set_unavailable_reason("not fetched");
    out->media.push_back({.content = out->message.contents_size() - 1,
                          .media_id = std::string(id),
                          .content_type = Clean(FindString(body, "mime_type"), 128),
                          .file_name = channel::SafeFileName(FindString(body, "filename"))});
    return true;
  }

  static bool AddLocation(const json::object& body, NormalisedMessage* out) {
    const std::optional<double> latitude = FindNumber(body, "latitude");
    const std::optional<double> longitude = FindNumber(body, "longitude");
    if (!latitude || !longitude) return false;
    message::v1::Location* location = out->message.add_contents()->mutable_location();
    location->set_latitude_degrees(*latitude);
    location->set_longitude_degrees(*longitude);
    location->set_name(Clean(FindString(body, "name"), 1024));
    location->set_address(Clean(FindString(body, "address"), 1024));
    return true;
  }

  static bool AddContacts(const json::object& object, NormalisedMessage* out) {
    const json::array* contacts = FindArray(object, "contacts");
    // Leaves room for what comes along.
    if (contacts == nullptr || contacts->empty() || contacts->size() > 50) return false;
    for (const json::value& value : *contacts) {
      if (!value.is_object()) return false;
    }
    bool whole = true;
    for (const json::value& value : *contacts) {
      const json::object& contact = value.get_object();
      message::v1::ContactCard* card = out->message.add_contents()->mutable_contact_card();
      if (const json::object* name = FindObject(contact, "name")) {
        card->set_formatted_name(Clean(FindString(*name, "formatted_name"), 1024));
      }
      const auto collect = [&](absl::string_view list, absl::string_view key, auto add) {
        if (const json::array* items = FindArray(contact, list)) {
          for (const json::value& item : *items) {
            if (item.is_object()) add(Clean(FindString(item.get_object(), key), 320));
          }
        }
      };
      collect("phones", "phone", [&](std::string v) { card->add_phone_numbers(std::move(v)); });
      collect("emails", "email", [&](std::string v) { card->add_email_addresses(std::move(v)); });
      if (const json::object* org = FindObject(contact, "org")) {
        card->set_organisation(Clean(FindString(*org, "company"), 1024));
      }
      whole = whole && !HasOtherThan(contact, {"name", "phones", "emails", "org"});
    }
    if (!whole) AddUnsupported("contacts", *contacts, out);
    return true;
  }

  static bool AddInteractive(const json::object& body, NormalisedMessage* out) {
    const absl::string_view type = FindString(body, "type");
    if (type != "button_reply" && type != "list_reply") return false;
    const json::object* reply = FindObject(body, type);
    if (reply == nullptr) return false;
    message::v1::InteractiveReply* content =
        out->message.add_contents()->mutable_interactive_reply();
    content->set_choice_id(Clean(FindString(*reply, "id"), 1024));
    content->set_title(Clean(FindString(*reply, "title"), 1024));
    content->set_description(Clean(FindString(*reply, "description"), 1024));
    return true;
  }

  // A quick reply of a template.
  static bool AddButton(const json::object& body, NormalisedMessage* out) {
    message::v1::InteractiveReply* content =
        out->message.add_contents()->mutable_interactive_reply();
    content->set_choice_id(Clean(FindString(body, "payload"), 1024));
    content->set_title(Clean(FindString(body, "text"), 1024));
    return true;
  }

  static bool AddReaction(const json::object& body, NormalisedMessage* out) {
    const absl::string_view to = FindString(body, "message_id");
    if (to.empty()) return false;
    message::v1::Reaction* content = out->message.add_contents()->mutable_reaction();
    content->set_to_provider_message_id(std::string(to));
    content->set_emoji(Clean(FindString(body, "emoji"), 64));
    return true;
  }

  template <typename Json>
  static void AddUnsupported(absl::string_view type, const Json& value, NormalisedMessage* out) {
    if (out->message.contents_size() >= 99) return AddOverflow(json::serialize(value), out);
    message::v1::Unsupported* content = out->message.add_contents()->mutable_unsupported();
    content->set_provider_type(Clean(type.empty() ? "(none)" : type, 64));
    content->set_content_type("application/json");
    std::string raw = json::serialize(value);
    if (raw.size() <= channel::kMaxRawBytes) {
      content->set_raw(std::move(raw));
    } else {
      AddOverflow(std::move(raw), out);
    }
  }

  // JSON texts, a line each.
  static void AddOverflow(std::string raw, NormalisedMessage* out) {
    absl::StrAppend(&out->raw, raw, "\n");
  }

  void OnStatus(const json::value& value) {
    const json::object* object = value.if_object();
    const absl::string_view id = object == nullptr ? "" : FindString(*object, "id");
    const absl::string_view status = object == nullptr ? "" : FindString(*object, "status");
    const std::optional<receipt::v1::DeliveryState> state = ParseStatus(status);
    if (id.empty() || !state) {
      return Dead(deadletter::v1::REASON_INVALID,
                  absl::StrCat("status \"", Clean(status, 64), "\" is not handled"),
                  WebhookOfItem("statuses", value, /*contacts=*/nullptr));
    }
    if (id.size() > channel::kMaxProviderMessageIdBytes) {
      return Dead(deadletter::v1::REASON_INVALID,
                  absl::StrCat("status with an \"id\" of ", id.size(), " bytes"),
                  WebhookOfItem("statuses", value, /*contacts=*/nullptr));
    }
    receipt::v1::Receipt receipt;
    receipt.mutable_envelope()->set_workspace_id(account_->workspace_id);
    receipt.mutable_envelope()->set_routing_group_id(account_->routing_group_id);
    receipt.mutable_envelope()->set_id(channel::ReceiptId(
        {"provider_status", account_->workspace_id, "whatsapp", account_->account_id, id, status}));
    *receipt.mutable_envelope()->mutable_time() = ToProto(FindTime(*object, "timestamp"));
    receipt::v1::ProviderStatus* out = receipt.mutable_provider_status();
    out->mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    out->mutable_account()->set_account_id(account_->account_id);
    out->set_provider_message_id(std::string(id));
    out->set_outbound_id(Clean(FindString(*object, "biz_opaque_callback_data"), 64));
    out->set_state(*state);
    const json::array* errors = FindArray(*object, "errors");
    if (errors != nullptr && !errors->empty() && errors->front().is_object()) {
      const json::object& error = errors->front().get_object();
      if (const std::optional<double> code = FindNumber(error, "code")) {
        out->mutable_error()->set_provider_code(absl::StrCat(static_cast<int64_t>(*code)));
      }
      absl::string_view detail = FindString(error, "title");
      if (const json::object* data = FindObject(error, "error_data")) {
        if (!FindString(*data, "details").empty()) detail = FindString(*data, "details");
      }
      out->mutable_error()->set_detail(Clean(detail, channel::kMaxErrorDetailBytes));
    }
    out_.receipts.push_back(std::move(receipt));
  }

  static std::optional<receipt::v1::DeliveryState> ParseStatus(absl::string_view status) {
    if (status == "sent") return receipt::v1::DELIVERY_STATE_SENT;
    if (status == "delivered") return receipt::v1::DELIVERY_STATE_DELIVERED;
    if (status == "read" || status == "played") return receipt::v1::DELIVERY_STATE_READ;
    if (status == "failed") return receipt::v1::DELIVERY_STATE_FAILED;
    return std::nullopt;
  }

  static bool IsOneOf(absl::string_view key, std::initializer_list<absl::string_view> keys) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }
  static bool HasOtherThan(const json::object& object,
                           std::initializer_list<absl::string_view> keys) {
    return std::any_of(object.begin(), object.end(), [&](const auto& member) {
      return !IsOneOf({member.key().data(), member.key().size()}, keys);
    });
  }

  // What is not understood, as a webhook of its own: the channel takes it again as it stands, and
  // understands it then or gives the same dead letter.
  static std::string WebhookOf(json::value entry) {
    json::object webhook;
    webhook["object"] = "whatsapp_business_account";
    webhook["entry"] = json::array{std::move(entry)};
    return json::serialize(webhook);
  }
  std::string WebhookOfChange(json::value change) const {
    if (too_many_dead_letters_) return "";
    json::object entry;
    for (const auto& member : *entry_) {
      if (member.key() != "changes") entry.insert(member);
    }
    entry["changes"] = json::array{std::move(change)};
    return WebhookOf(std::move(entry));
  }
  // Of a change of messages, with whose it is; `contacts` may be null.
  std::string WebhookOfMember(absl::string_view key, json::value member,
                              const json::value* contacts) const {
    if (too_many_dead_letters_) return "";
    json::object value;
    for (const absl::string_view kept : {"messaging_product", "metadata"}) {
      if (const json::value* found = Find(*value_, kept)) value[Key(kept)] = *found;
    }
    if (contacts != nullptr) value["contacts"] = *contacts;
    value[Key(key)] = std::move(member);
    json::object change;
    change["field"] = "messages";
    change["value"] = std::move(value);
    return WebhookOfChange(std::move(change));
  }
  std::string WebhookOfItem(absl::string_view key, json::value item,
                            const json::value* contacts) const {
    return WebhookOfMember(key, json::array{std::move(item)}, contacts);
  }
  // With its sender's contacts; with all where it does not say who that is.
  std::string WebhookOfMessage(const json::value& message, absl::string_view from) const {
    if (too_many_dead_letters_) return "";
    const json::array* all = FindArray(*value_, "contacts");
    if (from.empty() || all == nullptr) {
      return WebhookOfItem("messages", message, Find(*value_, "contacts"));
    }
    json::array own;
    for (const json::value& contact : *all) {
      const json::object* c = contact.if_object();
      if (c != nullptr && (FindString(*c, "wa_id") == from || FindString(*c, "user_id") == from)) {
        own.push_back(contact);
      }
    }
    const json::value contacts = std::move(own);
    return WebhookOfItem("messages", message, &contacts);
  }

  void Dead(deadletter::v1::Reason reason, absl::string_view detail, absl::string_view raw) {
    dead_letter_bytes_ += raw.size();
    too_many_dead_letters_ = too_many_dead_letters_ ||
                             out_.dead_letters.size() == kMaxDeadLetters ||
                             dead_letter_bytes_ > max_dead_letter_bytes_;
    if (too_many_dead_letters_) return;
    deadletter::v1::DeadLetter letter;
    deadletter::v1::ProviderOrigin* origin = letter.mutable_origin()->mutable_provider();
    origin->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    // A webhook has no name: its bytes are one, the same when it is repeated.
    origin->set_reference(absl::StrCat("webhook;sha256=", Sha256Hex(raw)));
    if (account_ != nullptr) {
      origin->set_workspace_id(account_->workspace_id);
      origin->set_account_id(account_->account_id);
      letter.set_workspace_id(account_->workspace_id);
    }
    letter.set_reason(reason);
    letter.set_detail(std::string(detail));
    letter.set_raw(std::string(raw));
    out_.dead_letters.push_back(std::move(letter));
  }

  const AccountLookup& lookup_;
  Normalised out_;
  size_t max_dead_letter_bytes_ = 0;
  size_t dead_letter_bytes_ = 0;
  bool too_many_dead_letters_ = false;   // Then no more are made, but one of the whole webhook.
  const json::object* entry_ = nullptr;  // In hand.
  const AccountRef* account_ = nullptr;  // Of the change in hand.
  const json::object* value_ = nullptr;  // As well.
  std::map<std::string, std::string> names_;
};

}  // namespace

Normalised Normalise(absl::string_view webhook_json, const AccountLookup& lookup) {
  return Normaliser(lookup).Run(webhook_json);
}

}  // namespace wissel::whatsapp
