#include "tests/stubs/graph/graph_stub.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/hex.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"

namespace wissel::stubs {
namespace {

namespace json = boost::json;

// Its own, not the service's: one checks the other.
std::string Signature(const std::string& secret, const std::string& body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &length);
  return absl::StrCat("sha256=", HexEncode({reinterpret_cast<const char*>(digest), length}));
}

json::object ParseObject(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  return !error && value.is_object() ? value.get_object() : json::object();
}

// The string at a path of keys, or empty.
std::string At(const json::object& object, std::initializer_list<const char*> path) {
  const json::object* here = &object;
  const json::value* value = nullptr;
  for (const char* key : path) {
    if (here == nullptr) return "";
    value = here->if_contains(key);
    if (value == nullptr) return "";
    here = value->if_object();
  }
  return value->is_string() ? std::string(value->get_string().c_str()) : "";
}

double NumberAt(const json::object& object, const char* key, double otherwise) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return otherwise;
  json::error_code error;
  const double number = value->to_number<double>(error);
  return error ? otherwise : number;
}

http::Response Error(int status, int64_t code, absl::string_view message) {
  return http::JsonResponse(
      status, json::serialize(
                  json::object{{"error",
                                {{"message", absl::StrCat("(#", code, ") ", message)},
                                 {"type", "OAuthException"},
                                 {"code", code},
                                 {"error_data",
                                  {{"messaging_product", "whatsapp"},
                                   {"details", json::string_view(message.data(), message.size())}}},
                                 {"fbtrace_id", "stub"}}}}));
}

std::string Envelope(const std::string& phone_number_id, json::object value) {
  value["messaging_product"] = "whatsapp";
  value["metadata"] = {{"display_phone_number", "31200000000"},
                       {"phone_number_id", phone_number_id}};
  const json::object root{
      {"object", "whatsapp_business_account"},
      {"entry", json::array{json::object{
                    {"id", "1"},
                    {"changes", json::array{json::object{{"field", "messages"},
                                                         {"value", std::move(value)}}}}}}}};
  return json::serialize(root);
}

}  // namespace

GraphStub::GraphStub(Options options, std::unique_ptr<http::Client> client)
    : options_(std::move(options)),
      client_(std::move(client)),
      webhook_url_(options_.webhook_url),
      random_(options_.seed) {}

absl::StatusOr<std::unique_ptr<GraphStub>> GraphStub::Start(Options options) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<http::Client> client,
                          http::Client::Create({.user_agent = "facebookplatform/1.0"}));
  auto stub = std::unique_ptr<GraphStub>(new GraphStub(std::move(options), std::move(client)));
  http::Router router;
  GraphStub* self = stub.get();
  router.Handle("POST", "/*", [self](http::Request request, http::Responder responder) {
    const std::vector<std::string> parts = absl::StrSplit(request.path, '/', absl::SkipEmpty());
    if (!parts.empty() && absl::StartsWith(parts[0], "_")) {
      return self->OnControl(request, std::move(responder));
    }
    if (http::FindHeader(request.headers, "Authorization") !=
        absl::string_view(absl::StrCat("Bearer ", self->options_.access_token))) {
      return responder.Send(Error(401, 190, "Invalid OAuth access token."));
    }
    if (parts.size() == 3 && parts[2] == "messages") {
      return self->OnSend(parts[1], request, std::move(responder));
    }
    if (parts.size() == 3 && parts[2] == "media") {
      return self->OnUpload(request, std::move(responder));
    }
    responder.Send(Error(404, 100, "Unsupported post request."));
  });
  router.Handle("GET", "/*", [self](http::Request request, http::Responder responder) {
    self->OnGet(request, std::move(responder));
  });
  WISSEL_ASSIGN_OR_RETURN(stub->server_, http::Server::Start({.listen = stub->options_.listen,
                                                              .max_body_bytes = 128 << 20},
                                                             std::move(router)));
  stub->thread_ = StartThread("graph-stub", [self] { self->PostWebhooks(); });
  return stub;
}

