#include "services/email/mime.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/utf8.h"
#include "services/email/charset.h"
#include "services/email/gmime_ptr.h"

namespace wissel::email {
namespace {

constexpr size_t kMaxFileNameBytes = 255;
constexpr size_t kMaxNameBytes = 256;
constexpr size_t kMaxSubjectBytes = 998;
constexpr size_t kMaxMessageIdBytes = 998;
constexpr size_t kMaxHeaderBytes = 4096;
constexpr size_t kMaxContentTypeBytes = 127;
// More than the contract's limit for recipients, so that leaving out our own address still fills
// it.
constexpr size_t kMaxAddresses = 110;
constexpr size_t kMaxHeaders = 200;

// The headers that GMime parses as addresses, and the colons that one of them may have.
constexpr std::array<absl::string_view, 6> kAddressHeaders = {"from", "sender", "reply-to",
                                                              "to",   "cc",     "bcc"};
constexpr int kMaxAddressColons = 1000;

// What classification and threading read, beside the fields of Mail.
constexpr std::array<absl::string_view, 17> kKeptHeaders = {
    "auto-submitted",
    "precedence",
    "list-id",
    "list-unsubscribe",
    "list-post",
    "x-autoreply",
    "x-autorespond",
    "x-auto-response-suppress",
    "x-loop",
    "x-wissel-id",
    "return-path",
    "sender",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-failed-recipients",
    "x-auto-reply-from",
};

// Set up once, never changed afterwards: shared by all threads.
GMimeParserOptions* ParserOptions() {
  static GMimeParserOptions* const options = [] {
    InitGMime();
    GMimeParserOptions* o = g_mime_parser_options_new();
    // For 8-bit bytes in headers, against RFC 5322.
    const char* charsets[] = {"utf-8", "windows-1252", nullptr};
    g_mime_parser_options_set_fallback_charsets(o, charsets);
    return o;
  }();
  return options;
}

absl::string_view View(const char* text) { return text == nullptr ? "" : absl::string_view(text); }

std::string Line(const char* text, size_t max_bytes) {
  const absl::string_view view = View(text);
  return IsUtf8(view) ? CleanLine(view, max_bytes) : CleanLine(ToUtf8(view, ""), max_bytes);
}

void AppendAddresses(InternetAddressList* list, int depth, std::vector<MailAddress>* out) {
  if (list == nullptr || depth > 4) return;
  const int count = internet_address_list_length(list);
  for (int i = 0; i < count && out->size() < kMaxAddresses; ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      AppendAddresses(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)),
                      depth + 1, out);
      continue;
    }
    if (!INTERNET_ADDRESS_IS_MAILBOX(address)) continue;
    std::string spec =
        Line(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)), 321);
    const size_t at = spec.rfind('@');
    if (at == std::string::npos || at == 0 || at + 1 == spec.size() || spec.size() > 320 ||
        absl::StrContains(spec, ' ')) {
      continue;
    }
    for (size_t k = at; k < spec.size(); ++k) spec[k] = absl::ascii_tolower(spec[k]);
    out->push_back({std::move(spec), Line(internet_address_get_name(address), kMaxNameBytes)});
  }
}

bool IsAddressHeader(absl::string_view line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view name = absl::StripTrailingAsciiWhitespace(line.substr(0, colon));
  return std::any_of(kAddressHeaders.begin(), kAddressHeaders.end(),
                     [&](absl::string_view n) { return absl::EqualsIgnoreCase(n, name); });
}

// GMime reads "a:b:c:" as a group in a group in a group, and goes down into them on the stack
// without a limit. So this gives what it may be shown of `raw`, byte for byte as long: blanks for
// the colons beyond the limit in any line (and its folded lines) that could be an address header,
// of the mail itself or of one inside. Empty where `raw` has no such colons.
std::string WithoutDeepGroups(absl::string_view raw) {
  std::string blanked;
  bool addresses = false;
  int colons = 0;
  for (size_t start = 0; start < raw.size();) {
    const size_t end = std::min(raw.find('\n', start), raw.size());
    const absl::string_view line = raw.substr(start, end - start);
    if (!absl::StartsWith(line, " ") && !absl::StartsWith(line, "\t")) {
      addresses = IsAddressHeader(line);
      colons = 0;
    }
    for (size_t i = 0; addresses && i < line.size(); ++i) {
      if (line[i] != ':' || ++colons <= kMaxAddressColons) continue;
      if (blanked.empty()) blanked = std::string(raw);
      blanked[start + i] = ' ';
    }
    start = end + 1;
  }
  return blanked;
}

