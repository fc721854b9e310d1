#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/channel/blob.h"
#include "libs/channel/publisher.h"
#include "libs/http/server.h"
#include "services/email/normalise.h"

namespace wissel::dev {

struct PageOptions {
  std::string listen;
  std::string outbox_folder;
  // Mailboxes that mail can be handed in for; the first where none is named.
  std::vector<email::Mailbox> mailboxes;
};

// wissel-dev's own HTTP door:
//   GET  /outbox                    what would have been sent, for a browser
//   GET  /outbox.json               the same for programs
//   POST /inject/email?account=ID   a mail (message/rfc822), taken as the e-mail channel would; 200
//                                   once it is durable, 422 where it has become a dead letter
// Only a request with that content type is taken, which no foreign web page can send without asking
// first; and only one whose Host is an address or localhost (else 421), which no foreign name that
// is made to mean this machine is. Neither `publisher` nor `blobs` is owned.
absl::StatusOr<std::unique_ptr<http::Server>> StartPage(const PageOptions& options,
                                                        channel::Publisher* publisher,
                                                        channel::BlobStore* blobs);

}  // namespace wissel::dev