GraphStub::~GraphStub() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
  client_.reset();
  server_.reset();  // Before those who hang: they get no answer.
}

std::string GraphStub::base_url() const { return absl::StrCat("http://127.0.0.1:", port()); }

void GraphStub::SetWebhookUrl(std::string url) {
  MutexLock lock(mutex_);
  webhook_url_ = std::move(url);
  changed_.NotifyAll();
}

void GraphStub::SetManners(WebhookManners manners) {
  MutexLock lock(mutex_);
  manners_ = manners;
}

void GraphStub::FailNext(const Fault& fault, int times) {
  MutexLock lock(mutex_);
  for (int i = 0; i < times; ++i) faults_.push_back(fault);
}

void GraphStub::FailAtRandom(const Fault& fault, double probability) {
  MutexLock lock(mutex_);
  random_fault_ = fault;
  fault_probability_ = probability;
}

std::vector<GraphStub::Accepted> GraphStub::book() const {
  MutexLock lock(mutex_);
  return book_;
}

std::vector<std::string> GraphStub::doubled() const {
  std::set<std::string> seen;
  std::vector<std::string> doubled;
  for (const Accepted& accepted : book()) {
    if (!accepted.outbound_id.empty() && !seen.insert(accepted.outbound_id).second) {
      doubled.push_back(accepted.outbound_id);
    }
  }
  return doubled;
}

std::string GraphStub::AddMedia(std::string bytes, std::string content_type) {
  MutexLock lock(mutex_);
  std::string id = absl::StrCat("7000", ++next_id_);
  media_[id] = {.bytes = std::move(bytes), .content_type = std::move(content_type)};
  return id;
}

std::optional<std::string> GraphStub::Uploaded(const std::string& media_id) const {
  MutexLock lock(mutex_);
  const auto it = uploads_.find(media_id);
  return it == uploads_.end() ? std::nullopt : std::optional(it->second);
}

std::string GraphStub::Accept(const std::string& phone_number_id, const std::string& text) {
  const json::object body = ParseObject(text);
  Accepted accepted{.id = {},
                    .phone_number_id = phone_number_id,
                    .to = At(body, {"to"}),
                    .type = At(body, {"type"}),
                    .text = At(body, {"text", "body"}),
                    .outbound_id = At(body, {"biz_opaque_callback_data"}),
                    .context_id = At(body, {"context", "message_id"}),
                    .media_id = {},
                    .time = absl::Now(),
                    .json = text};
  if (accepted.text.empty()) accepted.text = At(body, {accepted.type.c_str(), "caption"});
  accepted.media_id = At(body, {accepted.type.c_str(), "id"});
  {
    MutexLock lock(mutex_);
    accepted.id = absl::StrCat("wamid.STUB", ++next_id_);
    book_.push_back(accepted);
  }
  if (options_.send_statuses) {
    PostStatus(accepted, "sent");
    PostStatus(accepted, "delivered");
  }
  return accepted.id;
}

std::optional<GraphStub::Fault> GraphStub::TakeFault() {
  MutexLock lock(mutex_);
  if (!faults_.empty()) {
    const Fault fault = faults_.front();
    faults_.pop_front();
    return fault;
  }
  if (fault_probability_ > 0 &&
      std::uniform_real_distribution<double>(0, 1)(random_) < fault_probability_) {
    return random_fault_;
  }
  return std::nullopt;
}

