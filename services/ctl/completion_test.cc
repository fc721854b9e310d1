// What the shells make of `wisselctl completion`.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Run(const std::string& command) {
  FILE* pipe = popen(absl::StrCat(command, " 2>&1").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof(buffer), pipe)) out.append(buffer, n);
  pclose(pipe);
  return out;
}

// What bash itself makes of the script.
std::string Complete(const std::string& script, const std::vector<std::string>& words,
                     absl::string_view last = "\"\"") {
  return Run(absl::StrCat("bash -c 'source ", script, "; COMP_WORDS=(", absl::StrJoin(words, " "),
                          " ", last, "); COMP_CWORD=", words.size(),
                          "; _wisselctl; echo \"${COMPREPLY[*]}\"'"));
}

// What zsh itself makes of the script, and gives to its completion system.
std::string ZshComplete(const std::string& script, const std::vector<std::string>& words,
                        absl::string_view last = "\"\"") {
  return Run(
      absl::StrCat("zsh -f -c 'compdef() { :; }; compset() { :; }; _files() { print files; }; "
                   "_describe() { print -r -- \"${choices[*]}\"; }; source ",
                   script, "; words=(", absl::StrJoin(words, " "), " ", last,
                   "); CURRENT=", words.size() + 1, "; _wisselctl'"));
}

TEST(Cli, ZshCompletesCommandsFlagsAndClosedSets) {
  const wissel::testing::TempDir dir;
  const Result result = Wisselctl({"completion", "zsh"});
  ASSERT_EQ(result.code, 0);
  const std::string script = Write(dir, "completion.zsh", result.out);
  EXPECT_THAT(ZshComplete(script, {"wisselctl"}), HasSubstr("conversations:"));
  const std::string conversations = ZshComplete(script, {"wisselctl", "conversations"});
  EXPECT_THAT(conversations, StartsWith("list:"));
  EXPECT_THAT(conversations, HasSubstr("--output:"));
  EXPECT_EQ(conversations.find("--help:"), conversations.rfind("--help:"));
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "conversations", "list", "--status"}),
            "queued offered active parked resolved\n");
  // A flag's value is not taken for a command.
  EXPECT_THAT(ZshComplete(script, {"wisselctl", "--server", "log", "conversations"}),
              StartsWith("list:"));
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "apply", "-f"}), "files\n");
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "log", "tail"}, "--output=j"), "table json yaml\n");
}

TEST(Cli, BashCompletesCommandsFlagsAndClosedSets) {
  const wissel::testing::TempDir dir;
  const Result result = Wisselctl({"completion", "bash"});
  ASSERT_EQ(result.code, 0);
  const std::string script = Write(dir, "completion.bash", result.out);
  EXPECT_THAT(Complete(script, {"wisselctl"}), HasSubstr("conversations"));
  EXPECT_THAT(Complete(script, {"wisselctl", "conversations"}), StartsWith("list show tail "));
  EXPECT_EQ(Complete(script, {"wisselctl", "conversations", "list", "--status"}),
            "queued offered active parked resolved\n");
  // A flag's value is not taken for a command.
  EXPECT_THAT(Complete(script, {"wisselctl", "--server", "log", "conversations"}),
              StartsWith("list show tail "));
  EXPECT_EQ(Complete(script, {"wisselctl", "apply", "-f"}), "\n");
  // Bash takes the "=" for a word.
  EXPECT_EQ(Complete(script, {"wisselctl", "--output"}, "="), "table json yaml\n");
  EXPECT_EQ(Complete(script, {"wisselctl", "--output", "="}, "t"), "table\n");
  EXPECT_THAT(Complete(script, {"wisselctl", "--server", "=", "log", "conversations"}),
              StartsWith("list show tail "));
}

}  // namespace
}  // namespace wissel::ctl
