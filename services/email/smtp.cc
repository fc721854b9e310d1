#include "services/email/smtp.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/email/charset.h"

namespace wissel::email {
namespace {

constexpr size_t kMaxReplyBytes = 512;

struct Upload {
  absl::string_view left;
  bool finished = false;  // everything was handed to libcurl
};

size_t ReadMail(char* buffer, size_t size, size_t count, void* upload) {
  auto* mail = static_cast<Upload*>(upload);
  const size_t bytes = std::min(size * count, mail->left.size());
  std::memcpy(buffer, mail->left.data(), bytes);
  mail->left.remove_prefix(bytes);
  if (bytes == 0) mail->finished = true;
  return bytes;
}

// Keeps the last line with which the server refused something; behind it comes its answer to QUIT.
size_t ReadReply(char* line, size_t size, size_t count, void* refusal) {
  const absl::string_view text(line, size * count);
  if (!text.empty() && (text.front() == '4' || text.front() == '5')) {
    *static_cast<std::string*>(refusal) = CleanLine(ToUtf8(text, ""), kMaxReplyBytes);
  }
  return size * count;
}

void InitCurl() {
  static const bool done = (curl_global_init(CURL_GLOBAL_DEFAULT), true);
  static_cast<void>(done);
}

}  // namespace

struct SmtpConnection::Handle {
  CURL* curl = nullptr;
};

SmtpConnection::SmtpConnection(ServerLogin login)
    : login_(std::move(login)), handle_(std::make_unique<Handle>()) {
  InitCurl();
  handle_->curl = curl_easy_init();
}

SmtpConnection::~SmtpConnection() { curl_easy_cleanup(handle_->curl); }

SmtpReply SmtpConnection::Send(const Envelope& envelope, absl::string_view mail) {
  CURL* curl = handle_->curl;
  if (curl == nullptr) return {.kind = SmtpReply::Kind::kRetry, .code = 0, .text = "no memory"};
  // Keeps the connection.
  curl_easy_reset(curl);
  const bool is_ipv6 = absl::StrContains(login_.host, ':');
  const std::string url =
      absl::StrCat(login_.security == Security::kTls ? "smtps://" : "smtp://", is_ipv6 ? "[" : "",
                   login_.host, is_ipv6 ? "]" : "", ":", login_.port);
  const long timeout_ms = static_cast<long>(absl::ToInt64Milliseconds(login_.timeout));
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, std::min(timeout_ms, 15'000L));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
  // For each answer, that to QUIT included, which libcurl waits for behind the transfer's own time.
  curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (timeout_ms + 999) / 1000);
  curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, 60L);
  curl_easy_setopt(curl, CURLOPT_SASL_IR, 1L);
  curl_easy_setopt(curl, CURLOPT_USE_SSL,
                   login_.security == Security::kNone ? static_cast<long>(CURLUSESSL_NONE)
                                                      : static_cast<long>(CURLUSESSL_ALL));
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!login_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, login_.ca_file.c_str());
  if (!login_.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, login_.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, login_.password.c_str());
  }
  const std::string from = absl::StrCat("<", envelope.from, ">");
  const std::string to = absl::StrCat("<", envelope.to, ">");
  curl_slist* recipients = curl_slist_append(nullptr, to.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
  Upload upload{.left = mail};
  std::string refusal;
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, &ReadMail);
  curl_easy_setopt(curl, CURLOPT_READDATA, &upload);
  curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.size()));
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &ReadReply);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &refusal);

  const CURLcode result = curl_easy_perform(curl);
  curl_slist_free_all(recipients);
  long code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  const bool handed_over = upload.finished || upload.left.empty();

  SmtpReply out;
  out.code = static_cast<int>(code);
  out.text = refusal.empty() ? curl_easy_strerror(result) : refusal;
  if (result == CURLE_OK) {
    out.kind = SmtpReply::Kind::kAccepted;
  } else if (code >= 400 && code < 500) {
    out.kind = SmtpReply::Kind::kRetry;
  } else if (result == CURLE_LOGIN_DENIED || result == CURLE_PEER_FAILED_VERIFICATION ||
             result == CURLE_SSL_CACERT_BADFILE || result == CURLE_SSL_ISSUER_ERROR ||
             result == CURLE_USE_SSL_FAILED || result == CURLE_AUTH_ERROR) {
    out.kind = SmtpReply::Kind::kNoAccess;
  } else if (code >= 500 && code < 600) {
    out.kind = SmtpReply::Kind::kRefused;
  } else {
    out.kind = handed_over ? SmtpReply::Kind::kUncertain : SmtpReply::Kind::kRetry;
  }
  return out;
}

}  // namespace wissel::email
