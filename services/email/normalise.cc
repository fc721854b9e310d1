#include "services/email/normalise.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"
#include "libs/base/uuid.h"
#include "services/email/automation.h"
#include "services/email/charset.h"
#include "services/email/html_text.h"
#include "services/email/quote.h"

namespace wissel::email {
namespace {

namespace commonv1 = ::wissel::common::v1;
namespace deadletterv1 = ::wissel::deadletter::v1;
namespace messagev1 = ::wissel::message::v1;
namespace receiptv1 = ::wissel::receipt::v1;

// The contract's limits (message.proto).
constexpr size_t kMaxTextBytes = 256 << 10;
constexpr int kMaxRecipients = 100;
constexpr size_t kMaxContents = 100;
// Beyond these the form goes into a blob or is cut, so that the message stays well below the
// largest record that Kafka takes by default (1 MiB).
constexpr size_t kMaxHtmlBytes = 256 << 10;
constexpr size_t kMaxQuotedBytes = 64 << 10;
constexpr absl::string_view kMailType = "message/rfc822";

void SetTime(absl::Time time, google::protobuf::Timestamp* out) {
  // The range of google.protobuf.Timestamp.
  constexpr int64_t kFirst = -62135596800;
  constexpr int64_t kLast = 253402300799;
  const int64_t seconds = absl::ToUnixSeconds(time);
  if (seconds < kFirst || seconds > kLast) return;
  out->set_seconds(seconds);
  out->set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1)));
}

// Whether `address` is the mailbox's, with or without something behind a plus.
bool IsOwn(const Mailbox& mailbox, absl::string_view address) {
  if (absl::EqualsIgnoreCase(address, mailbox.address)) return true;
  const size_t at = mailbox.address.rfind('@');
  if (at == std::string::npos || !absl::EndsWithIgnoreCase(address, mailbox.address.substr(at))) {
    return false;
  }
  const absl::string_view local = absl::string_view(mailbox.address).substr(0, at);
  return absl::StartsWithIgnoreCase(address, local) && address.size() > local.size() &&
         address[local.size()] == '+';
}

std::optional<MailAddress> HeaderAddress(const Mail& mail, absl::string_view name) {
  const std::string* value = mail.FindHeader(name);
  if (value == nullptr) return std::nullopt;
  // "<a@b>" or "Name <a@b>" or "a@b".
  absl::string_view spec = *value;
  if (const size_t open = spec.rfind('<'); open != absl::string_view::npos) {
    spec.remove_prefix(open + 1);
    spec = spec.substr(0, spec.find('>'));
  }
  spec = absl::StripAsciiWhitespace(spec);
  const size_t at = spec.rfind('@');
  if (at == absl::string_view::npos || at == 0 || at + 1 == spec.size() || spec.size() > 320 ||
      absl::StrContains(spec, ' ')) {
    return std::nullopt;
  }
  return MailAddress{absl::StrCat(spec.substr(0, at), absl::AsciiStrToLower(spec.substr(at))), ""};
}

// Whom an answer goes to.
std::optional<MailAddress> FindSender(const Mail& mail, const Mailbox& mailbox) {
  const bool list =
      mail.FindHeader("list-id") != nullptr || mail.FindHeader("list-post") != nullptr;
  if (!list && mail.reply_to.size() == 1 && !IsOwn(mailbox, mail.reply_to.front().address)) {
    MailAddress sender = mail.reply_to.front();
    if (sender.name.empty() && !mail.from.empty()) sender.name = mail.from.front().name;
    return sender;
  }
  if (!mail.from.empty()) return mail.from.front();
  if (std::optional<MailAddress> sender = HeaderAddress(mail, "sender")) return sender;
  return HeaderAddress(mail, "return-path");
}

void SetContact(const WorkspaceId& workspace, const MailAddress& address,
                commonv1::ContactPoint* out) {
  out->set_kind(commonv1::CHANNEL_KIND_EMAIL);
  out->set_address(address.address);
  out->set_display_name(address.name);
  out->set_contact_id(DeriveContactId(workspace, "email", address.address).value());
}

messagev1::Media::Kind MediaKind(absl::string_view content_type) {
  if (absl::StartsWith(content_type, "image/")) return messagev1::Media::KIND_IMAGE;
  if (absl::StartsWith(content_type, "audio/")) return messagev1::Media::KIND_AUDIO;
  if (absl::StartsWith(content_type, "video/")) return messagev1::Media::KIND_VIDEO;
  return messagev1::Media::KIND_DOCUMENT;
}

