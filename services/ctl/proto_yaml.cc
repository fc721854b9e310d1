#include "services/ctl/proto_yaml.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "libs/base/base64.h"
#include "libs/base/json_string.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "libs/config/yaml.h"

namespace wissel::ctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::TimeUtil;
using Node = config::YamlNode;

// A google.protobuf.Duration holds this many seconds either way.
constexpr size_t kMaxErrors = 20;
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;

bool IsDuration(const Descriptor& type) { return type.full_name() == "google.protobuf.Duration"; }
bool IsTimestamp(const Descriptor& type) { return type.full_name() == "google.protobuf.Timestamp"; }

absl::StatusOr<absl::Duration> ParseDurationText(absl::string_view text) {
  absl::string_view days = text;
  int64_t n = 0;
  absl::Duration d;
  bool parsed = true;
  if (absl::ConsumeSuffix(&days, "d") && absl::SimpleAtoi(days, &n) && n >= 0) {
    d = n * absl::Hours(24);
  } else {
    parsed = absl::ParseDuration(text, &d);
  }
  if (!parsed || absl::AbsDuration(d) > absl::Seconds(kMaxDurationSeconds)) {
    return absl::InvalidArgumentError("a duration such as 30s, 1h30m or 7d");
  }
  return d;
}

class Loader {
 public:
  explicit Loader(absl::string_view file) : file_(file) {}

  void Load(const Node& node, const std::string& path, Message& message) {
    if (node.kind != Node::Kind::kMap) return Fail(node, path, "keys and values");
    const Descriptor& type = *message.GetDescriptor();
    std::set<std::string> keys;
    for (size_t i = 0; i < node.keys.size(); ++i) {
      const Node::Key& key = node.keys[i];
      const Node& value = node.items[i];
      const std::string name = config::Printable(key.name);
      const std::string at = path.empty() ? name : absl::StrCat(path, ".", name);
      const FieldDescriptor* field = type.FindFieldByName(key.name);
      if (field == nullptr) {
        Fail(key, at, absl::StrCat("one of ", FieldNames(type)));
      } else if (!keys.insert(key.name).second) {
        Fail(key, at, "this key once");
      } else if (value.kind == Node::Kind::kNull) {
        Fail(value, at, "a value, or the key left out");
      } else if (const auto* one = field->real_containing_oneof();
                 one != nullptr && message.GetReflection()->HasOneof(message, one)) {
        Fail(key, at, "one kind only");
      } else if (field->is_repeated()) {
        LoadList(value, at, *field, message);
      } else {
        LoadValue(value, at, *field, message);
      }
    }
  }

  absl::Status status() const {
    if (errors_.empty()) return absl::OkStatus();
    std::string text = absl::StrJoin(errors_, "\n");
    if (more_ > 0) absl::StrAppend(&text, "\n", file_, ": and ", more_, " more");
    return absl::InvalidArgumentError(text);
  }

 private:
  static std::string FieldNames(const Descriptor& type) {
    std::vector<absl::string_view> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    return absl::StrJoin(names, ", ");
  }

  void Fail(int line, absl::string_view path, absl::string_view expected, absl::string_view found) {
    if (errors_.size() == kMaxErrors) {
      ++more_;
      return;
    }
    errors_.push_back(absl::StrCat(file_, ":", line, ": ", path, path.empty() ? "" : ": ",
                                   "expected ", expected, found));
  }
  void Fail(const Node& node, absl::string_view path, absl::string_view expected) {
    Fail(node.line, path, expected, node.kind == Node::Kind::kScalar ? Found(node.scalar) : "");
  }
  void Fail(const Node::Key& key, absl::string_view path, absl::string_view expected) {
    Fail(key.line, path, expected, Found(key.name));
  }
  static std::string Found(absl::string_view text) {
    return absl::StrCat(", found \"", config::Printable(text), "\"");
  }

  void LoadList(const Node& node, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (node.kind != Node::Kind::kSequence) return Fail(node, path, "a list");
    for (size_t i = 0; i < node.items.size(); ++i) {
      LoadValue(node.items[i], absl::StrCat(path, "[", i, "]"), field, message);
    }
  }

