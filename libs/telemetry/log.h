#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "libs/base/strong_id.h"

namespace wissel::telemetry {

enum class Severity { kDebug, kInfo, kWarning, kError };

// Stands in a log line for something that must not be there (a message body, an address, a token):
// the line shows its size and nothing else.
class Redacted {
 public:
  explicit Redacted(absl::string_view secret) : size_(secret.size()) {}
  size_t size() const { return size_; }

 private:
  size_t size_;
};

// One "key=value" of a log line. Refers to the strings it is made of: for the call it is an
// argument of only. Keys are snake_case literals.
class Field {
 public:
  using Value = std::variant<absl::string_view, std::string, int64_t, uint64_t, double, bool,
                             absl::Duration, absl::Time>;

  Field(absl::string_view key, absl::string_view value) : key_(key), value_(value) {}
  Field(absl::string_view key, const char* value) : key_(key), value_(absl::string_view(value)) {}
  Field(absl::string_view key, const std::string& value)
      : key_(key), value_(absl::string_view(value)) {}
  Field(absl::string_view key, bool value) : key_(key), value_(value) {}
  Field(absl::string_view key, double value) : key_(key), value_(value) {}
  Field(absl::string_view key, absl::Duration value) : key_(key), value_(value) {}
  Field(absl::string_view key, absl::Time value) : key_(key), value_(value) {}
  Field(absl::string_view key, const absl::Status& value) : key_(key), value_(value.ToString()) {}
  Field(absl::string_view key, Redacted value);
  template <std::signed_integral T>
  Field(absl::string_view key, T value) : key_(key), value_(int64_t{value}) {}
  template <std::unsigned_integral T>
  Field(absl::string_view key, T value) : key_(key), value_(uint64_t{value}) {}
  template <class Tag>
  Field(absl::string_view key, const StrongId<Tag>& value) : Field(key, value.value()) {}

  absl::string_view key() const { return key_; }
  const Value& value() const { return value_; }

 private:
  absl::string_view key_;
  Value value_;
};

enum class LogFormat { kText, kJson };

struct LogOptions {
  LogFormat format = LogFormat::kText;
  Severity min_severity = Severity::kInfo;
  // Not owned. The system's clock when null.
  const Clock* clock = nullptr;
  // Receives each line, its newline included; called by one thread at a time. Standard error when
  // empty.
  std::function<void(absl::string_view line)> write;
};

// Writes structured lines. A value: copies write to the same place. Thread-safe. Lines of one
// thread keep their order, a line is never mixed with another, and a write that fails is lost:
// logging never makes its caller fail. A default-constructed Logger writes nothing.
//
//   log.Info("partition claimed", {{"partition", 3}, {"epoch", epoch}});
//
// A message is a fixed text; what varies goes into fields. Never put a message body, an address or
// a secret in either: see Redacted. Values longer than kMaxValueBytes are cut, control characters
// are escaped and invalid UTF-8 is replaced, so that input cannot forge a line.
class Logger {
 public:
  static constexpr size_t kMaxValueBytes = 1024;

  Logger() = default;
  explicit Logger(const LogOptions& options);

  // A logger that adds `fields` to each line, after those of this one.
  Logger With(std::initializer_list<Field> fields) const;

  bool Enabled(Severity severity) const;

  void Debug(absl::string_view message, std::initializer_list<Field> fields = {}) const {
    Write(Severity::kDebug, message, fields);
  }
  void Info(absl::string_view message, std::initializer_list<Field> fields = {}) const {
    Write(Severity::kInfo, message, fields);
  }
  void Warning(absl::string_view message, std::initializer_list<Field> fields = {}) const {
    Write(Severity::kWarning, message, fields);
  }
  void Error(absl::string_view message, std::initializer_list<Field> fields = {}) const {
    Write(Severity::kError, message, fields);
  }
  void Write(Severity severity, absl::string_view message,
             std::initializer_list<Field> fields = {}) const;

 private:
  class Sink;

  std::shared_ptr<Sink> sink_;
  std::string bound_;  // the fields of With, rendered in the sink's format
};

// Lets one line through per interval and counts the others. Thread-safe.
//
//   if (auto skipped = limit.Take(clock.Now())) log.Warning("...", {{"skipped", *skipped}});
class LogRateLimit {
 public:
  explicit LogRateLimit(absl::Duration interval) : interval_(interval) {}

  // Nothing if a line went through less than the interval ago; else the number that were held back
  // since.
  std::optional<int64_t> Take(absl::Time now);

 private:
  const absl::Duration interval_;
  Mutex mutex_;
  absl::Time next_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int64_t skipped_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace wissel::telemetry
