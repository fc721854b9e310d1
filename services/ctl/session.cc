#include "services/ctl/session.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/base64.h"
#include "libs/base/loopback.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace wissel::ctl {
namespace {

constexpr char kDevContext[] = ".wissel/dev/context.yaml";

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

void TakeFirst(std::string& value, const std::string& otherwise) {
  if (value.empty()) value = otherwise;
}

// Only the local machine may be spoken to in plain text.
bool IsLocal(absl::string_view target) {
  if (absl::ConsumePrefix(&target, "unix:")) return true;
  return IsLoopback(target.substr(0, target.rfind(':')));
}

// As the token says; empty where it does not say it readably. The server is who checks the token.
std::string WorkspaceOf(absl::string_view token) {
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  if (parts.size() != 3) return "";
  const auto payload = Base64UrlDecode(parts[1]);
  if (!payload.ok()) return "";
  boost::system::error_code error;
  const boost::json::value claims = boost::json::parse(*payload, error);
  if (error || !claims.is_object()) return "";
  const auto* workspace = claims.get_object().if_contains("wissel_ws");
  return workspace != nullptr && workspace->is_string() ? std::string(workspace->get_string()) : "";
}

class ContextReader {
 public:
  ContextReader(absl::string_view file, Context& context)
      : file_(file), folder_(std::filesystem::path(std::string(file)).parent_path()), c_(context) {}

  absl::Status Read(const YAML::Node& root) {
    if (!root.IsMap()) return Wrong(root, "expected keys and values");
    for (const auto& entry : root) WISSEL_RETURN_IF_ERROR(ReadEntry(entry.first, entry.second));
    return absl::OkStatus();
  }

 private:
  absl::Status Wrong(const YAML::Node& node, absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(file_, ":", node.Mark().line + 1, ": ", what));
  }

  std::string Path(const std::string& path) const { return (folder_ / path).string(); }

  absl::Status ReadEntry(const YAML::Node& key, const YAML::Node& value) {
    const std::string& name = key.Scalar();
    const std::map<std::string, std::string*> texts = {{"server", &c_.server},
                                                       {"workspace", &c_.workspace},
                                                       {"kafka", &c_.kafka},
                                                       {"redis", &c_.redis},
                                                       {"outbox", &c_.outbox},
                                                       {"admin_server", &c_.admin_server},
                                                       {"history_server", &c_.history_server}};
    const std::map<std::string, std::string*> paths = {
        {"ca", &c_.ca},
        {"log_file", &c_.log_file},
        {"connections", &c_.connections},
        {"whatsapp_secret_file", &c_.whatsapp_secret_file}};
    const std::map<std::string, std::map<std::string, std::string>*> maps = {
        {"token_files", &c_.token_files}, {"webhooks", &c_.webhooks}};
    if (const auto text = texts.find(name); text != texts.end()) {
      if (!value.IsScalar()) return Wrong(value, absl::StrCat(name, ": expected a text"));
      *text->second = value.Scalar();
    } else if (const auto path = paths.find(name); path != paths.end()) {
      if (!value.IsScalar()) return Wrong(value, absl::StrCat(name, ": expected a file"));
      *path->second = Path(value.Scalar());
    } else if (const auto map = maps.find(name); map != maps.end()) {
      if (!value.IsMap()) return Wrong(value, absl::StrCat(name, ": expected names and values"));
      for (const auto& item : value) {
        if (!item.second.IsScalar()) {
          return Wrong(item.second,
                       absl::StrCat(name, ".", item.first.Scalar(), ": expected a text"));
        }
        const std::string& text = item.second.Scalar();
        (*map->second)[item.first.Scalar()] = name == "token_files" ? Path(text) : text;
      }
    } else if (name == "statez") {
      if (!value.IsSequence()) return Wrong(value, "statez: expected a list of host:port");
      for (const auto& item : value) {
        if (!item.IsScalar()) return Wrong(item, "statez: expected host:port");
        c_.statez.push_back(item.Scalar());
      }
    } else if (name == "insecure_local") {
      if (!value.IsScalar() || (value.Scalar() != "true" && value.Scalar() != "false")) {
        return Wrong(value, "insecure_local: expected true or false");
      }
      c_.insecure_local = value.Scalar() == "true";
    } else {
      return Wrong(key, absl::StrCat("unknown key ", name));
    }
    return absl::OkStatus();
  }

  const std::string file_;
  const std::filesystem::path folder_;
  Context& c_;
};

}  // namespace

absl::StatusOr<Context> ParseContext(absl::string_view file, absl::string_view yaml) {
  Context context;
  try {
    WISSEL_RETURN_IF_ERROR(ContextReader(file, context).Read(YAML::Load(std::string(yaml))));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(file, ":", e.mark.line + 1, ": ", e.msg));
  }
  return context;
}

absl::Status Session::Resolve() {
  std::string file = flags.context_file;
  TakeFirst(file, Environment("WISSEL_CONTEXT"));
  std::error_code ignored;
  if (file.empty() && std::filesystem::exists(kDevContext, ignored)) file = kDevContext;
  if (!file.empty()) {
    const auto read = [&]() -> absl::StatusOr<Context> {
      WISSEL_ASSIGN_OR_RETURN(const std::string yaml, ReadInput(file, 1 << 20));
      return ParseContext(file, yaml);
    };
    absl::StatusOr<Context> context = read();
    if (!context.ok() && !does_without_context) return context.status();
    if (context.ok()) context_ = *std::move(context);
  }
  TakeFirst(flags.server, Environment("WISSEL_SERVER"));
  // What a context says of one server does not hold for another.
  if (!flags.server.empty() && flags.server != context_.server) {
    context_.insecure_local = false;
    context_.ca.clear();
  }
  TakeFirst(flags.server, context_.server);
  TakeFirst(flags.workspace, Environment("WISSEL_WORKSPACE"));
  workspace_given_ = !flags.workspace.empty();
  TakeFirst(flags.workspace, context_.workspace);
  TakeFirst(flags.ca_file, context_.ca);
  TakeFirst(flags.kafka, Environment("WISSEL_KAFKA"));
  // Where the log is a file of connections may say, too.
  if (flags.log_file.empty() && flags.kafka.empty() && flags.connections_file.empty()) {
    flags.log_file = context_.log_file;
    flags.kafka = context_.kafka;
  }
  TakeFirst(flags.connections_file, context_.connections);
  flags.insecure_local |= context_.insecure_local;
  if (!flags.timeout.empty()) {
    WISSEL_ASSIGN_OR_RETURN(given_timeout_, ParseDuration("--timeout", flags.timeout, "10s"));
  }
  return absl::OkStatus();
}