std::string FileName(const char* raw) {
  std::string name = Line(raw, 4096);
  if (const size_t slash = name.find_last_of("/\\"); slash != std::string::npos) {
    name.erase(0, slash + 1);
  }
  if (name == "." || name == "..") name.clear();
  if (name.size() <= kMaxFileNameBytes) return name;
  // Cut in the middle: the extension is what says how to open it.
  std::string extension;
  if (const size_t dot = name.rfind('.'); dot != std::string::npos && name.size() - dot <= 16) {
    extension = name.substr(dot);
  }
  return absl::StrCat(TruncateUtf8(name, kMaxFileNameBytes - extension.size()), extension);
}

std::string ContentType(GMimeObject* object) {
  GMimeContentType* type = g_mime_object_get_content_type(object);
  if (type == nullptr) return "application/octet-stream";
  return absl::AsciiStrToLower(
      CleanLine(ToUtf8(absl::StrCat(View(g_mime_content_type_get_media_type(type)), "/",
                                    View(g_mime_content_type_get_media_subtype(type))),
                       ""),
                kMaxContentTypeBytes));
}

std::string StripBrackets(absl::string_view id) {
  id = absl::StripAsciiWhitespace(id);
  if (absl::StartsWith(id, "<") && absl::EndsWith(id, ">") && id.size() >= 2) {
    id = id.substr(1, id.size() - 2);
  }
  return CleanLine(ToUtf8(id, ""), kMaxMessageIdBytes);
}

// RFC 3676: puts paragraphs that were wrapped for transport back on one line.
std::string Unflow(absl::string_view text, bool delete_space) {
  std::string out;
  out.reserve(text.size());
  bool open = false;      // the line before ends in a soft break
  size_t open_depth = 0;  // how deeply it is quoted
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    absl::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));

    const size_t depth = std::min(line.find_first_not_of('>'), line.size());
    line.remove_prefix(depth);
    absl::ConsumePrefix(&line, " ");  // space-stuffing
    const bool signature = line == "-- ";
    const bool continues = open && depth == open_depth && !signature;
    if (!continues) {
      if (open) out.push_back('\n');
      out.append(depth, '>');
      if (depth > 0) out.push_back(' ');
    }
    open = absl::EndsWith(line, " ") && !signature;
    open_depth = depth;
    if (open && delete_space) line.remove_suffix(1);
    out.append(line.data(), line.size());
    if (!open) out.push_back('\n');
  }
  if (open) out.push_back('\n');
  return out;
}

class Walker {
 public:
  Walker(absl::string_view raw, const MailLimits& limits, Mail* mail)
      : raw_(raw), limits_(limits), mail_(*mail) {}

  // `alternative`: the body that an enclosing multipart/alternative fills, -1 outside of one.
  void Walk(GMimeObject* object, int depth, int alternative) {
    if (object == nullptr) return;
    if (++parts_ > limits_.max_parts) {
      ++mail_.parts_left_out;
      return;
    }
    if (GMIME_IS_MULTIPART(object)) {
      if (depth >= limits_.max_depth) {
        Attach(object, "");
        return;
      }
      if (alternative < 0 && absl::EqualsIgnoreCase(View(g_mime_content_type_get_media_subtype(
                                                        g_mime_object_get_content_type(object))),
                                                    "alternative")) {
        alternative = static_cast<int>(mail_.bodies.size());
        mail_.bodies.emplace_back();
      }
      GMimeMultipart* multipart = GMIME_MULTIPART(object);
      const int count = g_mime_multipart_get_count(multipart);
      if (count == 0) Unparted(multipart, alternative);
      for (int i = 0; i < count; ++i) {
        Walk(g_mime_multipart_get_part(multipart, i), depth + 1, alternative);
      }
      return;
    }
    if (GMIME_IS_MESSAGE_PART(object)) {
      GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
      std::string name;
      if (message != nullptr) {
        name = absl::StrCat(Line(g_mime_message_get_subject(message), 100), ".eml");
        std::replace_if(
            name.begin(), name.end(), [](char c) { return c == '/' || c == '\\'; }, '-');
      }
      Attach(object, name);
      return;
    }
    if (!GMIME_IS_PART(object)) {
      Attach(object, "");
      return;
    }
    Leaf(GMIME_PART(object), alternative);
  }