bool IsBlank(absl::string_view text) { return absl::StripAsciiWhitespace(text).empty(); }

void AppendEscaped(absl::string_view text, std::string* out) {
  for (const char c : text) {
    switch (c) {
      case '<':
        out->append("&lt;");
        break;
      case '>':
        out->append("&gt;");
        break;
      case '&':
        out->append("&amp;");
        break;
      default:
        out->push_back(c);
    }
  }
}

class Normaliser {
 public:
  Normaliser(Mail mail, const Mailbox& mailbox, const ThreadSigner* signer, BlobSink blobs,
             const NormaliseOptions& options)
      : mail_(std::move(mail)),
        mailbox_(mailbox),
        signer_(signer),
        blobs_(blobs),
        options_(options) {}

  absl::StatusOr<MailOutcome> Run(absl::string_view raw, std::optional<absl::Time> received) {
    const std::optional<MailAddress> sender = FindSender(mail_, mailbox_);
    if (!sender) {
      return RejectedMail{
          deadletterv1::REASON_INVALID,
          "no sender: expected an address in From, Reply-To, Sender or Return-Path"};
    }
    messagev1::InboundMessage& message = result_.message;
    commonv1::Envelope* envelope = message.mutable_envelope();
    envelope->set_workspace_id(mailbox_.workspace.value());
    envelope->set_routing_group_id(mailbox_.routing_group.value());
    message.mutable_account()->set_kind(commonv1::CHANNEL_KIND_EMAIL);
    message.mutable_account()->set_account_id(mailbox_.account.value());

    WISSEL_ASSIGN_OR_RETURN(const std::string blob_id, blobs_(raw));
    messagev1::BlobRef* ref = message.mutable_raw();
    ref->set_blob_id(blob_id);
    ref->set_size_bytes(static_cast<int64_t>(raw.size()));
    ref->set_content_type(kMailType.data(), kMailType.size());
    // Without a Message-ID the bytes name themselves: read again, they are the same message.
    message.set_provider_message_id(mail_.message_id.empty() ? absl::StrCat("sha256-", blob_id)
                                                             : mail_.message_id);
    envelope->set_id(
        DeriveMessageId(mailbox_.workspace, mailbox_.account, message.provider_message_id())
            .value());
    SetContact(mailbox_.workspace, *sender, message.mutable_sender());
    SetRecipients();
    message.set_subject(mail_.subject);
    if (const std::optional<absl::Time> time = mail_.date ? mail_.date : received) {
      SetTime(*time, envelope->mutable_time());
    }
    if (const std::optional<absl::Time> time = received ? received : mail_.date) {
      SetTime(*time, message.mutable_sent_time());
    }

    const bool own = signer_ != nullptr && signer_->CheckMessageId(mail_.message_id).has_value();
    message.set_automation(
        ClassifyAutomation(mail_, {.own_address = mailbox_.address, .is_own_mail = own}));
    SetThread();
    if (message.automation() == messagev1::AUTOMATION_BOUNCE) ReadBounce();
    WISSEL_RETURN_IF_ERROR(SetContents());
    return MailOutcome(std::move(result_));
  }

 private:
  void SetRecipients() {
    for (const std::vector<MailAddress>* list : {&mail_.to, &mail_.cc}) {
      for (const MailAddress& address : *list) {
        if (result_.message.recipients_size() == kMaxRecipients) return;
        if (IsOwn(mailbox_, address.address)) continue;
        SetContact(mailbox_.workspace, address, result_.message.add_recipients());
      }
    }
  }

  void SetThread() {
    if (!mail_.in_reply_to.empty()) {
      result_.message.mutable_thread()->set_in_reply_to_provider_message_id(
          mail_.in_reply_to.front());
    } else if (!mail_.references.empty()) {
      result_.message.mutable_thread()->set_in_reply_to_provider_message_id(
          mail_.references.back());
    }
    if (signer_ == nullptr) return;
    if (const std::optional<ConversationId> conversation = FindConversation()) {
      result_.message.mutable_thread()->set_conversation_id(conversation->value());
    }
  }