void GraphStub::OnSend(const std::string& phone_number_id, const http::Request& request,
                       http::Responder responder) {
  const std::optional<Fault> fault = TakeFault();
  if (fault && fault->kind == Fault::Kind::kError) {
    http::Response response = fault->code == 0 ? http::TextResponse(fault->status, "broken")
                                               : Error(fault->status, fault->code, "as asked");
    if (fault->retry_after > absl::ZeroDuration()) {
      response.headers.push_back(
          {"Retry-After", absl::StrCat(absl::ToInt64Seconds(fault->retry_after))});
    }
    return responder.Send(std::move(response));
  }
  if (fault && fault->kind == Fault::Kind::kHangBeforeAccept) {
    MutexLock lock(mutex_);
    hanging_.push_back(std::move(responder));
    return;
  }
  const json::object body = ParseObject(request.body);
  if (At(body, {"messaging_product"}) != "whatsapp" || At(body, {"to"}).empty()) {
    return responder.Send(Error(400, 100, "Invalid parameter"));
  }
  const std::string id = Accept(phone_number_id, request.body);
  http::Response accepted = http::JsonResponse(
      200, json::serialize(
               json::object{{"messaging_product", "whatsapp"},
                            {"contacts", json::array{json::object{{"input", At(body, {"to"})},
                                                                  {"wa_id", At(body, {"to"})}}}},
                            {"messages", json::array{json::object{{"id", id}}}}}));
  if (fault && fault->kind == Fault::Kind::kHangAfterAccept) {
    MutexLock lock(mutex_);
    hanging_.push_back(std::move(responder));
    return;
  }
  if (fault && fault->kind == Fault::Kind::kDelay) {
    std::thread([responder = std::move(responder), accepted = std::move(accepted),
                 delay = fault->delay]() mutable {
      absl::SleepFor(delay);
      responder.Send(std::move(accepted));
    }).detach();
    return;
  }
  responder.Send(std::move(accepted));
}

void GraphStub::OnUpload(const http::Request& request, http::Responder responder) {
  // The file is what stands between the last part's headers and the closing boundary.
  const size_t name = request.body.find("name=\"file\"");
  const size_t begin = name == std::string::npos ? name : request.body.find("\r\n\r\n", name);
  const size_t end = request.body.rfind("\r\n--");
  if (begin == std::string::npos || end == std::string::npos || end < begin + 4) {
    return responder.Send(Error(400, 100, "file is required"));
  }
  std::string id;
  {
    MutexLock lock(mutex_);
    id = absl::StrCat("8000", ++next_id_);
    uploads_[id] = request.body.substr(begin + 4, end - begin - 4);
  }
  responder.Send(http::JsonResponse(200, json::serialize(json::object{{"id", id}})));
}

void GraphStub::HoldMedia() {
  MutexLock lock(mutex_);
  hold_media_ = true;
}

void GraphStub::ReleaseMedia() {
  std::vector<std::pair<http::Request, http::Responder>> held;
  {
    MutexLock lock(mutex_);
    hold_media_ = false;
    held = std::exchange(held_media_, {});
  }
  for (auto& [request, responder] : held) OnGet(std::move(request), std::move(responder));
}

void GraphStub::OnGet(http::Request request, http::Responder responder) {
  {
    MutexLock lock(mutex_);
    if (hold_media_) {
      held_media_.emplace_back(std::move(request), std::move(responder));
      return;
    }
  }
  const std::vector<std::string> parts = absl::StrSplit(request.path, '/', absl::SkipEmpty());
  if (parts.size() == 1 && parts[0] == "_book") return responder.Send(Book());
  if (http::FindHeader(request.headers, "Authorization") !=
      absl::string_view(absl::StrCat("Bearer ", options_.access_token))) {
    return responder.Send(Error(401, 190, "Invalid OAuth access token."));
  }
  if (parts.size() != 2) return responder.Send(Error(404, 100, "Unsupported get request."));
  std::optional<Media> media;
  {
    MutexLock lock(mutex_);
    if (const auto it = media_.find(parts[1]); it != media_.end()) media = it->second;
  }
  if (!media) return responder.Send(Error(400, 100, "Object does not exist"));
  if (parts[0] == "_bytes") {
    return responder.Send({.status = 200,
                           .body = std::move(media->bytes),
                           .content_type = media->content_type,
                           .headers = {}});
  }
  responder.Send(http::JsonResponse(
      200, json::serialize(json::object{{"messaging_product", "whatsapp"},
                                        {"url", absl::StrCat(base_url(), "/_bytes/", parts[1])},
                                        {"mime_type", media->content_type},
                                        {"file_size", media->bytes.size()},
                                        {"id", parts[1]}})));
}

