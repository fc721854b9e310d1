#include "services/dev/page.h"

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
  router.Handle("GET", "/", [](http::Request, http::Responder responder) {
    http::Response response = http::TextResponse(302, "see /outbox");
    response.headers.push_back({"Location", "/outbox"});
    responder.Send(std::move(response));
  });
  router.Handle("GET", "/outbox", [folder](http::Request, http::Responder responder) {
    responder.Send({.body = OutboxHtml(folder),
                    .content_type = "text/html; charset=utf-8",
                    .headers = {{"Content-Security-Policy",
                                 "default-src 'none'; style-src 'unsafe-inline'"}}});
  });
  router.Handle("GET", "/outbox.json", [folder](http::Request, http::Responder responder) {
    responder.Send(http::JsonResponse(200, OutboxJson(folder)));
  });
  router.Handle("POST", "/inject/email",
                [mailboxes = options.mailboxes, publisher, blobs](http::Request request,
                                                                  http::Responder responder) {
                  InjectMail(mailboxes, publisher, blobs, std::move(request), std::move(responder));
                });
  return http::Server::Start({.listen = options.listen, .max_body_bytes = kMaxMailBytes},
                             std::move(router));
}

}  // namespace wissel::dev
