#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/config/secret.h"

namespace wissel::config {

struct TextOptions {
  bool required = false;
};
struct IntOptions {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
  bool required = false;
};
struct RealOptions {
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
};
struct DurationOptions {
  absl::Duration min = absl::ZeroDuration();
  absl::Duration max = absl::Hours(24 * 366);
};
struct BytesOptions {
  int64_t min = 0;
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct ListOptions {
  size_t max_items = 1000;
  bool required = false;  // at least one
};

namespace internal {

// A setting with one value that can be written as one word.
struct Scalar {
  absl::string_view key;
  absl::string_view doc;
  std::string type;      // "duration"
  std::string expected;  // "a duration such as \"30s\", from 1s to 1h"
  bool required = false;
  // Whether `text` was taken; if not, the setting is as it was.
  std::function<bool(absl::string_view text)> set;
  // The value as YAML.
  std::function<std::string()> print;
};

struct Composite {
  absl::string_view key;
  absl::string_view doc;
  ListOptions options;
  bool optional = false;  // a group that may be absent
};

// One way to walk a description: loading, printing, listing.
class Visitor {
 public:
  virtual ~Visitor() = default;
  virtual void OnScalar(const Scalar& scalar) = 0;
  virtual void OnTextList(const Composite& list, std::vector<std::string>* value) = 0;
  virtual void OnSecret(const Composite& secret, Secret* value) = 0;
  virtual void OnRequire(bool holds, absl::string_view message) = 0;

  virtual void BeginGroup(const Composite& group) = 0;
  virtual void EndGroup() = 0;
  // Whether an optional group is there, given that it is now or not.
  virtual bool HasGroup(const Composite& group, bool now) = 0;

  // The number of items to walk; nothing to leave the list alone. In a map, the keys.
  virtual std::optional<size_t> BeginList(const Composite& list, size_t now) = 0;
  virtual std::optional<std::vector<std::string>> BeginMap(const Composite& map,
                                                           std::vector<std::string> now) = 0;
  virtual void BeginItem(size_t index) = 0;
  virtual void EndItem() = 0;
  virtual void EndList() = 0;

  // True if the walk must change nothing: items are then walked on a spare object.
  virtual bool describes() const = 0;
};

}  // namespace internal

// How a struct of settings names its members, once. Loading, --help, --print-config and the
// reference page all come from this description:
//
//   struct KafkaSettings {
//     std::string brokers;
//     absl::Duration linger = absl::Milliseconds(1);
//     void Describe(config::Binder& b) {
//       b.Text("brokers", &brokers, "Bootstrap servers, HOST:PORT with commas.", {.required =
//       true}); b.Duration("linger", &linger, "How long an append waits for company.",
//                  {.max = absl::Seconds(1)});
//     }
//   };
//
// Keys are snake_case; nested ones are joined with dots. The default is the member's initial value.
// `doc` is one sentence. Describe must be the same for every object: no branches on values. The
// object must stay where it is while it is described.
class Binder {
 public:
  explicit Binder(internal::Visitor& visitor) : visitor_(visitor) {}

  void Text(absl::string_view key, std::string* value, absl::string_view doc,
            TextOptions options = {});
  // Where to listen: "HOST:PORT", an IPv6 address in brackets.
  void HostPort(absl::string_view key, std::string* value, absl::string_view doc);
  // Path of a file that is there when the settings are loaded; empty for none.
  void File(absl::string_view key, std::string* value, absl::string_view doc);
  void Bool(absl::string_view key, bool* value, absl::string_view doc);
  void Real(absl::string_view key, double* value, absl::string_view doc, RealOptions options = {});
  void Duration(absl::string_view key, absl::Duration* value, absl::string_view doc,
                DurationOptions options = {});
  // A size in bytes: "512", "64KiB", "16MiB", "1GiB".
  void Bytes(absl::string_view key, int64_t* value, absl::string_view doc,
             BytesOptions options = {});
  void TextList(absl::string_view key, std::vector<std::string>* value, absl::string_view doc,
                ListOptions options = {});
  void SecretText(absl::string_view key, Secret* value, absl::string_view doc,
                  TextOptions options = {});

