#include "services/ctl/output.h"

#include <google/protobuf/util/json_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "libs/base/json_string.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

bool StartsCodePoint(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

size_t Width(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), StartsCodePoint));
}

std::string Json(const google::protobuf::Message& message, bool indent) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = indent;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  // Only an invalid Timestamp or Duration cannot be printed.
  if (!status.ok()) return "{}";
  return EscapeSteering(text);
}

// `json` of `message`, as Json indents it, with the lists that are empty: what a script asks for is
// there.
std::string WithEmptyLists(const google::protobuf::Message& message, absl::string_view json) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  std::vector<std::string> lists;
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *type.field(i);
    if (field.is_repeated() && message.GetReflection()->FieldSize(message, &field) == 0) {
      lists.push_back(absl::StrCat("\n \"", field.name(), "\": []"));
    }
  }
  if (lists.empty() || !absl::ConsumePrefix(&json, "{")) return std::string(json);
  const bool nothing_else = absl::StartsWith(json, "}");
  return absl::StrCat("{", absl::StrJoin(lists, ","), nothing_else ? "\n" : ",", json);
}

void Emit(boost::json::string_view text, YAML::Emitter& out) {
  if (!IsPlainYaml({text.data(), text.size()})) out << YAML::DoubleQuoted;
  out << std::string(text);
}

void Emit(const boost::json::value& value, YAML::Emitter& out) {
  switch (value.kind()) {
    case boost::json::kind::null:
      out << YAML::Null;
      return;
    case boost::json::kind::bool_:
      out << value.get_bool();
      return;
    case boost::json::kind::int64:
      out << value.get_int64();
      return;
    case boost::json::kind::uint64:
      out << value.get_uint64();
      return;
    case boost::json::kind::double_:
      out << value.get_double();
      return;
    case boost::json::kind::string:
      return Emit(value.get_string().subview(), out);
    case boost::json::kind::array:
      out << YAML::BeginSeq;
      for (const boost::json::value& item : value.get_array()) Emit(item, out);
      out << YAML::EndSeq;
      return;
    case boost::json::kind::object:
      out << YAML::BeginMap;
      for (const auto& [key, item] : value.get_object()) {
        out << YAML::Key;
        Emit(key, out);
        out << YAML::Value;
        Emit(item, out);
      }
      out << YAML::EndMap;
      return;
  }
}

}  // namespace

void Table::Print(std::ostream& out) const {
  std::vector<std::vector<std::string>> rows;
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    auto& cells = rows.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      cells.push_back(OneLine(row[i], 4096));
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], Width(cells.back()));
    }
  }
  for (const auto& cells : rows) {
    for (size_t i = 0; i < cells.size(); ++i) {
      out << cells[i];
      if (i + 1 < cells.size()) out << std::string(widths[i] - Width(cells[i]) + 2, ' ');
    }
    out << "\n";
  }
}

std::string ToJsonLine(const google::protobuf::Message& message) { return Json(message, false); }

void PrintJson(const boost::json::value& value, Format format, std::ostream& out) {
  std::string text;
  if (format == Format::kYaml) {
    YAML::Emitter emitter;
    emitter.SetIndent(2);
    Emit(value, emitter);
    text = emitter.c_str();
  } else {
    text = boost::json::serialize(value);
  }
  out << EscapeSteering(text) << "\n";
}

void PrintMessage(const google::protobuf::Message& message, Format format, std::ostream& out) {
  out << (format == Format::kYaml ? ProtoToYaml(message)
                                  : WithEmptyLists(message, Json(message, true)));
}

std::string OneLine(absl::string_view text, size_t max) {
  std::string line;
  for (size_t points = 0; !text.empty(); ++points) {
    if (points == max) return line + "…";
    const size_t length = Utf8Length(text);
    if (length == 0) {
      line += "\xef\xbf\xbd";
    } else if (IsSteering(DecodeUtf8(text))) {
      line += ' ';
    } else {
      absl::StrAppend(&line, text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return line;
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S", FromProto(time), absl::UTCTimeZone());
}

std::string Units(int64_t units) { return absl::StrCat(units, units == 1 ? " unit" : " units"); }

std::string ShortId(absl::string_view id) { return std::string(id.substr(0, 8)); }

}  // namespace wissel::ctl
