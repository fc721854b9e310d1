#pragma once

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/utf8.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/cli.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

struct Result {
  int code = 0;
  std::string out;
  std::string err;
};

// A run of wisselctl. With an empty context unless one is given: what runs on this machine must not
// matter.
inline Result Wisselctl(std::vector<const char*> arguments) {
  static const wissel::testing::TempDir* const dir = new wissel::testing::TempDir;
  const std::string context = dir->path() + "/context.yaml";
  std::ofstream(context) << "{}\n";
  arguments.insert(arguments.begin(), "wisselctl");
  if (std::find(arguments.begin(), arguments.end(), absl::string_view("--context")) ==
      arguments.end()) {
    arguments.insert(arguments.begin() + 1, {"--context", context.c_str()});
  }
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Session session(in, out, err);
  const int code = Run(static_cast<int>(arguments.size()), arguments.data(), session);
  return {code, out.str(), err.str()};
}

inline std::string Write(const wissel::testing::TempDir& dir, const char* name,
                         absl::string_view text) {
  const std::string path = dir.path() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

// A run that asks the server there in plain text, with what might be a token.
inline Result WisselctlAt(const std::string& server, std::vector<const char*> arguments) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  arguments.insert(arguments.end(),
                   {"--server", server.c_str(), "--insecure-local", "--token-file", token.c_str()});
  return Wisselctl(std::move(arguments));
}

// A customer's name that would clear the screen, colour it and turn the line's direction.
constexpr char kHostileName[] = "Jan\x1b[2J\u009b31m\u202e\u2066\u200b Piet";

// What in a command's output would reach the terminal of it; empty where nothing does.
inline std::string SteeringIn(const Result& result) {
  std::string found;
  const std::string all = result.out + result.err;
  for (absl::string_view text = all; !text.empty();) {
    const size_t length = std::max<size_t>(Utf8Length(text), 1);
    const char32_t c = DecodeUtf8(text);
    if (c != '\n' && IsSteering(c)) absl::StrAppend(&found, " ", static_cast<uint32_t>(c));
    text.remove_prefix(length);
  }
  return found;
}

}  // namespace wissel::ctl
