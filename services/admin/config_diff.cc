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
#include "libs/base/json_string.h"
#include "libs/base/proto_time.h"
#include "libs/base/proto_words.h"

namespace wissel::admin {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

std::string ItemText(const Message& item);

// A single value, or element `index` of a repeated one, as the workspace's file has it.
std::string ValueText(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  std::string text;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      const Message& value = index < 0 ? reflection.GetMessage(message, &field)
                                       : reflection.GetRepeatedMessage(message, &field, index);
      if (!IsDuration(field)) return ItemText(value);
      google::protobuf::Duration duration;
      duration.CopyFrom(value);
      return DurationText(FromProto(duration));
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return ShortEnumName(*(index < 0 ? reflection.GetEnum(message, &field)
                                       : reflection.GetRepeatedEnum(message, &field, index)));
    case FieldDescriptor::CPPTYPE_STRING:
      AppendJsonString(index < 0 ? reflection.GetString(message, &field)
                                 : reflection.GetRepeatedString(message, &field, index),
                       &text);
      return text;
    default:
      google::protobuf::TextFormat::Printer().PrintFieldValueToString(message, &field, index,
                                                                      &text);
      return text;
  }
}

std::string ListText(const Message& message, const FieldDescriptor& field) {
  std::vector<std::string> values;
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    values.push_back(ValueText(message, field, i));
  }
  return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
}

// What is set of it.
std::string ItemText(const Message& item) {
  std::vector<const FieldDescriptor*> fields;
  item.GetReflection()->ListFields(item, &fields);
  return absl::StrCat("{",
                      absl::StrJoin(fields, ", ",
                                    [&](std::string* out, const FieldDescriptor* field) {
                                      absl::StrAppend(out, field->name(), ": ",
                                                      field->is_repeated()
                                                          ? ListText(item, *field)
                                                          : ValueText(item, *field, -1));
                                    }),
                      "}");
}

// What tells an item from the others; empty where only its place does.
std::string IdOf(const Message& item) {
  const Reflection& reflection = *item.GetReflection();
  const Descriptor& type = *item.GetDescriptor();
  if (const FieldDescriptor* account = type.FindFieldByName("account")) {
    return IdOf(reflection.GetMessage(item, account));
  }
  for (const char* name : {"routing_group_id", "account_id", "queue_id", "agent_id", "skill_id",
                           "kind", "calendar_id", "sla_policy_id", "tier"}) {
    // An agent's or queue's group is not its id: those come first in their messages.
    const FieldDescriptor* field = type.FindFieldByName(name);
    if (field == nullptr || field->number() != (field->name() == "account_id" ? 2 : 1)) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      return ShortEnumName(*reflection.GetEnum(item, field));
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
      } else if (is_message && !IsDuration(field)) {
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
    std::string a = ListText(before, field);
    std::string b = ListText(after, field);
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
        Add(v1::Difference::KIND_REMOVED, place, ItemText(*a.by_id.at(id)), "");
      }
    }
    std::vector<std::string> kept_after;
    for (const std::string& id : b.order) {
      if (a.by_id.count(id) > 0) {
        kept_after.push_back(id);
      } else {
        Add(v1::Difference::KIND_ADDED, absl::StrCat(path, "[", id, "]"), "",
            ItemText(*b.by_id.at(id)));
      }
    }
    // Of these the first that fits is taken.
    const bool ordered = path == "queues" || path == "sla_policies";
    if (ordered && kept_before != kept_after) {
      Add(v1::Difference::KIND_CHANGED, absl::StrCat(path, " (order)"),
          absl::StrJoin(kept_before, ", "), absl::StrJoin(kept_after, ", "));
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