http::Response GraphStub::Book() const {
  json::array accepted;
  for (const Accepted& a : book()) {
    accepted.push_back({{"id", a.id},
                        {"phone_number_id", a.phone_number_id},
                        {"to", a.to},
                        {"type", a.type},
                        {"text", a.text},
                        {"outbound_id", a.outbound_id},
                        {"time", absl::FormatTime(a.time, absl::UTCTimeZone())}});
  }
  json::array doubles;
  for (const std::string& id : doubled()) doubles.push_back(json::value(id));
  const WebhookStats stats = webhook_stats();
  return http::JsonResponse(200,
                            json::serialize(json::object{{"accepted", std::move(accepted)},
                                                         {"doubled", std::move(doubles)},
                                                         {"webhooks",
                                                          {{"queued", stats.queued},
                                                           {"acknowledged", stats.acknowledged},
                                                           {"posts", stats.posts},
                                                           {"last_status", stats.last_status}}}}));
}

// The controls of the program stub-graph; see README.md.
void GraphStub::OnControl(const http::Request& request, http::Responder responder) {
  const json::object body = ParseObject(request.body);
  if (request.path == "/_webhook") {
    PostWebhook(request.body);
    return responder.Send(http::JsonResponse(202, "{}"));
  }
  if (request.path == "/_customer") {
    const std::string id =
        CustomerWrites(At(body, {"phone_number_id"}), At(body, {"from"}), At(body, {"text"}));
    return responder.Send(http::JsonResponse(202, json::serialize(json::object{{"id", id}})));
  }
  if (request.path == "/_media") {
    const std::string type(http::FindHeader(request.headers, "Content-Type").value_or(""));
    const std::string id = AddMedia(request.body, type);
    return responder.Send(http::JsonResponse(201, json::serialize(json::object{{"id", id}})));
  }
  if (request.path == "/_manners") {
    SetManners({.repeat = NumberAt(body, "repeat", 0),
                .max_delay = absl::Milliseconds(NumberAt(body, "max_delay_ms", 0))});
    return responder.Send(http::JsonResponse(200, "{}"));
  }
  if (request.path == "/_faults") {
    Fault fault{.status = static_cast<int>(NumberAt(body, "status", 500)),
                .code = static_cast<int64_t>(NumberAt(body, "code", 0)),
                .retry_after = absl::Seconds(NumberAt(body, "retry_after_s", 0)),
                .delay = absl::Milliseconds(NumberAt(body, "delay_ms", 0))};
    const std::string kind = At(body, {"kind"});
    if (kind == "error") {
      fault.kind = Fault::Kind::kError;
    } else if (kind == "hang_before_accept") {
      fault.kind = Fault::Kind::kHangBeforeAccept;
    } else if (kind == "hang_after_accept") {
      fault.kind = Fault::Kind::kHangAfterAccept;
    } else if (kind == "delay") {
      fault.kind = Fault::Kind::kDelay;
    } else {
      return responder.Send(http::TextResponse(
          400, "kind: expected error, hang_before_accept, hang_after_accept or delay"));
    }
    const int times = static_cast<int>(NumberAt(body, "times", 0));
    if (times > 0) FailNext(fault, times);
    if (body.contains("probability")) FailAtRandom(fault, NumberAt(body, "probability", 0));
    return responder.Send(http::JsonResponse(200, "{}"));
  }
  responder.Send(http::TextResponse(404, "no such control"));
}

std::string GraphStub::CustomerWrites(const std::string& phone_number_id, const std::string& from,
                                      const std::string& text) {
  std::string id;
  {
    MutexLock lock(mutex_);
    id = absl::StrCat("wamid.CUSTOMER", ++next_id_);
  }
  PostWebhook(Envelope(
      phone_number_id,
      {{"contacts",
        json::array{json::object{{"profile", {{"name", absl::StrCat("Customer ", from)}}},
                                 {"wa_id", from}}}},
       {"messages",
        json::array{json::object{{"from", from},
                                 {"id", id},
                                 {"timestamp", absl::StrCat(absl::ToUnixSeconds(absl::Now()))},
                                 {"type", "text"},
                                 {"text", {{"body", text}}}}}}}));
  return id;
}

