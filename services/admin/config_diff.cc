#include "services/admin/config_diff.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"

namespace wissel::admin {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string OneLine(const Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  printer.SetUseUtf8StringEscaping(true);
  std::string text;
  printer.PrintToString(message, &text);
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

// A single value, or element `index` of a repeated one.
std::string ValueText(const Message& message, const FieldDescriptor& field, int index) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    const Reflection& reflection = *message.GetReflection();
    const Message& value = index < 0 ? reflection.GetMessage(message, &field)
                                     : reflection.GetRepeatedMessage(message, &field, index);
    if (value.GetDescriptor()->full_name() == "google.protobuf.Duration") {
      google::protobuf::Duration duration;
      duration.CopyFrom(value);
      return absl::FormatDuration(FromProto(duration));
    }
    return OneLine(value);
  }
  std::string text;
  google::protobuf::TextFormat::Printer printer;
  printer.SetUseUtf8StringEscaping(true);
  printer.PrintFieldValueToString(message, &field, index, &text);
  return text;
}

// What tells an item from the others; empty where only its place does.
std::string IdOf(const Message& item) {
  const Reflection& reflection = *item.GetReflection();
  const Descriptor& type = *item.GetDescriptor();
  if (const FieldDescriptor* account = type.FindFieldByName("account")) {
    return IdOf(reflection.GetMessage(item, account));
  }
  for (const char* name :
       {"routing_group_id", "account_id", "queue_id", "agent_id", "skill_id", "kind"}) {
    // An agent's or queue's group is not its id: those come first in their messages.
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr || field->number() != (field->name() == "account_id" ? 2 : 1)) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      return reflection.GetEnum(item, field)->name();
    }
    return reflection.GetString(item, field);
  }
  return "";
}

class Differ {
 public:
  void Compare(const std::string& prefix, const Message& before, const Message& after) {
    const Descriptor& type = *before.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      const std::string path = absl::StrCat(prefix, prefix.empty() ? "" : ".", field.name());
      if (path == "version" || path == "applied_by" || path == "applied_time") continue;
      const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      if (field.is_repeated()) {
        is_message ? CompareItems(path, field, before, after)
                   : CompareLists(path, field, before, after);
      } else if (is_message && field.message_type()->full_name() != "google.protobuf.Duration") {
        Compare(path, before.GetReflection()->GetMessage(before, &field),
                after.GetReflection()->GetMessage(after, &field));
      } else {
        CompareValues(path, field, before, after);
      }
    }
  }

  std::vector<v1::Difference> Take() { return std::move(differences_); }

 private:
  void Add(v1::Difference::Kind kind, const std::string& path, std::string before,
           std::string after) {
    v1::Difference& difference = differences_.emplace_back();
    difference.set_kind(kind);
    difference.set_path(path);
    difference.set_before(std::move(before));
    difference.set_after(std::move(after));
  }

  void CompareValues(const std::string& path, const FieldDescriptor& field, const Message& before,
                     const Message& after) {
    const auto text = [&](const Message& message) {
      const bool absent =
          field.has_presence() && !message.GetReflection()->HasField(message, &field);
      return absent ? std::string() : ValueText(message, field, -1);
    };
    std::string a = text(before);
    std::string b = text(after);
    if (a != b) Add(v1::Difference::KIND_CHANGED, path, std::move(a), std::move(b));
  }

  // Lists of plain values are values.
  void CompareLists(const std::string& path, const FieldDescriptor& field, const Message& before,
                    const Message& after) {
    const auto text = [&](const Message& message) {
      std::vector<std::string> values;
      for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
        values.push_back(ValueText(message, field, i));
      }
      return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
    };
    std::string a = text(before);
    std::string b = text(after);
    if (a != b) Add(v1::Difference::KIND_CHANGED, path, std::move(a), std::move(b));
  }

  struct Items {
    std::vector<std::string> order;
    std::map<std::string, const Message*> by_id;
  };
  static Items ItemsOf(const FieldDescriptor& field, const Message& message) {
    Items items;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      const Message& item = message.GetReflection()->GetRepeatedMessage(message, &field, i);
      std::string id = IdOf(item);
      if (id.empty()) id = absl::StrCat(i);
      items.order.push_back(id);
      items.by_id[id] = &item;
    }
    return items;
  }

  void CompareItems(const std::string& path, const FieldDescriptor& field, const Message& before,
                    const Message& after) {
    const Items a = ItemsOf(field, before);
    const Items b = ItemsOf(field, after);
    std::vector<std::string> kept_before;
    for (const std::string& id : a.order) {
      const std::string place = absl::StrCat(path, "[", id, "]");
      if (const auto found = b.by_id.find(id); found != b.by_id.end()) {
        kept_before.push_back(id);
        Compare(place, *a.by_id.at(id), *found->second);
      } else {
        Add(v1::Difference::KIND_REMOVED, place, OneLine(*a.by_id.at(id)), "");
      }
    }
    std::vector<std::string> kept_after;
    for (const std::string& id : b.order) {
      if (a.by_id.count(id) > 0) {
        kept_after.push_back(id);
      } else {
        Add(v1::Difference::KIND_ADDED, absl::StrCat(path, "[", id, "]"), "",
            OneLine(*b.by_id.at(id)));
      }
    }
    if (path == "queues" && kept_before != kept_after) {
      Add(v1::Difference::KIND_CHANGED, "queues (order)", absl::StrJoin(kept_before, ", "),
          absl::StrJoin(kept_after, ", "));
    }
  }

  std::vector<v1::Difference> differences_;
};

}  // namespace

std::vector<v1::Difference> Diff(const config::v1::WorkspaceConfig& before,
                                 const config::v1::WorkspaceConfig& after) {
  Differ differ;
  differ.Compare("", before, after);
  return differ.Take();
}

}  // namespace wissel::admin
