#include "services/ctl/proto_yaml.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "libs/base/base64.h"

namespace wissel::ctl {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::util::TimeUtil;

constexpr size_t kMaxFileBytes = 4 << 20;
constexpr int kMaxDepth = 64;

// A google.protobuf.Duration holds this many seconds either way.
constexpr int64_t kMaxDurationSeconds = 315'576'000'000;

// What all values of an enum begin with, "STRATEGY_": by convention that of its zero value.
absl::string_view PrefixOf(const EnumDescriptor& type) {
  absl::string_view zero = type.value(0)->name();
  return absl::ConsumeSuffix(&zero, "UNSPECIFIED") ? zero : absl::string_view();
}

bool IsDuration(const Descriptor& type) { return type.full_name() == "google.protobuf.Duration"; }
bool IsTimestamp(const Descriptor& type) { return type.full_name() == "google.protobuf.Timestamp"; }

absl::StatusOr<absl::Duration> ParseDurationText(absl::string_view text) {
  absl::string_view days = text;
  int64_t n = 0;
  if (absl::ConsumeSuffix(&days, "d") && absl::SimpleAtoi(days, &n) && n >= 0 && n < 3'650'000) {
    return n * absl::Hours(24);
  }
  absl::Duration d;
  if (!absl::ParseDuration(text, &d) || absl::AbsDuration(d) > absl::Seconds(kMaxDurationSeconds)) {
    return absl::InvalidArgumentError("a duration such as 30s, 1h30m or 7d");
  }
  return d;
}

class Loader {
 public:
  explicit Loader(absl::string_view file) : file_(file) {}

  void Load(const YAML::Node& node, const std::string& path, Message& message, int depth) {
    if (depth > kMaxDepth) return Fail(node, path, "less nesting");
    if (!node.IsMap()) return Fail(node, path, "keys and values");
    const Descriptor& type = *message.GetDescriptor();
    std::set<std::string> keys;
    for (const auto& entry : node) {
      const std::string& key = entry.first.Scalar();
      const std::string at = path.empty() ? key : absl::StrCat(path, ".", key);
      const FieldDescriptor* field = type.FindFieldByName(key);
      if (field == nullptr) {
        Fail(entry.first, at, absl::StrCat("one of ", FieldNames(type)));
      } else if (!keys.insert(key).second) {
        Fail(entry.first, at, "this key once");
      } else if (entry.second.IsNull()) {
        Fail(entry.second, at, "a value, or the key left out");
      } else if (const auto* one = field->real_containing_oneof();
                 one != nullptr && message.GetReflection()->HasOneof(message, one)) {
        Fail(entry.first, at, "one kind only");
      } else if (field->is_repeated()) {
        LoadList(entry.second, at, *field, message, depth);
      } else {
        LoadValue(entry.second, at, *field, message, depth);
      }
    }
  }

  void FailAt(int line, absl::string_view what) {
    errors_.push_back(absl::StrCat(file_, ":", line, ": ", what));
  }

  absl::Status status() const {
    if (errors_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
  }

 private:
  static std::string FieldNames(const Descriptor& type) {
    std::vector<absl::string_view> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    return absl::StrJoin(names, ", ");
  }

  void Fail(const YAML::Node& node, absl::string_view path, absl::string_view expected) {
    const std::string found =
        node.IsScalar() ? absl::StrCat(", found \"", node.Scalar(), "\"") : "";
    FailAt(node.Mark().line + 1,
           absl::StrCat(path, path.empty() ? "" : ": ", "expected ", expected, found));
  }

  void LoadList(const YAML::Node& node, const std::string& path, const FieldDescriptor& field,
                Message& message, int depth) {
    if (!node.IsSequence()) return Fail(node, path, "a list");
    for (size_t i = 0; i < node.size(); ++i) {
      LoadValue(node[i], absl::StrCat(path, "[", i, "]"), field, message, depth);
    }
  }

  void LoadMessage(const YAML::Node& node, const std::string& path, const FieldDescriptor& field,
                   Message& message, int depth) {
    const Reflection& r = *message.GetReflection();
    Message& child =
        field.is_repeated() ? *r.AddMessage(&message, &field) : *r.MutableMessage(&message, &field);
    if (IsDuration(*field.message_type())) {
      const auto value = ParseDurationText(node.IsScalar() ? node.Scalar() : "");
      if (!value.ok()) return Fail(node, path, value.status().message());
      absl::Duration rest;
      auto& duration = static_cast<google::protobuf::Duration&>(child);
      duration.set_seconds(absl::IDivDuration(*value, absl::Seconds(1), &rest));
      duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
      return;
    }
    if (IsTimestamp(*field.message_type())) {
      auto& time = static_cast<google::protobuf::Timestamp&>(child);
      if (!node.IsScalar() || !TimeUtil::FromString(node.Scalar(), &time)) {
        return Fail(node, path, "a time such as 2026-03-01T08:00:00Z");
      }
      return;
    }
    Load(node, path, child, depth + 1);
  }

  void LoadValue(const YAML::Node& node, const std::string& path, const FieldDescriptor& field,
                 Message& message, int depth) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      return LoadMessage(node, path, field, message, depth);
    }
    if (!node.IsScalar()) return Fail(node, path, "one value");
    const std::string& text = node.Scalar();
    // yaml-cpp tags what stands in quotes "!".
    const bool quoted = node.Tag() == "!";
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
};

std::string DurationText(const google::protobuf::Duration& d) {
  const absl::Duration value = absl::Seconds(d.seconds()) + absl::Nanoseconds(d.nanos());
  if (value > absl::Hours(24) && value % absl::Hours(24) == absl::ZeroDuration()) {
    return absl::StrCat(value / absl::Hours(24), "d");
  }
  return absl::FormatDuration(value);
}

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
      // What a reader could take for a number, a truth value or nothing is quoted.
      double number = 0;
      const bool plain = !text.empty() && !absl::SimpleAtod(text, &number) && text != "true" &&
                         text != "false" && text != "null" && text != "~";
      if (!plain) out << YAML::DoubleQuoted;
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
        out << DurationText(static_cast<const google::protobuf::Duration&>(child));
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

std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), PrefixOf(*value.type())));
}

absl::Status YamlToProto(absl::string_view file, absl::string_view yaml, Message& message) {
  Loader loader(file);
  if (yaml.size() > kMaxFileBytes) {
    loader.FailAt(1, absl::StrCat("expected at most ", kMaxFileBytes, " bytes"));
    return loader.status();
  }
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (root.IsDefined() && !root.IsNull()) {
      loader.Load(root, "", message, 0);
    } else {
      loader.FailAt(1, "expected keys and values, found nothing");
    }
  } catch (const YAML::Exception& e) {
    loader.FailAt(e.mark.line + 1, e.msg);
  }
  return loader.status();
}

std::string ProtoToYaml(const Message& message) {
  YAML::Emitter out;
  out.SetIndent(2);
  EmitMessage(message, out);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace wissel::ctl
