#pragma once

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/email/imap.h"

namespace wissel::email {

// What tests do to a mailbox and the service never does: put mails in, throw them away, make and
// remove folders. Each call is a connection of its own.
class TestMailbox {
 public:
  explicit TestMailbox(ServerLogin login) : login_(std::move(login)) {}

  void Append(const std::string& folder, absl::string_view mail) { Run(folder, "", mail); }
  void Empty(const std::string& folder) {
    // Refused where there is nothing to mark.
    Run(folder, "UID STORE 1:* +FLAGS.SILENT (\\Deleted)", "");
    Run(folder, "EXPUNGE", "");
  }
  void Create(const std::string& folder) { Run("", "CREATE " + folder, ""); }
  bool Remove(const std::string& folder) { return Run("", "DELETE " + folder, "", kMayFail); }

 private:
  enum Failure { kMayFail, kMustWork };

  static size_t Read(char* buffer, size_t size, size_t count, void* mail) {
    auto* left = static_cast<absl::string_view*>(mail);
    const size_t bytes = std::min(size * count, left->size());
    std::memcpy(buffer, left->data(), bytes);
    left->remove_prefix(bytes);
    return bytes;
  }
  static size_t Ignore(char*, size_t size, size_t count, void*) { return size * count; }

  bool Run(const std::string& folder, const std::string& command, absl::string_view mail,
           Failure failure = kMustWork) {
    CURL* curl = curl_easy_init();
    const std::string url = absl::StrCat("imaps://", login_.host, ":", login_.port, "/", folder);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CAINFO, login_.ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_USERNAME, login_.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, login_.password.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Ignore);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    if (command.empty()) {
      curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
      curl_easy_setopt(curl, CURLOPT_READFUNCTION, &Read);
      curl_easy_setopt(curl, CURLOPT_READDATA, &mail);
      curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.size()));
    } else {
      curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, command.c_str());
    }
    const CURLcode result = curl_easy_perform(curl);
    curl_easy_cleanup(curl);
    if (failure == kMustWork) {
      EXPECT_EQ(result, CURLE_OK) << command << ": " << curl_easy_strerror(result);
    }
    return result == CURLE_OK;
  }

  const ServerLogin login_;
};

}  // namespace wissel::email