 private:
  // A multipart without parts: its boundary is missing, broken or another one. What stands in it is
  // what there is to read.
  void Unparted(GMimeMultipart* multipart, int alternative) {
    for (const char* bytes :
         {g_mime_multipart_get_prologue(multipart), g_mime_multipart_get_epilogue(multipart)}) {
      const std::string text = CleanText(ToUtf8(View(bytes), ""));
      if (absl::StripAsciiWhitespace(text).empty()) continue;
      AddText(text, alternative, &MailBody::plain);
    }
  }

  void AddText(std::string text, int alternative, std::string MailBody::*form) {
    if (alternative < 0) mail_.bodies.emplace_back();
    std::string& target = (alternative < 0 ? mail_.bodies.back() : mail_.bodies[alternative]).*form;
    if (target.empty()) {
      target = std::move(text);
    } else {
      absl::StrAppend(&target, "\n", text);
    }
  }

  void Leaf(GMimePart* part, int alternative) {
    GMimeObject* object = GMIME_OBJECT(part);
    GMimeContentType* type = g_mime_object_get_content_type(object);
    // A header that names no type is as none (RFC 2045, section 5.2).
    const bool plain =
        type == nullptr || g_mime_content_type_is_type(type, "text", "plain") ||
        !absl::StrContains(View(g_mime_object_get_header(object, "Content-Type")), '/');
    const bool html = !plain && g_mime_content_type_is_type(type, "text", "html");
    const char* file_name = g_mime_part_get_filename(part);
    const bool attached =
        file_name != nullptr ||
        absl::EqualsIgnoreCase(View(g_mime_object_get_disposition(object)), "attachment");
    std::string bytes = Decode(part);
    if ((plain || html) && !attached) {
      const absl::string_view charset =
          type == nullptr ? "" : View(g_mime_content_type_get_parameter(type, "charset"));
      std::string text = CleanText(ToUtf8(bytes, charset));
      if (plain && type != nullptr &&
          absl::EqualsIgnoreCase(View(g_mime_content_type_get_parameter(type, "format")),
                                 "flowed")) {
        text = Unflow(text, absl::EqualsIgnoreCase(
                                View(g_mime_content_type_get_parameter(type, "delsp")), "yes"));
      }
      return AddText(std::move(text), alternative, plain ? &MailBody::plain : &MailBody::html);
    }
    mail_.attachments.push_back(
        {.content_type = ContentType(object),
         .file_name = FileName(file_name),
         .content_id = StripBrackets(View(g_mime_part_get_content_id(part))),
         .bytes = std::move(bytes)});
  }

  // An attachment with the object's own bytes: for message/rfc822 the mail inside.
  void Attach(GMimeObject* object, std::string name) {
    GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new());
    if (GMIME_IS_MESSAGE_PART(object)) {
      GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
      if (message != nullptr) {
        g_mime_object_write_to_stream(GMIME_OBJECT(message), nullptr, stream.get());
      }
    } else {
      g_mime_object_write_to_stream(object, nullptr, stream.get());
    }
    const GByteArray* array = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream.get()));
    const char* given = g_mime_object_get_content_disposition_parameter(object, "filename");
    mail_.attachments.push_back(
        {.content_type = ContentType(object),
         .file_name = given != nullptr ? FileName(given) : FileName(name.c_str()),
         .content_id = StripBrackets(View(g_mime_object_get_content_id(object))),
         .bytes = std::string(reinterpret_cast<const char*>(array->data), array->len)});
  }

  // The part's content with its transfer encoding undone. Works on the mail's own bytes, which the
  // parser's streams are windows on, instead of copying them through a chain of filters.
  std::string Decode(GMimePart* part) {
    GMimeDataWrapper* content = g_mime_part_get_content(part);
    if (content == nullptr) return "";
    const GMimeStream* stream = g_mime_data_wrapper_get_stream(content);
    if (stream == nullptr) return "";
    const size_t start = std::clamp<gint64>(stream->bound_start, 0, raw_.size());
    const size_t end = stream->bound_end < 0
                           ? raw_.size()
                           : std::clamp<gint64>(stream->bound_end, start, raw_.size());
    const absl::string_view encoded = raw_.substr(start, end - start);
    const GMimeContentEncoding encoding = g_mime_data_wrapper_get_encoding(content);
    switch (encoding) {
      case GMIME_CONTENT_ENCODING_DEFAULT:
      case GMIME_CONTENT_ENCODING_7BIT:
      case GMIME_CONTENT_ENCODING_8BIT:
      case GMIME_CONTENT_ENCODING_BINARY:
        return std::string(encoded);
      case GMIME_CONTENT_ENCODING_BASE64:
      case GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE:
      case GMIME_CONTENT_ENCODING_UUENCODE:
        break;
    }
    GMimeEncoding state;
    g_mime_encoding_init_decode(&state, encoding);
    std::string out(g_mime_encoding_outlen(&state, encoded.size()), '\0');
    out.resize(g_mime_encoding_flush(&state, encoded.data(), encoded.size(), out.data()));
    return out;
  }

  const absl::string_view raw_;
  const MailLimits& limits_;
  Mail& mail_;
  int parts_ = 0;
};

