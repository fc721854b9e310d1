#include "libs/telemetry/log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/json_string.h"

namespace wissel::telemetry {
namespace {

absl::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "DEBUG";
    case Severity::kInfo:
      return "INFO";
    case Severity::kWarning:
      return "WARNING";
    case Severity::kError:
      return "ERROR";
  }
  return "?";
}

std::string UtcText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// Cuts at a character's border.
absl::string_view Cut(absl::string_view text, bool* cut) {
  *cut = text.size() > Logger::kMaxValueBytes;
  if (!*cut) return text;
  size_t end = Logger::kMaxValueBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

void AppendQuoted(absl::string_view text, std::string* out) {
  bool cut;
  text = Cut(text, &cut);
  AppendJsonString(text, out);
  if (cut) out->insert(out->size() - 1, "…");
}

// In the text form a value needs quotes unless it is plainly one word.
bool IsOneWord(absl::string_view text) {
  return !text.empty() && text.size() <= Logger::kMaxValueBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
         });
}

class ValueWriter {
 public:
  ValueWriter(LogFormat format, std::string* out) : format_(format), out_(out) {}

  void operator()(absl::string_view value) const {
    if (format_ == LogFormat::kText && IsOneWord(value)) {
      absl::StrAppend(out_, value);
    } else {
      AppendQuoted(value, out_);
    }
  }
  void operator()(const std::string& value) const { (*this)(absl::string_view(value)); }
  void operator()(int64_t value) const { absl::StrAppend(out_, value); }
  void operator()(uint64_t value) const { absl::StrAppend(out_, value); }
  void operator()(double value) const {
    if (std::isfinite(value)) {
      absl::StrAppendFormat(out_, "%.9g", value);
    } else {
      (*this)(absl::string_view(std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
    }
  }
  void operator()(bool value) const { absl::StrAppend(out_, value ? "true" : "false"); }
  void operator()(absl::Duration value) const { (*this)(absl::FormatDuration(value)); }
  void operator()(absl::Time value) const { (*this)(UtcText(value)); }

 private:
  LogFormat format_;
  std::string* out_;
};

void AppendFields(LogFormat format, std::initializer_list<Field> fields, std::string* out) {
  for (const Field& field : fields) {
    if (format == LogFormat::kJson) {
      out->push_back(',');
      AppendJsonString(field.key(), out);
      out->push_back(':');
    } else {
      absl::StrAppend(out, " ", field.key(), "=");
    }
    std::visit(ValueWriter(format, out), field.value());
  }
}

void WriteToStandardError(absl::string_view line) {
  while (!line.empty()) {
    const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;
    }
    line.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Field::Field(absl::string_view key, Redacted value)
    : key_(key), value_(absl::StrCat("<redacted, ", value.size(), " bytes>")) {}

class Logger::Sink {
 public:
  explicit Sink(const LogOptions& options) : options_(options) {
    if (options_.clock == nullptr) options_.clock = &system_clock_;
    if (!options_.write) options_.write = WriteToStandardError;
  }

  LogFormat format() const { return options_.format; }
  Severity min_severity() const { return options_.min_severity; }

  void Write(Severity severity, absl::string_view message, absl::string_view bound,
             std::initializer_list<Field> fields) {
    const std::string time = UtcText(options_.clock->Now());
    std::string line;
    if (options_.format == LogFormat::kJson) {
      absl::StrAppend(&line, "{\"time\":\"", time, "\",\"severity\":\"", SeverityName(severity),
                      "\",\"message\":");
      AppendQuoted(message, &line);
    } else {
      absl::StrAppendFormat(&line, "%s %-7s ", time, SeverityName(severity));
      std::string text;
      AppendQuoted(message, &text);
      absl::StrAppend(&line, absl::string_view(text).substr(1, text.size() - 2));
    }
    absl::StrAppend(&line, bound);
    AppendFields(options_.format, fields, &line);
    absl::StrAppend(&line, options_.format == LogFormat::kJson ? "}\n" : "\n");
    MutexLock lock(mutex_);
    options_.write(line);
  }

 private:
  SystemClock system_clock_;
  LogOptions options_;
  Mutex mutex_;  // held while writing
};

Logger::Logger(const LogOptions& options) : sink_(std::make_shared<Sink>(options)) {}

Logger Logger::With(std::initializer_list<Field> fields) const {
  Logger child = *this;
  if (sink_ != nullptr) AppendFields(sink_->format(), fields, &child.bound_);
  return child;
}

bool Logger::Enabled(Severity severity) const {
  return sink_ != nullptr && severity >= sink_->min_severity();
}

void Logger::Write(Severity severity, absl::string_view message,
                   std::initializer_list<Field> fields) const {
  if (Enabled(severity)) sink_->Write(severity, message, bound_, fields);
}

std::optional<int64_t> LogRateLimit::Take(absl::Time now) {
  MutexLock lock(mutex_);
  if (now < next_) {
    ++skipped_;
    return std::nullopt;
  }
  next_ = now + interval_;
  return std::exchange(skipped_, 0);
}

}  // namespace wissel::telemetry