  template <std::integral T>
    requires(!std::same_as<T, bool>)
  void Int(absl::string_view key, T* value, absl::string_view doc, IntOptions options = {}) {
    if (std::in_range<int64_t>(std::numeric_limits<T>::max())) {
      options.max = std::min(options.max, static_cast<int64_t>(std::numeric_limits<T>::max()));
    }
    options.min = std::max(options.min, static_cast<int64_t>(std::numeric_limits<T>::min()));
    Integer(
        key, doc, options, [value](int64_t given) { *value = static_cast<T>(given); },
        [value] { return std::to_string(*value); });
  }

  // One of a closed set of words.
  template <class E>
  void Enum(absl::string_view key, E* value, absl::string_view doc,
            std::initializer_list<std::pair<absl::string_view, E>> choices) {
    std::vector<std::pair<std::string, E>> known(choices.begin(), choices.end());
    std::vector<std::string> names;
    for (const auto& [name, unused] : known) names.push_back(name);
    Choice(
        key, doc, std::move(names), [value, known](size_t i) { *value = known[i].second; },
        [value, known] {
          for (size_t i = 0; i < known.size(); ++i) {
            if (known[i].second == *value) return i;
          }
          return known.size();
        });
  }

  // Settings under a common key.
  template <class S>
  void Group(absl::string_view key, S* settings, absl::string_view doc) {
    visitor_.BeginGroup({.key = key, .doc = doc, .options = {}});
    settings->Describe(*this);
    visitor_.EndGroup();
  }

  // The same, absent unless something in it is given.
  template <class S>
  void OptionalGroup(absl::string_view key, std::optional<S>* settings, absl::string_view doc) {
    const internal::Composite group{.key = key, .doc = doc, .options = {}, .optional = true};
    if (visitor_.describes()) {
      S spare;
      visitor_.BeginGroup(group);
      spare.Describe(*this);
      visitor_.EndGroup();
    } else if (visitor_.HasGroup(group, settings->has_value())) {
      if (!settings->has_value()) settings->emplace();
      Group(key, &**settings, doc);
    } else {
      settings->reset();
    }
  }

  template <class S>
  void List(absl::string_view key, std::vector<S>* items, absl::string_view doc,
            ListOptions options = {}) {
    const auto size =
        visitor_.BeginList({.key = key, .doc = doc, .options = options}, items->size());
    if (!size.has_value()) return;
    std::vector<S> spare(visitor_.describes() ? *size : 0);
    std::vector<S>& walked = visitor_.describes() ? spare : *items;
    if (walked.size() != *size) walked = std::vector<S>(*size);
    for (size_t i = 0; i < walked.size(); ++i) {
      visitor_.BeginItem(i);
      walked[i].Describe(*this);
      visitor_.EndItem();
    }
    visitor_.EndList();
  }

  // Structs by name.
  template <class S>
  void Map(absl::string_view key, std::map<std::string, S>* items, absl::string_view doc,
           ListOptions options = {}) {
    std::vector<std::string> now;
    for (const auto& [name, unused] : *items) now.push_back(name);
    const auto names =
        visitor_.BeginMap({.key = key, .doc = doc, .options = options}, std::move(now));
    if (!names.has_value()) return;
    std::map<std::string, S> spare;
    std::map<std::string, S>& walked = visitor_.describes() ? spare : *items;
    std::erase_if(walked, [&](const auto& item) {
      return std::find(names->begin(), names->end(), item.first) == names->end();
    });
    for (size_t i = 0; i < names->size(); ++i) {
      visitor_.BeginItem(i);
      walked[(*names)[i]].Describe(*this);
      visitor_.EndItem();
    }
    visitor_.EndList();
  }

  // What must hold between the settings described so far: "min must not exceed max". Looked at
  // after they were loaded without error.
  void Require(bool holds, absl::string_view message) { visitor_.OnRequire(holds, message); }

 private:
  void Integer(absl::string_view key, absl::string_view doc, const IntOptions& options,
               std::function<void(int64_t)> set, std::function<std::string()> print);
  void Choice(absl::string_view key, absl::string_view doc, std::vector<std::string> names,
              std::function<void(size_t)> set, std::function<size_t()> get);

  internal::Visitor& visitor_;
};

}  // namespace wissel::config
