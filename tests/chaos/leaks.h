#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// What must not be in a service's log. Pure.
namespace wissel::chaos {

// Stands in everything that customers and agents write, and in nothing else.
inline constexpr absl::string_view kPrivateWord = "aubergine";

struct Secret {
  std::string name;  // Told in its place.
  std::string text;
};

// "router-1, line 12: the app's secret" for each line with one of them, with a text of a customer
// or an agent, or with the beginning of a JSON Web Token.
std::vector<std::string> FindLeaks(absl::string_view service, absl::string_view log,
                                   const std::vector<Secret>& secrets);

}  // namespace wissel::chaos
