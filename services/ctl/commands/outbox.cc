#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "libs/base/json_string.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/http/client.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"

namespace wissel::ctl {
namespace {

std::string At(const boost::json::value& value, const char* pointer) {
  boost::system::error_code error;
  const auto* found = value.find_pointer(pointer, error);
  return found != nullptr && found->is_string() ? std::string(found->get_string().c_str()) : "";
}

void Emit(const boost::json::value& value, YAML::Emitter& out) {
  if (const auto* object = value.if_object()) {
    out << YAML::BeginMap;
    for (const auto& member : *object) {
      out << YAML::Key << std::string(member.key()) << YAML::Value;
      Emit(member.value(), out);
    }
    out << YAML::EndMap;
  } else if (const auto* array = value.if_array()) {
    out << YAML::BeginSeq;
    for (const boost::json::value& item : *array) Emit(item, out);
    out << YAML::EndSeq;
  } else if (value.is_string()) {
    out << YAML::DoubleQuoted << std::string(value.get_string());
  } else {
    out << boost::json::serialize(value);
  }
}

absl::Status List(Session& s) {
  const std::string& url = s.context().outbox;
  if (url.empty()) {
    return absl::InvalidArgumentError(
        "no outbox: only wissel-dev has one; give --context with the file it writes");
  }
  WISSEL_ASSIGN_OR_RETURN(const auto http, http::Client::Create({}));
  const http::FetchResult result = http->FetchAndWait(
      {.url = url},
      {.total_timeout = s.timeout(), .max_response_bytes = 64 << 20, .idempotent = true});
  WISSEL_RETURN_IF_ERROR(FromHttp(url, result));
  if (s.format() == Format::kJson) {
    s.out << EscapeSteering(result.body) << "\n";
    return absl::OkStatus();
  }
  boost::system::error_code error;
  const boost::json::value all = boost::json::parse(result.body, error);
  if (error || !all.is_array()) return absl::DataLossError(absl::StrCat(url, ": not an outbox"));
  if (s.format() == Format::kYaml) {
    YAML::Emitter yaml;
    Emit(all, yaml);
    s.out << EscapeSteering(yaml.c_str()) << "\n";
    return absl::OkStatus();
  }
  Table table({"TIME", "ACCOUNT", "TO", "CONVERSATION", "TEXT"});
  for (const auto& item : all.get_array()) {
    absl::Time time;
    std::string when = At(item, "/time");
    if (absl::ParseTime(absl::RFC3339_full, when, &time, nullptr)) when = FormatTime(ToProto(time));
    table.Add({when, At(item, "/message/account/account_id"),
               OneLine(At(item, "/message/recipient/address"), 40), At(item, "/conversation_id"),
               OneLine(At(item, "/message/contents/0/text/text"), 80)});
  }
  table.Print(s.out);
  return absl::OkStatus();
}

}  // namespace

void AddOutbox(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("outbox", "What wissel-dev would have sent to customers");
  command->require_subcommand(1);
  command->footer("\nExample:\n  wisselctl outbox list");
  command->add_subcommand("list", "Newest first")->callback([&s] {
    s.action = [&s] { return List(s); };
  });
}

}  // namespace wissel::ctl