  std::optional<ConversationId> FindConversation() const {
    for (const std::string& id : mail_.in_reply_to) {
      if (const auto own = signer_->CheckMessageId(id)) return own->conversation;
    }
    // The newest is last.
    for (auto id = mail_.references.rbegin(); id != mail_.references.rend(); ++id) {
      if (const auto own = signer_->CheckMessageId(*id)) return own->conversation;
    }
    if (const auto own = signer_->CheckMessageId(mail_.message_id)) return own->conversation;
    const auto check = [&](absl::string_view address) {
      return signer_->CheckAddress(mailbox_.address, address);
    };
    for (const std::vector<MailAddress>* list : {&mail_.to, &mail_.cc}) {
      for (const MailAddress& address : *list) {
        if (const auto found = check(address.address)) return found;
      }
    }
    for (const MailHeader& header : mail_.headers) {
      if (header.name != "delivered-to" && header.name != "x-original-to" &&
          header.name != "envelope-to") {
        continue;
      }
      absl::string_view value = absl::StripAsciiWhitespace(header.value);
      absl::ConsumePrefix(&value, "<");
      absl::ConsumeSuffix(&value, ">");
      if (const auto found = check(value)) return found;
    }
    return std::nullopt;
  }

  // What the report says of a mail of ours, and which conversation it belongs to.
  void ReadBounce() {
    if (signer_ == nullptr) return;
    std::vector<DeliveryReport> reports;
    std::optional<OwnMessageId> own;
    std::string own_message_id;
    for (const MailAttachment& part : mail_.attachments) {
      if (part.content_type == "message/delivery-status" ||
          part.content_type == "message/global-delivery-status") {
        reports = ParseDeliveryStatus(part.bytes);
      } else if (part.content_type == kMailType || part.content_type == "text/rfc822-headers" ||
                 part.content_type == "message/global" ||
                 part.content_type == "message/global-headers") {
        if (std::optional<std::string> id = ReturnedMessageId(part.bytes); id && !own) {
          own = signer_->CheckMessageId(*id);
          own_message_id = std::move(*id);
        }
      }
    }
    if (!own) return;
    result_.message.mutable_thread()->set_conversation_id(own->conversation.value());
    const DeliveryReport* told = nullptr;
    for (const DeliveryReport& report : reports) {
      if (report.action == "failed") told = &report;
      if (told == nullptr && report.action == "delivered") told = &report;
    }
    if (told == nullptr) return;

    receiptv1::Receipt& receipt = result_.receipt.emplace();
    *receipt.mutable_envelope() = result_.message.envelope();
    receipt.mutable_envelope()->set_id(
        UuidV5(kWisselNamespace, {"receipt", "email", result_.message.envelope().id()}));
    receiptv1::ProviderStatus* status = receipt.mutable_provider_status();
    *status->mutable_account() = result_.message.account();
    status->set_provider_message_id(own_message_id);
    status->set_outbound_id(own->outbound.value());
    if (told->action == "delivered") {
      status->set_state(receiptv1::DELIVERY_STATE_DELIVERED);
      return;
    }
    status->set_state(receiptv1::DELIVERY_STATE_FAILED);
    status->mutable_error()->set_provider_code(told->status);
    status->mutable_error()->set_detail(
        CleanLine(absl::StrCat(told->recipient, ": ", told->diagnostic), 1024));
  }

  absl::Status SetContents() {
    messagev1::Text text;
    SetText(&text);
    const bool has_text = !text.text().empty() || !text.html().empty();
    if (has_text || mail_.attachments.empty()) {
      *result_.message.add_contents()->mutable_text() = std::move(text);
    }
    size_t left_out = static_cast<size_t>(mail_.parts_left_out);
    for (MailAttachment& attachment : mail_.attachments) {
      // The last place is for saying that there is more.
      if (static_cast<size_t>(result_.message.contents_size()) >= kMaxContents - 1) {
        ++left_out;
        continue;
      }
      WISSEL_RETURN_IF_ERROR(AddMedia(attachment));
    }
    if (left_out > 0) {
      messagev1::Unsupported* more = result_.message.add_contents()->mutable_unsupported();
      more->set_provider_type(
          absl::StrCat(left_out, " further parts of the mail, in its raw form only"));
      more->set_content_type(kMailType.data(), kMailType.size());
    }
    return absl::OkStatus();
  }

