#include "services/dev/page.h"

#include <arpa/inet.h>

#include <array>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/channel/ids.h"
#include "services/dev/outbox.h"
#include "services/email/mail_ingest.h"

namespace wissel::dev {
namespace {

constexpr int64_t kMaxMailBytes = 36 << 20;

// Whether a request was meant for this machine: it names it by an address, or as localhost. A page
// of somebody else's whose name suddenly means this machine ("DNS rebinding") sends that name, and
// the browser would let it read the answers.
bool IsMeant(const http::Request& request) {
  const absl::string_view given = http::FindHeader(request.headers, "Host").value_or("");
  // host[:port], an IPv6 address in brackets (RFC 9110, section 7.2).
  const bool bracketed = absl::StartsWith(given, "[");
  const size_t end = given.find(bracketed ? ']' : ':');
  const std::string host(bracketed ? given.substr(1, end == given.npos ? end : end - 1)
                                   : given.substr(0, end));
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(bracketed ? AF_INET6 : AF_INET, host.c_str(), address.data()) == 1;
}

http::Handler IfMeant(http::Handler handler) {
  return [handler = std::move(handler)](http::Request request, http::Responder responder) {
    if (IsMeant(request)) return handler(std::move(request), std::move(responder));
    responder.Send(http::TextResponse(421, "this is asked for by an address, or as localhost"));
  };
}

const email::Mailbox* FindMailbox(const std::vector<email::Mailbox>& mailboxes,
                                  const std::string& account) {
  for (const email::Mailbox& mailbox : mailboxes) {
    if (account.empty() || mailbox.account.value() == account) return &mailbox;
  }
  return nullptr;
}

http::Response Answer(const absl::Status& status, const std::string& id) {
  if (status.ok()) return http::TextResponse(200, absl::StrCat("message ", id));
  http::Response response = http::TextResponse(503, status.message());
  response.headers.push_back({"Retry-After", "1"});
  return response;
}

void InjectMail(const std::vector<email::Mailbox>& mailboxes, channel::Publisher* publisher,
                channel::BlobStore* blobs, http::Request request, http::Responder responder) {
  const auto type = http::FindHeader(request.headers, "Content-Type");
  if (!type || !absl::StartsWithIgnoreCase(*type, "message/rfc822")) {
    return responder.Send(http::TextResponse(415, "expected Content-Type: message/rfc822"));
  }
  const email::Mailbox* mailbox =
      FindMailbox(mailboxes, request.QueryParameter("account").value_or(""));
  if (mailbox == nullptr) return responder.Send(http::TextResponse(404, "no such mailbox"));
  const auto sink = [blobs](absl::string_view bytes) -> absl::StatusOr<std::string> {
    auto blob = blobs->Put(bytes, {});
    if (!blob.ok()) return blob.status();
    return blob->blob_id();
  };
  auto outcome = email::NormaliseMail(request.body, *mailbox, std::nullopt, nullptr, sink);
  if (!outcome.ok()) return responder.Send(Answer(outcome.status(), ""));
  if (const auto* rejected = std::get_if<email::RejectedMail>(&*outcome)) {
    deadletter::v1::DeadLetter letter =
        email::DeadLetterOf({.reference = absl::StrCat("injected;sha256=", Sha256Hex(request.body)),
                             .bytes = std::move(request.body)},
                            *mailbox, *rejected);
    channel::DeriveId(&letter);
    http::Response refused =
        http::TextResponse(422, absl::StrCat("no message but a dead letter, ",
                                             letter.dead_letter_id(), ": ", letter.detail()));
    publisher->Publish(std::move(letter), /*traceparent=*/"",
                       [responder = std::move(responder),
                        refused = std::move(refused)](absl::Status status) mutable {
                         responder.Send(status.ok() ? std::move(refused) : Answer(status, ""));
                       });
    return;
  }
  auto& mail = std::get<email::NormalisedMail>(*outcome);
  const std::string id = mail.message.envelope().id();
  publisher->Publish(std::move(mail.message), /*traceparent=*/"",
                     [responder = std::move(responder), id](absl::Status status) mutable {
                       responder.Send(Answer(status, id));
                     });
}

}  // namespace

absl::StatusOr<std::unique_ptr<http::Server>> StartPage(const PageOptions& options,
                                                        channel::Publisher* publisher,
                                                        channel::BlobStore* blobs) {
  http::Router router;
  const std::string folder = options.outbox_folder;
  const auto handle = [&router](absl::string_view method, absl::string_view path,
                                http::Handler handler) {
    router.Handle(method, path, IfMeant(std::move(handler)));
  };
  handle("GET", "/", [](http::Request, http::Responder responder) {
    http::Response response = http::TextResponse(302, "see /outbox");
    response.headers.push_back({"Location", "/outbox"});
    responder.Send(std::move(response));
  });
  handle("GET", "/outbox", [folder](http::Request, http::Responder responder) {
    responder.Send({.body = OutboxHtml(folder),
                    .content_type = "text/html; charset=utf-8",
                    .headers = {{"Content-Security-Policy",
                                 "default-src 'none'; style-src 'unsafe-inline'"}}});
  });
  handle("GET", "/outbox.json", [folder](http::Request, http::Responder responder) {
    responder.Send(http::JsonResponse(200, OutboxJson(folder)));
  });
  handle("POST", "/inject/email",
         [mailboxes = options.mailboxes, publisher, blobs](http::Request request,
                                                           http::Responder responder) {
           InjectMail(mailboxes, publisher, blobs, std::move(request), std::move(responder));
         });
  return http::Server::Start({.listen = options.listen, .max_body_bytes = kMaxMailBytes},
                             std::move(router));
}

}  // namespace wissel::dev
