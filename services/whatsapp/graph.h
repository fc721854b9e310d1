#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "libs/base/timeout.h"
#include "libs/http/client.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/config.h"

namespace wissel::whatsapp {

// The calls to Meta's Graph API that are made here, each with an account's token. Thread-safe.
// Callbacks run on the client's thread.
class Graph {
 public:
  // Not owned.
  Graph(GraphSettings settings, http::Client* client);

  const GraphSettings& settings() const { return settings_; }

  // GET /{media-id}, then the url that it names, into `path`, all within media_timeout; each is
  // repeated once where that may help. On success `done` gets an empty reason and the media type
  // that the provider tells; else the reason, for people. Source:
  // developers.facebook.com/docs/whatsapp/cloud-api/reference/media
  using Downloaded = absl::AnyInvocable<void(std::string reason, std::string content_type) &&>;
  void Download(const Account& account, const std::string& media_id, const std::string& path,
                Downloaded done);

  // POST /{phone-number-id}/media with the file's bytes. Answered with {"id": …}; may be repeated,
  // as an upload that nobody uses does no harm.
  void Upload(const Account& account, const std::string& path, const std::string& content_type,
              const std::string& file_name, http::FetchCallback done);

  // POST /{phone-number-id}/messages, once.
  void Send(const Account& account, std::string json, http::FetchCallback done);

 private:
  http::FetchRequest Request(const Account& account, absl::string_view method,
                             absl::string_view path) const;
  http::FetchOptions Options() const;
  void Fetch(http::FetchRequest request, http::FetchOptions options, http::FetchCallback done);
  void OnMediaInfo(const Account& account, const http::FetchResult& result, const std::string& path,
                   Timeout limit, Downloaded done);

  const GraphSettings settings_;
  http::Client* const client_;
};

// Whether `content_type` (parameters ignored, in any case) is one of `allowed`: "application/pdf",
// "image/*".
bool MediaTypeAllowed(const std::vector<std::string>& allowed, absl::string_view content_type);

}  // namespace wissel::whatsapp
