// A mail's bytes to a message, against GMime alone (parse, every part decoded) on the same mail in
// the same run. `ratio` in the output of scripts/bench is GMimeAlone's time over Normalise's.
#include <benchmark/benchmark.h>
#include <gmime/gmime.h>

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "services/email/gmime_ptr.h"
#include "services/email/normalise.h"

namespace wissel::email {
namespace {

// Three mails as customers send them: a line of text; a long one with its HTML and the conversation
// so far; one with a photograph.
enum Kind { kShort, kLong, kPhoto };

constexpr absl::string_view kHeader =
    "Return-Path: <jan@example.org>\r\n"
    "Received: from mx.example.org (mx.example.org [192.0.2.1]) by mail.shop.example with ESMTPS "
    "id 1\r\n"
    "\tfor <support@shop.example>; Mon, 3 Nov 2025 10:11:13 +0100 (CET)\r\n"
    "Received: from [198.51.100.7] by mx.example.org with ESMTPSA id 2; Mon, 3 Nov 2025 10:11:12 "
    "+0100\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2025; "
    "h=from:to:subject;\r\n"
    "\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    "\tb=Yjk0NzAyYzE3OTQ4MmI5NjQ4ZmEyZDRjOWE3ZTVhNjM4NDJkMWYwYjllOGM3ZDZmNWU0YzNiMmExMDlm\r\n"
    "From: =?utf-8?q?Ren=C3=A9?= de Vries <rene@example.org>\r\n"
    "To: Shop <support@shop.example>\r\n"
    "Subject: =?utf-8?q?Waar_blijft_mijn_bestelling_1234=3F?=\r\n"
    "Message-ID: <CAF1234567890abcdef@mail.example.org>\r\n"
    "Date: Mon, 3 Nov 2025 10:11:12 +0100\r\nMIME-Version: 1.0\r\n";

constexpr absl::string_view kParagraph =
    "Vorige week heb ik twee paar schoenen besteld, maar er is er maar een aangekomen. Kunt u =\r\n"
    "nagaan waar het andere paar gebleven is? Het caf=C3=A9 op de hoek neemt mijn pakjes aan.\r\n";

std::string Text(size_t bytes) {
  std::string text;
  while (text.size() < bytes) absl::StrAppend(&text, kParagraph, "\r\n");
  return text;
}

std::string Html(size_t bytes) {
  std::string html = "<html><head><style>p{margin:0}</style></head><body>";
  while (html.size() < bytes) absl::StrAppend(&html, "<p class=3D\"x\">", kParagraph, "</p>\r\n");
  return html + "</body></html>\r\n";
}

std::string Quoted(size_t bytes) {
  std::string text = "Op zo 2 nov. 2025 om 09:00 schreef Shop <support@shop.example>:\r\n\r\n";
  while (text.size() < bytes)
    text += "> Bedankt voor uw bestelling, wij sturen die zo snel als het kan.\r\n";
  return text;
}

std::string MakeMail(Kind kind) {
  constexpr absl::string_view kPlain =
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n";
  constexpr absl::string_view kHtml =
      "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
      "quoted-printable\r\n\r\n";
  if (kind == kShort) return absl::StrCat(kHeader, kPlain, Text(1'000));
  const std::string both = absl::StrCat(
      "Content-Type: multipart/alternative; boundary=\"alt\"\r\n\r\n--alt\r\n", kPlain, Text(6'000),
      Quoted(6'000), "\r\n--alt\r\n", kHtml, Html(14'500), "\r\n--alt--\r\n");
  if (kind == kLong) return absl::StrCat(kHeader, both);
  std::string photo;
  uint64_t random = 1;
  while (photo.size() < 1'000'000) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    photo.append(reinterpret_cast<const char*>(&random) + 4, 4);
  }
  std::string mail = absl::StrCat(
      kHeader, "Content-Type: multipart/mixed; boundary=\"mix\"\r\n\r\n--mix\r\n", both,
      "\r\n--mix\r\nContent-Type: image/jpeg; name=photo.jpg\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n");
  const std::string encoded = absl::Base64Escape(photo);
  for (size_t i = 0; i < encoded.size(); i += 76) {
    absl::StrAppend(&mail, absl::string_view(encoded).substr(i, 76), "\r\n");
  }
  return mail + "\r\n--mix--\r\n";
}

void DecodeAll(GMimeObject*, GMimeObject* part, gpointer bytes) {
  if (!GMIME_IS_PART(part)) return;
  GMimeDataWrapper* content = g_mime_part_get_content(GMIME_PART(part));
  if (content == nullptr) return;
  GObjectPtr<GMimeStream> out(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(content, out.get());
  *static_cast<size_t*>(bytes) +=
      g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(out.get()))->len;
}

void BM_GMimeAlone(benchmark::State& state) {
  InitGMime();
  const std::string mail = MakeMail(static_cast<Kind>(state.range(0)));
  for (auto _ : state) {
    GObjectPtr<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(mail.data(), mail.size()));
    GObjectPtr<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
    GObjectPtr<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
    size_t bytes = 0;
    g_mime_message_foreach(message.get(), DecodeAll, &bytes);
    benchmark::DoNotOptimize(bytes);
    benchmark::DoNotOptimize(g_mime_message_get_subject(message.get()));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(mail.size()));
}

void BM_Normalise(benchmark::State& state) {
  const std::string mail = MakeMail(static_cast<Kind>(state.range(0)));
  const Mailbox mailbox{WorkspaceId("shop"), RoutingGroupId("main"),
                        ChannelAccountId("support-mail"), "support@shop.example"};
  const ThreadSigner signer = *ThreadSigner::Create(WorkspaceId("shop"), {"a key of 16 bytes"});
  for (auto _ : state) {
    const absl::StatusOr<MailOutcome> outcome = NormaliseMail(
        mail, mailbox, absl::UnixEpoch(), &signer,
        [](absl::string_view bytes) { return absl::StatusOr<std::string>(Sha256Hex(bytes)); });
    if (!outcome.ok()) state.SkipWithError("not normalised");
    benchmark::DoNotOptimize(outcome);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(mail.size()));
}

BENCHMARK(BM_GMimeAlone)->DenseRange(kShort, kPhoto)->ArgName("mail");
BENCHMARK(BM_Normalise)->DenseRange(kShort, kPhoto)->ArgName("mail");

}  // namespace
}  // namespace wissel::email
