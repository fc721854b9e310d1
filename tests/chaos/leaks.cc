#include "tests/chaos/leaks.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace wissel::chaos {
namespace {

// {" in base64url: how a token begins (RFC 7515, section 3.1).
constexpr absl::string_view kTokenBegin = "eyJ";

}  // namespace

std::vector<std::string> FindLeaks(absl::string_view service, absl::string_view log,
                                   const std::vector<Secret>& secrets) {
  std::vector<std::string> leaks;
  int number = 0;
  for (const absl::string_view line : absl::StrSplit(log, '\n')) {
    ++number;
    const auto look = [&](absl::string_view name, absl::string_view text) {
      if (absl::StrContains(line, text)) {
        leaks.push_back(absl::StrCat(service, ", line ", number, ": ", name));
      }
    };
    look("what somebody wrote", kPrivateWord);
    look("a token", kTokenBegin);
    for (const Secret& secret : secrets) look(secret.name, secret.text);
  }
  return leaks;
}

}  // namespace wissel::chaos