Format Session::format() const {
  if (flags.output == "json") return Format::kJson;
  return flags.output == "yaml" ? Format::kYaml : Format::kTable;
}

absl::StatusOr<std::string> Session::Server(Service service) const {
  WISSEL_ASSIGN_OR_RETURN(std::string target, Target(service));
  if (flags.insecure_local && !IsLocal(target)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--insecure-local: ", target, " is not on this machine; use TLS"));
  }
  return target;
}

absl::StatusOr<std::string> Session::Target(Service service) const {
  const bool given = flags.server != context_.server;
  if (!given && service == Service::kAdmin && !context_.admin_server.empty()) {
    return context_.admin_server;
  }
  if (!given && service == Service::kHistory && !context_.history_server.empty()) {
    return context_.history_server;
  }
  if (!flags.server.empty()) return flags.server;
  return absl::InvalidArgumentError(
      "which server? Give --server HOST:PORT, WISSEL_SERVER, or --context FILE (wissel-dev writes "
      "one)");
}

absl::StatusOr<std::string> Session::Token(absl::string_view fallback) const {
  const auto from_file = [this](const std::string& file) -> absl::StatusOr<std::string> {
    WISSEL_ASSIGN_OR_RETURN(std::string token, ReadSecret(file));
    return Checked(file, std::move(token));
  };
  if (!flags.token_file.empty()) return from_file(flags.token_file);
  if (flags.as.empty()) {
    if (std::string token = Environment("WISSEL_TOKEN"); !token.empty()) {
      absl::StripTrailingAsciiWhitespace(&token);
      return Checked("WISSEL_TOKEN", std::move(token));
    }
  }
  const std::string who = flags.as.empty() ? std::string(fallback) : flags.as;
  const auto found = context_.token_files.find(who);
  if (found != context_.token_files.end()) return from_file(found->second);
  if (who.empty() && !context_.token_files.empty()) {
    const auto name = [](std::string* out, const auto& entry) { out->append(entry.first); };
    return absl::UnauthenticatedError(absl::StrCat(
        "whose token? Give --as NAME: ", absl::StrJoin(context_.token_files, ", ", name)));
  }
  return absl::UnauthenticatedError(
      absl::StrCat("no token", who.empty() ? "" : " for ", who,
                   ": give --token-file FILE, WISSEL_TOKEN, or --as one of the "
                   "context's token_files"));
}

// A token goes into a header of every call, where gRPC ends the process over, and prints, what no
// header may hold. RFC 7515, 3.1: three parts in base64url.
absl::StatusOr<std::string> Session::Checked(absl::string_view source, std::string token) const {
  const auto wrong = std::find_if(token.begin(), token.end(), [](char c) {
    return !absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.';
  });
  if (token.empty() || wrong != token.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        source, ": not a token: expected letters, digits, '-', '_' and '.' only, found something ",
        "else at byte ", wrong - token.begin() + 1));
  }
  if (!workspace_given_) return token;
  const std::string theirs = WorkspaceOf(token);
  if (!theirs.empty() && theirs != flags.workspace) {
    return absl::InvalidArgumentError(absl::StrCat("--workspace ", flags.workspace, ": ", source,
                                                   " is a token for the workspace ", theirs));
  }
  return token;
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view what, absl::string_view text,
                                             absl::string_view such_as) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration() &&
      duration < absl::InfiniteDuration()) {
    return duration;
  }
  return absl::InvalidArgumentError(absl::StrCat(what, ": expected a duration such as ", such_as,
                                                 ", found \"", OneLine(text, 40), "\""));
}

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes) {
  std::ifstream file;
  std::error_code ignored;
  if (path != "-") {
    if (std::filesystem::is_directory(path, ignored)) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": a folder, expected a file"));
    }
    file.open(path, std::ios::binary);
    if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened"));
  }
  std::istream& in = path == "-" ? std::cin : file;
  std::string bytes;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof(buffer)) || in.gcount() > 0) {
    bytes.append(buffer, static_cast<size_t>(in.gcount()));
    if (bytes.size() > max_bytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": more than ", max_bytes, " bytes"));
    }
  }
  return bytes;
}

absl::StatusOr<std::string> ReadInput(const std::string& path, size_t max_bytes) {
  absl::StatusOr<std::string> bytes = ReadFile(path, max_bytes);
  if (absl::IsNotFound(bytes.status())) {
    return absl::InvalidArgumentError(bytes.status().message());
  }
  return bytes;
}

absl::StatusOr<std::string> ReadSecret(const std::string& path) {
  WISSEL_ASSIGN_OR_RETURN(std::string secret, ReadInput(path, 64 << 10));
  absl::StripTrailingAsciiWhitespace(&secret);
  if (secret.empty()) return absl::InvalidArgumentError(absl::StrCat(path, ": empty"));
  return secret;
}

}  // namespace wissel::ctl
