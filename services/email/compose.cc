#include "services/email/compose.h"

#include <gmime/gmime.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/hash.h"
#include "services/email/charset.h"
#include "services/email/gmime_ptr.h"

namespace wissel::email {
namespace {

constexpr size_t kMaxHeaderBytes = 998;
constexpr size_t kMaxReferences = 20;

struct FormatDelete {
  void operator()(GMimeFormatOptions* options) const { g_mime_format_options_free(options); }
};
using FormatPtr = std::unique_ptr<GMimeFormatOptions, FormatDelete>;

std::string Clean(absl::string_view value) { return CleanLine(ToUtf8(value, ""), kMaxHeaderBytes); }

// An id for a header: nothing that could end it.
std::string CleanId(absl::string_view id) {
  std::string out;
  for (const char c : id) {
    if (c > 0x20 && c < 0x7F && c != '<' && c != '>') out.push_back(c);
  }
  return out;
}

void SetHeader(GMimeObject* object, const char* name, absl::string_view value) {
  if (!value.empty()) {
    g_mime_object_set_header(object, name, std::string(value).c_str(), "utf-8");
  }
}

void SetContent(GMimePart* part, absl::string_view bytes, GMimeContentEncoding encoding) {
  GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(bytes.data(), bytes.size()));
  GObjectPtr<GMimeDataWrapper> content(
      g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
  g_mime_part_set_content(part, content.get());
  g_mime_part_set_content_encoding(part, encoding);
}

GObjectPtr<GMimeObject> TextPart(const char* subtype, absl::string_view text) {
  GObjectPtr<GMimeObject> part(GMIME_OBJECT(g_mime_part_new_with_type("text", subtype)));
  g_mime_object_set_content_type_parameter(part.get(), "charset", "utf-8");
  std::string clean = CleanText(ToUtf8(text, ""));
  if (clean.empty() || clean.back() != '\n') clean.push_back('\n');
  std::string wire;
  for (const char c : clean) {
    if (c == '\n') wire.push_back('\r');
    wire.push_back(c);
  }
  SetContent(GMIME_PART(part.get()), wire, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
  return part;
}

GObjectPtr<GMimeObject> AttachmentPart(const ComposedAttachment& attachment) {
  const std::pair<std::string, std::string> type =
      absl::StrSplit(Clean(attachment.content_type), absl::MaxSplits('/', 1));
  const bool known = !type.first.empty() && !type.second.empty() && type.first != "multipart" &&
                     type.first != "message";
  GObjectPtr<GMimeObject> part(
      GMIME_OBJECT(known ? g_mime_part_new_with_type(type.first.c_str(), type.second.c_str())
                         : g_mime_part_new_with_type("application", "octet-stream")));
  const std::string id = CleanId(attachment.content_id);
  g_mime_object_set_disposition(part.get(), id.empty() ? "attachment" : "inline");
  if (!id.empty()) g_mime_object_set_content_id(part.get(), id.c_str());
  if (const std::string name = Clean(attachment.file_name); !name.empty()) {
    g_mime_part_set_filename(GMIME_PART(part.get()), name.c_str());
  }
  SetContent(GMIME_PART(part.get()), attachment.bytes, GMIME_CONTENT_ENCODING_BASE64);
  return part;
}

GObjectPtr<GMimeMultipart> Multipart(const char* subtype, const MailDraft& draft) {
  GObjectPtr<GMimeMultipart> multipart(g_mime_multipart_new_with_subtype(subtype));
  // Not random, so that a second attempt sends the same bytes.
  const std::string boundary = absl::StrCat(
      "=_", subtype, "_", Sha256Hex(absl::StrCat(subtype, "/", draft.message_id)).substr(0, 32));
  g_mime_multipart_set_boundary(multipart.get(), boundary.c_str());
  return multipart;
}

GObjectPtr<GMimeObject> Body(const MailDraft& draft) {
  GObjectPtr<GMimeObject> body = TextPart("plain", draft.text);
  if (!draft.html.empty()) {
    GObjectPtr<GMimeMultipart> alternative = Multipart("alternative", draft);
    g_mime_multipart_add(alternative.get(), body.get());
    g_mime_multipart_add(alternative.get(), TextPart("html", draft.html).get());
    body.reset(GMIME_OBJECT(alternative.release()));
  }
  if (!draft.attachments.empty()) {
    GObjectPtr<GMimeMultipart> mixed = Multipart("mixed", draft);
    g_mime_multipart_add(mixed.get(), body.get());
    for (const ComposedAttachment& attachment : draft.attachments) {
      g_mime_multipart_add(mixed.get(), AttachmentPart(attachment).get());
    }
    body.reset(GMIME_OBJECT(mixed.release()));
  }
  return body;
}

}  // namespace

std::string ComposeMail(const MailDraft& draft) {
  InitGMime();
  GObjectPtr<GMimeMessage> message(g_mime_message_new(TRUE));
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_FROM, Clean(draft.from_name).c_str(),
                             Clean(draft.from_address).c_str());
  g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_TO, Clean(draft.to_name).c_str(),
                             Clean(draft.to_address).c_str());
  if (!draft.reply_to.empty()) {
    g_mime_message_add_mailbox(message.get(), GMIME_ADDRESS_TYPE_REPLY_TO,
                               Clean(draft.from_name).c_str(), Clean(draft.reply_to).c_str());
  }
  g_mime_message_set_subject(message.get(), Clean(draft.subject).c_str(), "utf-8");
  if (GDateTime* date = g_date_time_new_from_unix_utc(absl::ToUnixSeconds(draft.date));
      date != nullptr) {
    g_mime_message_set_date(message.get(), date);
    g_date_time_unref(date);
  }
  g_mime_message_set_message_id(message.get(), CleanId(draft.message_id).c_str());
  GMimeObject* object = GMIME_OBJECT(message.get());
  if (const std::string id = CleanId(draft.in_reply_to); !id.empty()) {
    SetHeader(object, "In-Reply-To", absl::StrCat("<", id, ">"));
  }
  std::string references;
  const size_t skip =
      draft.references.size() > kMaxReferences ? draft.references.size() - kMaxReferences : 0;
  for (size_t i = skip; i < draft.references.size(); ++i) {
    if (const std::string id = CleanId(draft.references[i]); !id.empty()) {
      absl::StrAppend(&references, references.empty() ? "" : " ", "<", id, ">");
    }
  }
  SetHeader(object, "References", references);
  SetHeader(object, "X-Wissel-Id", CleanId(draft.outbound_id));
  if (draft.automatic) {
    SetHeader(object, "Auto-Submitted", "auto-replied");
    // What Exchange heeds.
    SetHeader(object, "X-Auto-Response-Suppress", "All");
  }
  g_mime_message_set_mime_part(message.get(), Body(draft).get());

  FormatPtr format(g_mime_format_options_clone(g_mime_format_options_get_default()));
  g_mime_format_options_set_newline_format(format.get(), GMIME_NEWLINE_FORMAT_DOS);
  GObjectPtr<GMimeStream> out(g_mime_stream_mem_new());
  g_mime_object_write_to_stream(object, format.get(), out.get());
  const GByteArray* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out.get()));
  return std::string(reinterpret_cast<const char*>(bytes->data), bytes->len);
}

}  // namespace wissel::email
