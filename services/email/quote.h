#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace wissel::email {

struct SplitText {
  std::string text;    // what was written, signature included
  std::string quoted;  // the earlier mails that it quotes; empty where none was found
};

// Splits a mail's text (UTF-8, LF) into what is new and what is quoted from earlier mails: the line
// with which a client introduces a quotation ("On … wrote:") in thirteen languages with what
// follows it,
// "-----Original Message-----" and its translations, Outlook's block of From, Sent and To, and a
// single block of lines that start with ">". Answers written between quoted lines are left
// together, as the one is not understood without the other. Never leaves `text` blank where the
// mail was not: what is only quoted, or forwarded, is the message.
SplitText SplitQuoted(absl::string_view text);

}  // namespace wissel::email
