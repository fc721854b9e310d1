#include "tests/chaos/report.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace wissel::chaos {
namespace {

constexpr int kShown = 5;

}  // namespace

Violations CheckHistory(const History& history) {
  Violations all;
  for (auto* check :
       {&CheckMessages, &CheckReplies, &CheckMails, &CheckAssignments, &CheckStreams}) {
    Violations found = check(history);
    std::move(found.begin(), found.end(), std::back_inserter(all));
  }
  return all;
}

void PrintVerdict(const Violations& violations) {
  std::vector<std::string> counts;
  for (Fault fault : kFaults) {
    int count = 0;
    for (const Violation& violation : violations) {
      if (violation.fault != fault) continue;
      if (++count <= kShown) Say(absl::StrCat("  ", FaultName(fault), ": ", violation.detail));
    }
    if (count > kShown) Say(absl::StrCat("  ", FaultName(fault), ": … ", count - kShown, " more"));
    counts.push_back(absl::StrCat(FaultName(fault), " ", count));
  }
  Say(absl::StrJoin(counts, ", "));
}

void Say(absl::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace wissel::chaos