  void LoadMessage(const Node& node, const std::string& path, const FieldDescriptor& field,
                   Message& message) {
    const Reflection& r = *message.GetReflection();
    Message& child =
        field.is_repeated() ? *r.AddMessage(&message, &field) : *r.MutableMessage(&message, &field);
    if (IsDuration(*field.message_type())) {
      const auto value = ParseDurationText(node.scalar);
      if (!value.ok()) return Fail(node, path, value.status().message());
      absl::Duration rest;
      auto& duration = static_cast<google::protobuf::Duration&>(child);
      duration.set_seconds(absl::IDivDuration(*value, absl::Seconds(1), &rest));
      duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
      return;
    }
    if (IsTimestamp(*field.message_type())) {
      auto& time = static_cast<google::protobuf::Timestamp&>(child);
      if (!TimeUtil::FromString(node.scalar, &time)) {
        return Fail(node, path, "a time such as 2026-03-01T08:00:00Z");
      }
      return;
    }
    Load(node, path, child);
  }

  void LoadValue(const Node& node, const std::string& path, const FieldDescriptor& field,
                 Message& message) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return LoadMessage(node, path, field, message);
    }
    if (node.kind != Node::Kind::kScalar) return Fail(node, path, "one value");
    const std::string& text = node.scalar;
    const bool quoted = node.quoted;
    const Reflection& r = *message.GetReflection();
    const auto put = [&](auto set, auto add, auto value) {
      field.is_repeated() ? (r.*add)(&message, &field, value) : (r.*set)(&message, &field, value);
    };
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING: {
        std::string value = text;
        if (field.type() == FieldDescriptor::TYPE_BYTES) {
          auto bytes = Base64Decode(text);
          if (!bytes.ok()) return Fail(node, path, "base64");
          value = *std::move(bytes);
        }
        return put(&Reflection::SetString, &Reflection::AddString, std::move(value));
      }
      case FieldDescriptor::CPPTYPE_INT32: {
        int32_t value = 0;
        if (quoted || !absl::SimpleAtoi(text, &value)) return Fail(node, path, "a whole number");
        return put(&Reflection::SetInt32, &Reflection::AddInt32, value);
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        int64_t value = 0;
        if (quoted || !absl::SimpleAtoi(text, &value)) return Fail(node, path, "a whole number");
        return put(&Reflection::SetInt64, &Reflection::AddInt64, value);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        uint32_t value = 0;
        if (quoted || !absl::SimpleAtoi(text, &value)) return Fail(node, path, "a whole number");
        return put(&Reflection::SetUInt32, &Reflection::AddUInt32, value);
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        uint64_t value = 0;
        if (quoted || !absl::SimpleAtoi(text, &value)) return Fail(node, path, "a whole number");
        return put(&Reflection::SetUInt64, &Reflection::AddUInt64, value);
      }
      case FieldDescriptor::CPPTYPE_DOUBLE: {
        double value = 0;
        if (quoted || !absl::SimpleAtod(text, &value)) return Fail(node, path, "a number");
        return put(&Reflection::SetDouble, &Reflection::AddDouble, value);
      }
      case FieldDescriptor::CPPTYPE_FLOAT: {
        float value = 0;
        if (quoted || !absl::SimpleAtof(text, &value)) return Fail(node, path, "a number");
        return put(&Reflection::SetFloat, &Reflection::AddFloat, value);
      }
      case FieldDescriptor::CPPTYPE_BOOL: {
        if (quoted || (text != "true" && text != "false")) return Fail(node, path, "true or false");
        return put(&Reflection::SetBool, &Reflection::AddBool, text == "true");
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const EnumDescriptor& type = *field.enum_type();
        std::vector<std::string> names;
        for (int i = 0; i < type.value_count(); ++i) {
          const std::string name = ShortEnumName(*type.value(i));
          if (name == "unspecified") continue;
          if (name == text) {
            return put(&Reflection::SetEnumValue, &Reflection::AddEnumValue,
                       type.value(i)->number());
          }
          names.push_back(name);
        }
        return Fail(node, path, absl::StrCat("one of ", absl::StrJoin(names, ", ")));
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return;
    }
  }

  const std::string file_;
  std::vector<std::string> errors_;
  size_t more_ = 0;  // errors beyond kMaxErrors
};

