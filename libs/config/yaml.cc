#include "libs/config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/json_string.h"
#include "libs/base/utf8.h"

namespace wissel::config {
namespace {

constexpr size_t kMaxShownBytes = 80;

// The tag that yaml-cpp gives to a scalar in quotes or in a block.
constexpr absl::string_view kQuoted = "!";

// Thrown out of the parser's callbacks, never out of ParseYaml.
struct Refused {
  int line;
  std::string why;
};

class Builder : public YAML::EventHandler {
 public:
  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    CheckPlain(mark, "?", anchor);
    if (ExpectsKey()) Refuse(mark, "a key without text");
    Attach({.kind = YamlNode::Kind::kNull, .line = Line(mark)});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases are not supported");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    CheckPlain(mark, tag, anchor);
    if (ExpectsKey()) {
      open_.back().keys.push_back({.name = value, .line = Line(mark)});
    } else {
      Attach({.kind = YamlNode::Kind::kScalar,
              .line = Line(mark),
              .scalar = value,
              .quoted = tag == kQuoted});
    }
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  static int Line(const YAML::Mark& mark) { return mark.line + 1; }
  [[noreturn]] static void Refuse(const YAML::Mark& mark, absl::string_view why) {
    throw Refused{Line(mark), std::string(why)};
  }

  static void CheckPlain(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) Refuse(mark, "anchors are not supported");
    if (!tag.empty() && tag != "?" && tag != kQuoted) Refuse(mark, "tags are not supported");
  }

  bool ExpectsKey() const {
    return !open_.empty() && open_.back().kind == YamlNode::Kind::kMap &&
           open_.back().keys.size() == open_.back().items.size();
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    CheckPlain(mark, tag, anchor);
    if (ExpectsKey()) Refuse(mark, "a key that is not text");
    if (open_.size() >= kMaxYamlDepth) Refuse(mark, "nested too deeply");
    open_.push_back({.kind = kind, .line = Line(mark)});
  }

  void Close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    Attach(std::move(node));
  }

  void Attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else {
      open_.back().items.push_back(std::move(node));
    }
  }

  YamlNode root_;
  std::vector<YamlNode> open_;
};

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace

absl::StatusOr<YamlNode> ParseYaml(absl::string_view text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("line 1: found ", text.size(), " bytes; expected at most ", max_bytes));
  }
  // Other encodings would be decoded by the parser, with line ends of their own.
  if (!IsUtf8(text) || text.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError("line 1: found bytes that are not text; expected UTF-8");
  }
  try {
    // yaml-cpp takes the end of the input for the end of an open quote; it does not take this
    // marker.
    const absl::string_view line_end = absl::EndsWith(text, "\n") ? "" : "\n";
    std::istringstream in(absl::StrCat(text, line_end, "...\n"));
    YAML::Parser parser(in);
    Builder builder;
    if (!parser.HandleNextDocument(builder)) return YamlNode{.line = 1};
    Builder second;
    if (parser.HandleNextDocument(second)) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", second.Take().line, ": a second document; expected one"));
    }
    return builder.Take();
  } catch (const Refused& refused) {
    return absl::InvalidArgumentError(absl::StrCat("line ", refused.line, ": ", refused.why));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("line ", error.mark.line + 1, ": not YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("line 1: not YAML: ", error.what()));
  }
}

std::string Printable(absl::string_view text) {
  std::string quoted;
  AppendJsonString(text.substr(0, kMaxShownBytes), &quoted);
  return absl::StrCat(quoted.substr(1, quoted.size() - 2),
                      text.size() > kMaxShownBytes ? "..." : "");
}

}  // namespace wissel::config
