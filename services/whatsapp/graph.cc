#include "services/whatsapp/graph.h"

#include <boost/json.hpp>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/whatsapp/graph_error.h"

namespace wissel::whatsapp {
namespace {

namespace json = boost::json;

// Why bytes could not be had.
std::string Reason(const http::FetchResult& result) {
  if (result.too_large) return "larger than the limit";
  if (result.fate != http::Fate::kAnswered) return absl::StrCat("not fetched: ", result.error);
  const std::optional<GraphError> error = ParseGraphError(result.body);
  if (error) return absl::StrCat("refused by the provider: ", error->code, " ", error->detail);
  if (result.status == 404 || result.status == 410) return "gone at the provider";
  return absl::StrCat("the provider answered HTTP ", result.status);
}

}  // namespace

bool MediaTypeAllowed(const std::vector<std::string>& allowed, absl::string_view content_type) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(content_type, absl::MaxSplits(';', 1));
  const std::string type = absl::AsciiStrToLower(absl::StripAsciiWhitespace(parts.first));
  for (const std::string& pattern : allowed) {
    if (absl::EndsWith(pattern, "/*")
            ? absl::StartsWith(type, absl::string_view(pattern).substr(0, pattern.size() - 1))
            : type == pattern) {
      return true;
    }
  }
  return false;
}

Graph::Graph(GraphSettings settings, http::Client* client)
    : settings_(std::move(settings)), client_(client) {}

http::FetchRequest Graph::Request(const Account& account, absl::string_view method,
                                  absl::string_view path) const {
  return {.method = std::string(method),
          .url = absl::StrCat(settings_.base_url, "/", settings_.version, "/", path),
          .headers = {{"Authorization",
                       absl::StrCat("Bearer ", account.settings.access_token.value())}},
          .body = {},
          .form = {}};
}

http::FetchOptions Graph::Options() const {
  http::FetchOptions options;
  options.connect_timeout = settings_.connect_timeout;
  options.total_timeout = settings_.call_timeout;
  options.ca_file = settings_.ca_file;
  return options;
}

void Graph::Fetch(http::FetchRequest request, http::FetchOptions options,
                  http::FetchCallback done) {
  // The client takes the callback only with the request: keep a hand on it.
  auto shared = std::make_shared<http::FetchCallback>(std::move(done));
  const absl::Status status = client_->Fetch(
      std::move(request), std::move(options),
      [shared](http::FetchResult result) { std::move (*shared)(std::move(result)); });
  if (!status.ok()) {
    http::FetchResult refused;
    refused.error = std::string(status.message());
    std::move (*shared)(std::move(refused));
  }
}

void Graph::Download(const Account& account, const std::string& media_id, const std::string& path,
                     Downloaded done) {
  http::FetchOptions options = Options();
  options.idempotent = true;
  options.max_attempts = 2;
  options.max_backoff = absl::Milliseconds(500);
  options.total_timeout = std::min(settings_.call_timeout, settings_.media_timeout / 3);
  http::FetchRequest request =
      Request(account, "GET",
              absl::StrCat(http::Encode(media_id),
                           "?phone_number_id=", http::Encode(account.settings.phone_number_id)));
  Fetch(std::move(request), std::move(options),
        [this, &account, path, limit = Timeout(settings_.media_timeout),
         done = std::move(done)](http::FetchResult result) mutable {
          OnMediaInfo(account, result, path, limit, std::move(done));
        });
}

void Graph::OnMediaInfo(const Account& account, const http::FetchResult& result,
                        const std::string& path, Timeout limit, Downloaded done) {
  if (!result.ok()) return std::move(done)(Reason(result), "");
  json::error_code error;
  const json::value root = json::parse({result.body.data(), result.body.size()}, error);
  const json::object* info = error ? nullptr : root.if_object();
  const auto text = [&](const char* key) -> std::string {
    const json::value* value = info == nullptr ? nullptr : info->if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->get_string().c_str()) : "";
  };
  const std::string url = text("url");
  const std::string content_type = text("mime_type");
  // The token goes along: only to where the API itself is, as far as the scheme can tell.
  if (url.empty() ||
      absl::StartsWith(settings_.base_url, "https://") != absl::StartsWith(url, "https://")) {
    return std::move(done)("the provider named no usable address", "");
  }
  if (!content_type.empty() && !MediaTypeAllowed(settings_.media_types, content_type)) {
    return std::move(done)(absl::StrCat("type ", content_type, " is not taken"), content_type);
  }
  const json::value* size = info->if_contains("file_size");
  if (size != nullptr && size->is_int64() && size->get_int64() > settings_.max_media_bytes) {
    return std::move(done)(absl::StrCat("larger than the limit: ", size->get_int64(), " bytes"),
                           content_type);
  }
  http::FetchRequest request;
  request.url = url;
  request.headers = {
      {"Authorization", absl::StrCat("Bearer ", account.settings.access_token.value())}};
  http::FetchOptions options = Options();
  options.idempotent = true;
  options.max_attempts = 2;
  options.max_backoff = absl::Milliseconds(500);
  options.total_timeout = limit.Remaining() / 2;
  options.max_response_bytes = settings_.max_media_bytes;
  options.download_path = path;
  Fetch(std::move(request), std::move(options),
        [content_type, done = std::move(done)](http::FetchResult downloaded) mutable {
          std::move(done)(downloaded.ok() ? "" : Reason(downloaded), std::move(content_type));
        });
}

void Graph::Upload(const Account& account, const std::string& path, const std::string& content_type,
                   const std::string& file_name, http::FetchCallback done) {
  http::FetchRequest request = Request(
      account, "POST", absl::StrCat(http::Encode(account.settings.phone_number_id), "/media"));
  const auto field = [&](std::string name, std::string value) {
    http::FormPart part;
    part.name = std::move(name);
    part.value = std::move(value);
    request.form.push_back(std::move(part));
  };
  field("messaging_product", "whatsapp");
  field("type", content_type);
  http::FormPart file;
  file.name = "file";
  file.file_path = path;
  file.file_name = file_name.empty() ? "file" : file_name;
  file.content_type = content_type;
  request.form.push_back(std::move(file));
  http::FetchOptions options = Options();
  options.idempotent = true;
  options.max_attempts = 2;
  options.max_backoff = absl::Seconds(1);
  Fetch(std::move(request), std::move(options), std::move(done));
}

void Graph::Send(const Account& account, std::string json, http::FetchCallback done) {
  http::FetchRequest request = Request(
      account, "POST", absl::StrCat(http::Encode(account.settings.phone_number_id), "/messages"));
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = std::move(json);
  Fetch(std::move(request), Options(), std::move(done));
}

}  // namespace wissel::whatsapp