void GraphStub::PostStatus(const Accepted& message, const std::string& status) {
  json::object body{{"id", message.id},
                    {"status", status},
                    {"timestamp", absl::StrCat(absl::ToUnixSeconds(absl::Now()))},
                    {"recipient_id", message.to}};
  if (!message.outbound_id.empty()) body["biz_opaque_callback_data"] = message.outbound_id;
  PostWebhook(Envelope(message.phone_number_id, {{"statuses", json::array{std::move(body)}}}));
}

void GraphStub::PostWebhook(std::string body) {
  Webhook webhook{.body = std::move(body)};
  absl::Duration delay;
  {
    MutexLock lock(mutex_);
    std::uniform_real_distribution<double> lot(0, 1);
    webhook.repeat_follows = lot(random_) < manners_.repeat;
    delay = manners_.max_delay * lot(random_);
    ++stats_.queued;
  }
  Enqueue(std::move(webhook), delay);
}

void GraphStub::Enqueue(Webhook webhook, absl::Duration delay) {
  MutexLock lock(mutex_);
  webhooks_.emplace(absl::Now() + delay, std::move(webhook));
  changed_.NotifyAll();
}

void GraphStub::PostWebhooks() {
  for (;;) {
    std::optional<Webhook> due;
    {
      MutexLock lock(mutex_);
      while (!stop_ && (webhook_url_.empty() || webhooks_.empty() ||
                        webhooks_.begin()->first > absl::Now())) {
        changed_.WaitUntil(mutex_, webhook_url_.empty() || webhooks_.empty()
                                       ? absl::Now() + absl::Seconds(1)
                                       : webhooks_.begin()->first);
      }
      if (stop_) return;
      due = std::move(webhooks_.begin()->second);
      webhooks_.erase(webhooks_.begin());
    }
    Post(*std::move(due));
  }
}

void GraphStub::Post(Webhook webhook) {
  http::FetchRequest request;
  request.method = "POST";
  {
    MutexLock lock(mutex_);
    request.url = webhook_url_;
    ++stats_.posts;
  }
  request.headers = {{"Content-Type", "application/json"},
                     {"X-Hub-Signature-256", Signature(options_.app_secret, webhook.body)}};
  request.body = webhook.body;
  http::FetchOptions options;
  options.idempotent = true;
  options.total_timeout = absl::Seconds(20);
  auto shared = std::make_shared<Webhook>(std::move(webhook));
  const absl::Status status =
      client_->Fetch(std::move(request), options, [this, shared](http::FetchResult result) {
        const bool acknowledged = result.fate == http::Fate::kAnswered && result.status == 200;
        {
          MutexLock lock(mutex_);
          if (result.fate == http::Fate::kAnswered) stats_.last_status = result.status;
          if (stop_) return;
          if (acknowledged && !shared->is_repeat) {
            ++stats_.acknowledged;
            --stats_.queued;
            changed_.NotifyAll();
          }
        }
        if (!acknowledged) {
          Enqueue(std::move(*shared), absl::Milliseconds(200));
        } else if (shared->repeat_follows) {
          shared->repeat_follows = false;
          shared->is_repeat = true;
          Enqueue(std::move(*shared), absl::Milliseconds(50));
        }
      });
  if (!status.ok()) Enqueue(std::move(*shared), absl::Milliseconds(50));
}

GraphStub::WebhookStats GraphStub::webhook_stats() const {
  MutexLock lock(mutex_);
  return stats_;
}

bool GraphStub::WaitForWebhooks(absl::Duration timeout) const {
  const Timeout limit(timeout);
  MutexLock lock(mutex_);
  while (stats_.queued > 0) {
    if (limit.Expired()) return false;
    changed_.WaitFor(mutex_, limit.Remaining());
  }
  return true;
}

}  // namespace wissel::stubs
