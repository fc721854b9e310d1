#pragma once

#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>

#include <boost/json/fwd.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace wissel::ctl {

enum class Format { kTable, kJson, kYaml };

// Columns as wide as their widest cell, two spaces apart; the last is not padded. Width counts code
// points. Control characters in cells are shown as spaces, so that what a customer wrote cannot
// steer a terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// JSON on one line, with the proto's field names.
std::string ToJsonLine(const google::protobuf::Message& message);

// JSON (indented) or YAML; not for kTable.
void PrintMessage(const google::protobuf::Message& message, Format format, std::ostream& out);

// JSON on one line, or YAML; not for kTable.
void PrintJson(const boost::json::value& value, Format format, std::ostream& out);

// One line, `max` code points at most, "…" where it was cut; control characters become spaces.
std::string OneLine(absl::string_view text, size_t max);

// "2026-03-01 08:00:00.123" in UTC, "-" where unset.
std::string FormatTime(const google::protobuf::Timestamp& time);

// "1 unit", "3 units".
std::string Units(int64_t units);

// What people type and read instead of a UUID: its first 8 characters.
std::string ShortId(absl::string_view id);

}  // namespace wissel::ctl