void EmitMessage(const Message& message, YAML::Emitter& out);

// `index` -1: the field is not a list.
void EmitValue(const Message& message, const FieldDescriptor& field, int index,
               YAML::Emitter& out) {
  const Reflection& r = *message.GetReflection();
  const bool list = index >= 0;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text =
          list ? r.GetRepeatedString(message, &field, index) : r.GetString(message, &field);
      if (field.type() == FieldDescriptor::TYPE_BYTES) text = Base64Encode(text);
      if (!IsPlainYaml(text)) out << YAML::DoubleQuoted;
      out << text;
      return;
    }
    case FieldDescriptor::CPPTYPE_INT32:
      out << (list ? r.GetRepeatedInt32(message, &field, index) : r.GetInt32(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_INT64:
      out << (list ? r.GetRepeatedInt64(message, &field, index) : r.GetInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_UINT32:
      out << (list ? r.GetRepeatedUInt32(message, &field, index) : r.GetUInt32(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_UINT64:
      out << (list ? r.GetRepeatedUInt64(message, &field, index) : r.GetUInt64(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      out << (list ? r.GetRepeatedDouble(message, &field, index) : r.GetDouble(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_FLOAT:
      out << (list ? r.GetRepeatedFloat(message, &field, index) : r.GetFloat(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_BOOL:
      out << (list ? r.GetRepeatedBool(message, &field, index) : r.GetBool(message, &field));
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      out << ShortEnumName(
          *(list ? r.GetRepeatedEnum(message, &field, index) : r.GetEnum(message, &field)));
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& child =
          list ? r.GetRepeatedMessage(message, &field, index) : r.GetMessage(message, &field);
      if (IsDuration(*child.GetDescriptor())) {
        out << DurationText(FromProto(static_cast<const google::protobuf::Duration&>(child)));
      } else if (IsTimestamp(*child.GetDescriptor())) {
        out << TimeUtil::ToString(static_cast<const google::protobuf::Timestamp&>(child));
      } else {
        EmitMessage(child, out);
      }
      return;
    }
  }
}

void EmitMessage(const Message& message, YAML::Emitter& out) {
  const Reflection& r = *message.GetReflection();
  const Descriptor& type = *message.GetDescriptor();
  out << YAML::BeginMap;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated()) {
      const int size = r.FieldSize(message, &field);
      if (size == 0) continue;
      out << YAML::Key << field.name() << YAML::Value;
      if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) out << YAML::Flow;
      out << YAML::BeginSeq;
      for (int k = 0; k < size; ++k) EmitValue(message, field, k, out);
      out << YAML::EndSeq;
    } else if (r.HasField(message, &field)) {
      out << YAML::Key << field.name() << YAML::Value;
      EmitValue(message, field, -1, out);
    }
  }
  out << YAML::EndMap;
}

}  // namespace

absl::Status YamlToProto(absl::string_view file, absl::string_view yaml, Message& message) {
  const absl::StatusOr<Node> root = config::ParseYaml(yaml, kMaxYamlBytes);
  if (!root.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":", absl::StripPrefix(root.status().message(), "line ")));
  }
  if (root->kind == Node::Kind::kNull) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":1: expected keys and values, found nothing"));
  }
  Loader loader(file);
  loader.Load(*root, "", message);
  return loader.status();
}

bool IsPlainYaml(absl::string_view text) {
  static constexpr absl::string_view kWords[] = {"",    "~",  "=",  "<<",  "true", "false", "null",
                                                 "yes", "no", "on", "off", "y",    "n"};
  if (absl::c_linear_search(kWords, absl::AsciiStrToLower(text))) return false;
  if (!text.empty() && (absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
                        absl::StrContains("+-.", text[0]))) {
    return false;
  }
  for (; !text.empty(); text.remove_prefix(std::max<size_t>(Utf8Length(text), 1))) {
    if (IsSteering(DecodeUtf8(text))) return false;
  }
  return true;
}

std::string ProtoToYaml(const Message& message) {
  YAML::Emitter out;
  out.SetIndent(2);
  EmitMessage(message, out);
  return absl::StrCat(EscapeSteering(out.c_str()), "\n");
}

}  // namespace wissel::ctl