void ReadHeaders(GMimeMessage* message, Mail* mail) {
  GMimeHeaderList* list = g_mime_object_get_header_list(GMIME_OBJECT(message));
  const int count = g_mime_header_list_get_count(list);
  for (int i = 0; i < count; ++i) {
    GMimeHeader* header = g_mime_header_list_get_header_at(list, i);
    const absl::string_view name = View(g_mime_header_get_name(header));
    if (absl::EqualsIgnoreCase(name, "received")) {
      ++mail->received_headers;
      continue;
    }
    if (absl::EqualsIgnoreCase(name, "in-reply-to") || absl::EqualsIgnoreCase(name, "references")) {
      std::vector<std::string> ids = ParseMessageIds(View(g_mime_header_get_raw_value(header)));
      std::vector<std::string>& target =
          absl::EqualsIgnoreCase(name, "references") ? mail->references : mail->in_reply_to;
      if (target.empty()) target = std::move(ids);
      continue;
    }
    if (mail->headers.size() >= kMaxHeaders) continue;
    for (const absl::string_view kept : kKeptHeaders) {
      if (absl::EqualsIgnoreCase(name, kept)) {
        mail->headers.push_back(
            {std::string(kept), Line(g_mime_header_get_value(header), kMaxHeaderBytes)});
        break;
      }
    }
  }
}

}  // namespace

const std::string* Mail::FindHeader(absl::string_view name) const {
  for (const MailHeader& header : headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

std::vector<std::string> ParseMessageIds(absl::string_view value, size_t max) {
  std::vector<std::string> ids;
  // From the end, so that a header of any length costs no more than what is kept.
  while (ids.size() < max) {
    const size_t close = value.rfind('>');
    if (close == absl::string_view::npos) break;
    const size_t open = value.rfind('<', close);
    if (open == absl::string_view::npos) break;
    std::string id;
    for (const char c : value.substr(open + 1, close - open - 1)) {
      if (!absl::ascii_isspace(c) && !absl::ascii_iscntrl(c)) id.push_back(c);
    }
    if (!id.empty() && id.size() <= kMaxMessageIdBytes && IsUtf8(id)) ids.push_back(std::move(id));
    value = value.substr(0, open);
  }
  std::reverse(ids.begin(), ids.end());
  return ids;
}

absl::StatusOr<Mail> ParseMail(absl::string_view raw, const MailLimits& limits) {
  GMimeParserOptions* options = ParserOptions();
  const std::string blanked = WithoutDeepGroups(raw);
  const absl::string_view shown = blanked.empty() ? raw : blanked;
  GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(shown.data(), shown.size()));
  GObjectPtr<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
  GObjectPtr<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), options));
  if (message == nullptr) return absl::InvalidArgumentError("not a mail: no header was found");

  Mail mail;
  mail.message_id = StripBrackets(View(g_mime_message_get_message_id(message.get())));
  mail.subject = Line(g_mime_message_get_subject(message.get()), kMaxSubjectBytes);
  AppendAddresses(g_mime_message_get_from(message.get()), 0, &mail.from);
  AppendAddresses(g_mime_message_get_reply_to(message.get()), 0, &mail.reply_to);
  AppendAddresses(g_mime_message_get_to(message.get()), 0, &mail.to);
  AppendAddresses(g_mime_message_get_cc(message.get()), 0, &mail.cc);
  if (GDateTime* date = g_mime_message_get_date(message.get()); date != nullptr) {
    mail.date = absl::FromUnixSeconds(g_date_time_to_unix(date));
  }
  ReadHeaders(message.get(), &mail);

  GMimeObject* root = g_mime_message_get_mime_part(message.get());
  if (root != nullptr) {
    mail.content_type = ContentType(root);
    mail.report_type = absl::AsciiStrToLower(
        Line(g_mime_object_get_content_type_parameter(root, "report-type"), kMaxContentTypeBytes));
    Walker(raw, limits, &mail).Walk(root, 0, -1);
  }
  return mail;
}

}  // namespace wissel::email
