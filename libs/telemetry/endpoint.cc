#include "libs/telemetry/endpoint.h"

#include <civetweb.h>

#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/json_string.h"
#include "libs/base/listen_error.h"
#include "libs/base/notification.h"
#include "libs/base/thread.h"

namespace wissel::telemetry {

void Readiness::Condition::SetReady() {
  if (owner_ != nullptr) owner_->Set(name_, true, "");
}

void Readiness::Condition::SetNotReady(absl::string_view reason) {
  if (owner_ != nullptr) owner_->Set(name_, false, reason);
}

Readiness::Condition Readiness::Add(absl::string_view name, absl::string_view reason) {
  MutexLock lock(mutex_);
  std::string unique(name);
  for (int i = 2; conditions_.contains(unique); ++i) unique = absl::StrCat(name, "_", i);
  conditions_[unique] = {.ready = false, .reason = std::string(reason)};
  return Condition(this, std::move(unique));
}

void Readiness::Set(const std::string& name, bool ready, absl::string_view reason) {
  MutexLock lock(mutex_);
  conditions_[name] = {.ready = ready, .reason = std::string(reason)};
}

bool Readiness::Ready() const {
  MutexLock lock(mutex_);
  for (const auto& [name, state] : conditions_) {
    if (!state.ready) return false;
  }
  return true;
}

std::string Readiness::ToJson() const {
  MutexLock lock(mutex_);
  bool ready = true;
  std::string list;
  for (const auto& [name, state] : conditions_) {
    ready = ready && state.ready;
    absl::StrAppend(&list, list.empty() ? "" : ",", "{\"name\":");
    AppendJsonString(name, &list);
    absl::StrAppend(&list, ",\"ready\":", state.ready ? "true" : "false");
    if (!state.ready) {
      absl::StrAppend(&list, ",\"reason\":");
      AppendJsonString(state.reason, &list);
    }
    list.push_back('}');
  }
  return absl::StrCat("{\"ready\":", ready ? "true" : "false", ",\"conditions\":[", list, "]}\n");
}

struct Endpoint::Server {
  std::atomic<bool> started{false};
  std::string start_error;  // only written before `started`
  mg_context* context = nullptr;
  std::string host;  // where a client on this machine reaches the server
  int port = 0;

  ~Server() {
    if (context == nullptr) return;
    // CivetWeb looks at its stop flag every two seconds or when a connection comes in, so one is
    // made.
    Notification stopped;
    const std::jthread stopper = StartThread("endpoint-stop", [&] {
      mg_stop(context);
      stopped.Notify();
    });
    while (!stopped.WaitFor(absl::Milliseconds(2))) {
      char error[256];
      mg_connection* knock = mg_connect_client(host.c_str(), port, 0, error, sizeof(error));
      if (knock != nullptr) mg_close_connection(knock);
    }
  }

  static int OnLog(const mg_connection* connection, const char* message) {
    auto* self = static_cast<Server*>(mg_get_user_data(mg_get_context(connection)));
    // Only what goes wrong while starting is told; later it is the other side's network at work.
    if (self != nullptr && !self->started) self->start_error = message;
    return 1;
  }

  static int OnRequest(mg_connection* connection, void* endpoint) {
    const mg_request_info* request = mg_get_request_info(connection);
    const HttpReply reply = static_cast<const Endpoint*>(endpoint)->Answer(
        request->request_method, request->local_uri == nullptr ? "/" : request->local_uri,
        request->query_string == nullptr ? "" : request->query_string);
    const std::string head = absl::StrCat(
        "HTTP/1.1 ", reply.status, " ", mg_get_response_code_text(connection, reply.status),
        "\r\nContent-Type: ", reply.content_type, "\r\nContent-Length: ", reply.body.size(),
        "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
    mg_write(connection, head.data(), head.size());
    if (absl::string_view(request->request_method) != "HEAD") {
      mg_write(connection, reply.body.data(), reply.body.size());
    }
    return reply.status;
  }
};

Endpoint::Endpoint(const Registry& registry, const Readiness& readiness) {
  own_pages_.push_back(AddPage("/metrics", [&registry](absl::string_view) {
    return HttpReply{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = registry.Expose()};
  }));
  own_pages_.push_back(
      AddPage("/healthz", [](absl::string_view) { return HttpReply{.body = "ok\n"}; }));
  own_pages_.push_back(AddPage("/readyz", [&readiness](absl::string_view) {
    HttpReply reply{.content_type = "application/json", .body = readiness.ToJson()};
    reply.status = readiness.Ready() ? 200 : 503;
    return reply;
  }));
}

Endpoint::~Endpoint() { Stop(); }

Endpoint::Page& Endpoint::Page::operator=(Page&& other) noexcept {
  if (this != &other) {
    Remove();
    owner_ = std::exchange(other.owner_, nullptr);
    path_ = std::move(other.path_);
  }
  return *this;
}

void Endpoint::Page::Remove() {
  if (owner_ == nullptr) return;
  std::shared_ptr<PageState> page;
  {
    MutexLock lock(owner_->mutex_);
    const auto found = owner_->pages_.find(path_);
    page = std::move(found->second);
    owner_->pages_.erase(found);
  }
  owner_ = nullptr;
  MutexLock lock(page->mutex);
  page->handler = nullptr;
}

Endpoint::Page Endpoint::AddPage(absl::string_view path, HttpHandler handler) {
  auto page = std::make_shared<PageState>();
  {
    MutexLock lock(page->mutex);
    page->handler = std::move(handler);
  }
  MutexLock lock(mutex_);
  WISSEL_CHECK(pages_.emplace(std::string(path), std::move(page)).second) << std::string(path);
  return Page(this, std::string(path));
}

HttpReply Endpoint::Answer(absl::string_view method, const std::string& path,
                           absl::string_view query) const {
  if (method != "GET" && method != "HEAD") return {.status = 405, .body = "GET only\n"};
  std::shared_ptr<PageState> found;
  {
    MutexLock lock(mutex_);
    const auto page = pages_.find(path);
    if (page == pages_.end()) {
      HttpReply reply{.status = 404, .body = "no such page; there are:\n"};
      for (const auto& [known, unused] : pages_) absl::StrAppend(&reply.body, known, "\n");
      return reply;
    }
    found = page->second;
  }
  MutexLock lock(found->mutex);
  // Taken away since.
  if (!found->handler) return {.status = 404, .body = "no such page any more\n"};
  return found->handler(query);
}

absl::Status Endpoint::Start(const std::string& address) {
  auto server = std::make_unique<Server>();
  mg_callbacks callbacks{};
  callbacks.log_message = &Server::OnLog;
  const char* options[] = {"listening_ports",
                           address.c_str(),
                           "num_threads",
                           "4",
                           "request_timeout_ms",
                           "5000",
                           "max_request_size",
                           "8192",
                           "enable_keep_alive",
                           "no",
                           nullptr};
  server->context = mg_start(&callbacks, server.get(), options);
  if (server->context == nullptr) {
    const std::string why = WhyNotListen(address);
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, ": ", why.empty() ? server->start_error : why));
  }
  server->started = true;
  mg_set_request_handler(server->context, "/", &Server::OnRequest, this);
  mg_server_port port{};
  if (mg_get_server_ports(server->context, 1, &port) == 1) port_ = server->port = port.port;
  server->host = address.substr(0, address.rfind(':'));
  if (server->host == "0.0.0.0" || server->host == "[::]") server->host = "localhost";
  server_ = std::move(server);
  return absl::OkStatus();
}

void Endpoint::Stop() { server_.reset(); }

}  // namespace wissel::telemetry