  void SetText(messagev1::Text* out) {
    std::string plain;
    std::string html;
    const bool any_html = std::any_of(mail_.bodies.begin(), mail_.bodies.end(),
                                      [](const MailBody& body) { return !body.html.empty(); });
    ptrdiff_t tags = 0;  // in the pages so far
    for (const MailBody& body : mail_.bodies) {
      if (!plain.empty()) plain.push_back('\n');
      if (!IsBlank(body.plain)) {
        plain.append(body.plain);
      } else if (!IsBlank(body.html) && tags <= kMaxHtmlTags) {
        tags += std::count(body.html.begin(), body.html.end(), '<');
        absl::StatusOr<std::string> text = HtmlToText(body.html);
        if (text.ok()) plain.append(*text);
      }
      if (!any_html) continue;
      if (!body.html.empty()) {
        html.append(body.html);
      } else if (!IsBlank(body.plain)) {
        html.append("<pre>");
        AppendEscaped(body.plain, &html);
        html.append("</pre>");
      }
    }
    SplitText split = SplitQuoted(plain);
    if (split.text.size() > kMaxTextBytes) {
      out->set_truncated(true);
      split.text.resize(TruncateUtf8(split.text, kMaxTextBytes).size());
    }
    split.quoted.resize(TruncateUtf8(split.quoted, kMaxQuotedBytes).size());
    out->set_text(std::move(split.text));
    out->set_quoted(std::move(split.quoted));
    if (html.size() <= kMaxHtmlBytes) {
      out->set_html(std::move(html));
    } else {
      mail_.attachments.insert(mail_.attachments.begin(),
                               MailAttachment{.content_type = "text/html",
                                              .file_name = "mail.html",
                                              .content_id = "",
                                              .bytes = std::move(html)});
    }
  }

  absl::Status AddMedia(const MailAttachment& attachment) {
    messagev1::Media media;
    media.set_kind(MediaKind(attachment.content_type));
    media.set_content_id(attachment.content_id);
    if (attachment.bytes.size() > options_.max_attachment_bytes) {
      media.set_caption(attachment.file_name);
      media.set_unavailable_reason(absl::StrCat("larger than ", options_.max_attachment_bytes,
                                                " bytes: in the raw mail only"));
    } else {
      WISSEL_ASSIGN_OR_RETURN(std::string blob_id, blobs_(attachment.bytes));
      messagev1::BlobRef* ref = media.mutable_blob();
      ref->set_blob_id(std::move(blob_id));
      ref->set_size_bytes(static_cast<int64_t>(attachment.bytes.size()));
      ref->set_content_type(attachment.content_type);
      ref->set_file_name(attachment.file_name);
    }
    *result_.message.add_contents()->mutable_media() = std::move(media);
    return absl::OkStatus();
  }

  Mail mail_;
  const Mailbox& mailbox_;
  const ThreadSigner* const signer_;
  const BlobSink blobs_;
  const NormaliseOptions& options_;
  NormalisedMail result_;
};

MailOutcome Unparsable(const absl::Status& status) {
  return RejectedMail{deadletterv1::REASON_UNPARSABLE, std::string(status.message())};
}

}  // namespace

absl::StatusOr<MailOutcome> NormaliseMail(absl::string_view raw, const Mailbox& mailbox,
                                          std::optional<absl::Time> received,
                                          const ThreadSigner* signer, BlobSink blobs,
                                          const NormaliseOptions& options) {
  absl::StatusOr<Mail> mail = ParseMail(raw, options.limits);
  if (!mail.ok()) return Unparsable(mail.status());
  return Normaliser(*std::move(mail), mailbox, signer, blobs, options).Run(raw, received);
}

absl::StatusOr<MailOutcome> NormaliseOversizedMail(absl::string_view header, size_t size,
                                                   const Mailbox& mailbox,
                                                   std::optional<absl::Time> received,
                                                   const ThreadSigner* signer, BlobSink blobs) {
  absl::StatusOr<Mail> mail = ParseMail(header);
  if (!mail.ok()) return Unparsable(mail.status());
  mail->bodies.clear();
  mail->attachments.clear();
  WISSEL_ASSIGN_OR_RETURN(MailOutcome outcome,
                          Normaliser(*std::move(mail), mailbox, signer, blobs, NormaliseOptions{})
                              .Run(header, received));
  if (auto* normalised = std::get_if<NormalisedMail>(&outcome)) {
    normalised->message.clear_contents();
    messagev1::Media* media = normalised->message.add_contents()->mutable_media();
    media->set_kind(messagev1::Media::KIND_DOCUMENT);
    media->set_unavailable_reason(
        absl::StrCat("the mail of ", size, " bytes is too large: it is in the mailbox only"));
  }
  return outcome;
}

}  // namespace wissel::email
