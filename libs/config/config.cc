#include "libs/config/config.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "libs/config/file.h"
#include "libs/config/yaml.h"

namespace wissel::config {
namespace {

using internal::Composite;
using internal::Scalar;
using internal::Visitor;

// A value as an error shows it.
std::string Found(absl::string_view text) { return absl::StrCat("\"", Printable(text), "\""); }

std::string Found(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return Found(node.scalar);
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a section";
  }
  return "";
}

std::string Join(absl::string_view path, absl::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

// Levenshtein distance.
size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

// "; did you mean X?" if something known is near, else the list of what is known.
std::string Suggestion(absl::string_view given, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  size_t best_distance = 0;
  if (given.size() <= 64) {
    for (const std::string& candidate : known) {
      const size_t distance = Distance(given, candidate);
      if (best == nullptr || distance < best_distance) {
        best = &candidate;
        best_distance = distance;
      }
    }
  }
  if (best != nullptr && best_distance <= std::max<size_t>(2, given.size() / 4)) {
    return absl::StrCat("; did you mean ", *best, "?");
  }
  return known.empty() ? "" : absl::StrCat("; expected one of ", absl::StrJoin(known, ", "));
}

bool IsKey(absl::string_view key) {
  return !key.empty() && absl::ascii_islower(key[0]) &&
         std::all_of(key.begin(), key.end(), [](char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

std::string EnvironmentName(absl::string_view prefix, absl::string_view path) {
  return absl::StrCat(prefix, absl::AsciiStrToUpper(absl::StrReplaceAll(path, {{".", "_"}})));
}

// WISSEL_ROUTER_SERVICE_HOST, WISSEL_ROUTER_PORT_8080_TCP and the like: put into every pod of a
// namespace that has a Service called wissel-router (Kubernetes documentation, "Service",
// discovering services).
bool IsFromKubernetes(absl::string_view rest) {
  return rest == "PORT" || absl::StartsWith(rest, "SERVICE_HOST") ||
         absl::StartsWith(rest, "SERVICE_PORT") ||
         (absl::StartsWith(rest, "PORT_") && rest.size() > 5 && absl::ascii_isdigit(rest[5]));
}

class Loader : public Visitor {
 public:
  Loader(const YamlNode& root, std::string file, const Sources& sources)
      : file_(std::move(file)), sources_(sources) {
    for (const std::string& assignment : sources.assignments) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(assignment, absl::MaxSplits('=', 1));
      if (!absl::StrContains(assignment, '=')) {
        errors_.push_back(absl::StrCat("--set ", assignment, ": expected KEY=VALUE"));
      } else {
        assignments_[parts.first] = parts.second;
      }
    }
    Enter(&root, "", {});
  }

  // After the walk: what nobody asked for.
  absl::Status Finish() {
    Leave();
    for (const auto& [key, value] : assignments_) {
      if (!assigned_.contains(key)) {
        errors_.push_back(
            absl::StrCat("--set ", key, ": unknown setting", Suggestion(key, settings_)));
      }
    }
    for (const auto& [name, value] : sources_.environment) {
      if (used_environment_.contains(name)) continue;
      const absl::string_view rest = absl::StripPrefix(name, sources_.environment_prefix);
      if (IsFromKubernetes(rest)) continue;
      errors_.push_back(absl::StrCat("environment ", name, ": names no setting",
                                     Suggestion(name, environment_names_)));
    }
    if (errors_.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
  }

  void OnScalar(const Scalar& scalar) override {
    const YamlNode* node = Find(scalar.key);
    const std::string path = Join(frame().path, scalar.key);
    bool given = false;
    if (node != nullptr) {
      given = true;
      if (node->kind != YamlNode::Kind::kScalar || !scalar.set(node->scalar)) {
        Error(At(node->line), path, Found(*node), scalar.expected);
      }
    }
    for (const auto& [origin, text] : Overrides(path)) {
      given = true;
      if (!scalar.set(text)) Error(origin, path, Found(text), scalar.expected);
    }
    if (scalar.required && !given) Missing(path, scalar.expected);
  }

  void OnTextList(const Composite& list, std::vector<std::string>* value) override {
    const YamlNode* node = Find(list.key);
    const std::string path = Join(frame().path, list.key);
    const std::string expected = absl::StrCat("a list of texts, at most ", list.options.max_items,
                                              list.options.required ? ", at least one" : "");
    bool given = false;
    const auto take = [&](const std::string& origin, std::vector<std::string> items) {
      given = true;
      if (items.size() > list.options.max_items || (list.options.required && items.empty())) {
        Error(origin, path, absl::StrCat(items.size(), " items"), expected);
      } else {
        *value = std::move(items);
      }
    };
    if (node != nullptr) {
      if (node->kind != YamlNode::Kind::kSequence) {
        given = true;
        Error(At(node->line), path, Found(*node), expected);
      } else {
        std::vector<std::string> items;
        for (size_t i = 0; i < node->items.size(); ++i) {
          const YamlNode& item = node->items[i];
          if (item.kind != YamlNode::Kind::kScalar) {
            Error(At(item.line), absl::StrCat(path, "[", i, "]"), Found(item), "text");
          }
          items.push_back(item.scalar);
        }
        take(At(node->line), std::move(items));
      }
    }
    for (const auto& [origin, text] : Overrides(path)) {
      take(origin, absl::StrSplit(text, ',', absl::SkipWhitespace()));
    }
    if (list.options.required && !given) Missing(path, expected);
  }

  void OnSecret(const Composite& secret, Secret* value) override {
    const YamlNode* node = Find(secret.key);
    const std::string path = Join(frame().path, secret.key);
    bool given = false;
    const auto take = [&](const std::string& origin, absl::string_view kind,
                          absl::string_view name) {
      absl::StatusOr<Secret> read =
          kind == "file" ? Secret::FromFile(name) : Secret::FromEnvironment(name);
      if (read.ok()) {
        *value = *std::move(read);
      } else {
        errors_.push_back(absl::StrCat(origin, ": ", path, ": ", read.status().message()));
      }
    };
    if (node != nullptr) {
      given = true;
      if (node->kind == YamlNode::Kind::kMap && node->keys.size() == 1 &&
          (node->keys[0].name == "file" || node->keys[0].name == "env") &&
          node->items[0].kind == YamlNode::Kind::kScalar) {
        take(At(node->line), node->keys[0].name, node->items[0].scalar);
      } else {
        // Not what was found: it may be the secret itself.
        Error(At(node->line), path,
              node->kind == YamlNode::Kind::kScalar ? "a literal" : Found(*node),
              "a reference to a secret, {file: PATH} or {env: NAME}");
      }
    }
    for (const auto& [origin, text] : Overrides(path)) {
      given = true;
      absl::string_view rest = text;
      if (absl::ConsumePrefix(&rest, "file:")) {
        take(origin, "file", rest);
      } else if (absl::ConsumePrefix(&rest, "env:")) {
        take(origin, "env", rest);
      } else {
        Error(origin, path, "a literal", "a reference to a secret, file:PATH or env:NAME");
      }
    }
    if (secret.options.required && !given) {
      Missing(path, "a reference to a secret, {file: PATH} or {env: NAME}");
    }
  }

  void OnRequire(bool holds, absl::string_view message) override {
    if (holds || errors_.size() > frame().errors_before) return;
    const std::string where = frame().node == nullptr ? file_ : At(frame().node->line);
    errors_.push_back(
        absl::StrCat(where, ": ", frame().path, frame().path.empty() ? "" : ": ", message));
  }

  void BeginGroup(const Composite& group) override {
    const YamlNode* node = Find(group.key);
    Enter(node, Join(frame().path, group.key), {});
  }
  void EndGroup() override { Leave(); }

  bool HasGroup(const Composite& group, bool now) override {
    const std::string path = Join(frame().path, group.key);
    if (now || Peek(group.key) != nullptr) return true;
    if (!frame().in_item) {
      const std::string dotted = absl::StrCat(path, ".");
      for (const auto& [key, value] : assignments_) {
        if (absl::StartsWith(key, dotted)) return true;
      }
      const std::string variable =
          absl::StrCat(EnvironmentName(sources_.environment_prefix, path), "_");
      for (const auto& [name, value] : sources_.environment) {
        if (absl::StartsWith(name, variable)) return true;
      }
    }
    frame().known.emplace_back(group.key);
    return false;
  }

  std::optional<size_t> BeginList(const Composite& list, size_t) override {
    const YamlNode* node = Find(list.key);
    const std::string path = Join(frame().path, list.key);
    const std::string expected =
        absl::StrCat("a list of sections, at most ", list.options.max_items,
                     list.options.required ? ", at least one" : "");
    if (node == nullptr) {
      if (list.options.required) Missing(path, expected);
      return std::nullopt;
    }
    if (node->kind != YamlNode::Kind::kSequence || node->items.size() > list.options.max_items ||
        (list.options.required && node->items.empty())) {
      Error(At(node->line), path,
            node->kind == YamlNode::Kind::kSequence ? absl::StrCat(node->items.size(), " items")
                                                    : Found(*node),
            expected);
      return std::nullopt;
    }
    lists_.push_back({.node = node, .path = path});
    return node->items.size();
  }

  std::optional<std::vector<std::string>> BeginMap(const Composite& map,
                                                   std::vector<std::string>) override {
    const YamlNode* node = Find(map.key);
    const std::string path = Join(frame().path, map.key);
    const std::string expected = absl::StrCat("named sections, at most ", map.options.max_items,
                                              map.options.required ? ", at least one" : "");
    if (node == nullptr) {
      if (map.options.required) Missing(path, expected);
      return std::nullopt;
    }
    if (node->kind != YamlNode::Kind::kMap || node->items.size() > map.options.max_items) {
      Error(At(node->line), path,
            node->kind == YamlNode::Kind::kMap ? absl::StrCat(node->items.size(), " names")
                                               : Found(*node),
            expected);
      return std::nullopt;
    }
    std::vector<std::string> names;
    std::map<std::string, int> first;
    for (const YamlNode::Key& key : node->keys) {
      const auto [it, fresh] = first.emplace(key.name, key.line);
      if (!fresh) Duplicate(key, path, it->second);
      names.push_back(key.name);
    }
    lists_.push_back({.node = node, .path = path});
    return names;
  }

  void BeginItem(size_t index) override {
    const OpenList& list = lists_.back();
    const std::string path = list.node->kind == YamlNode::Kind::kMap
                                 ? Join(list.path, list.node->keys[index].name)
                                 : absl::StrCat(list.path, "[", index, "]");
    Enter(&list.node->items[index], path, {.in_item = true});
  }
  void EndItem() override { Leave(); }
  void EndList() override { lists_.pop_back(); }

  bool describes() const override { return false; }

 private:
  // A section of the file while its settings are walked.
  struct Frame {
    const YamlNode* node = nullptr;  // a map, or null when the file does not have it
    std::string path;
    bool in_item = false;
    bool broken = false;  // there is something, but not a section: one error is enough
    std::vector<bool> used = {};
    std::vector<std::string> known = {};
    size_t errors_before = 0;
  };
  struct OpenList {
    const YamlNode* node;
    std::string path;
  };
  struct ItemOptions {
    bool in_item = false;
  };

  Frame& frame() { return frames_.back(); }
  std::string At(int line) const { return absl::StrCat(file_, ":", line); }

  void Error(absl::string_view where, absl::string_view path, absl::string_view found,
             absl::string_view expected) {
    errors_.push_back(absl::StrCat(where, ": ", path, ": found ", found, "; expected ", expected));
  }
  void Missing(absl::string_view path, absl::string_view expected) {
    if (frame().broken) return;
    const std::string where = frame().node == nullptr ? file_ : At(frame().node->line);
    errors_.push_back(absl::StrCat(where, ": ", path, ": not set; expected ", expected));
  }
  void Duplicate(const YamlNode::Key& key, absl::string_view path, int first_line) {
    errors_.push_back(absl::StrCat(At(key.line), ": ", Join(path, key.name),
                                   ": given twice; expected once, first on line ", first_line));
  }

  void Enter(const YamlNode* node, std::string path, ItemOptions options) {
    const size_t errors_before = errors_.size();
    const bool broken = node != nullptr && node->kind != YamlNode::Kind::kMap &&
                        node->kind != YamlNode::Kind::kNull;
    if (broken) Error(At(node->line), path.empty() ? "top" : path, Found(*node), "a section");
    if (node != nullptr && node->kind != YamlNode::Kind::kMap) node = nullptr;
    const bool in_item = options.in_item || (!frames_.empty() && frame().in_item);
    frames_.push_back({.node = node,
                       .path = std::move(path),
                       .in_item = in_item,
                       .broken = broken || (!frames_.empty() && frame().broken),
                       .used = std::vector<bool>(node == nullptr ? 0 : node->keys.size()),
                       .errors_before = errors_before});
  }

  void Leave() {
    for (size_t i = 0; i < frame().used.size(); ++i) {
      if (frame().used[i]) continue;
      const YamlNode::Key& key = frame().node->keys[i];
      errors_.push_back(absl::StrCat(At(key.line), ": ", Join(frame().path, Printable(key.name)),
                                     ": unknown key", Suggestion(key.name, frame().known)));
    }
    frames_.pop_back();
  }

  const YamlNode* Peek(absl::string_view key) {
    if (frame().node == nullptr) return nullptr;
    for (size_t i = 0; i < frame().node->keys.size(); ++i) {
      if (frame().node->keys[i].name == key) return &frame().node->items[i];
    }
    return nullptr;
  }

  // The value of a key of this section, the first if it is given twice, which is an error.
  const YamlNode* Find(absl::string_view key) {
    WISSEL_CHECK(IsKey(key)) << std::string(key);
    frame().known.emplace_back(key);
    const YamlNode* found = nullptr;
    int first_line = 0;
    for (size_t i = 0; i < frame().used.size(); ++i) {
      const YamlNode::Key& candidate = frame().node->keys[i];
      if (candidate.name != key) continue;
      frame().used[i] = true;
      if (found == nullptr) {
        found = &frame().node->items[i];
        first_line = candidate.line;
      } else {
        Duplicate(candidate, frame().path, first_line);
      }
    }
    return found;
  }

  // What environment and command line say about a setting: origin and text, the winner last.
  std::vector<std::pair<std::string, std::string>> Overrides(const std::string& path) {
    std::vector<std::pair<std::string, std::string>> found;
    if (frame().in_item) return found;
    settings_.push_back(path);
    const std::string variable = EnvironmentName(sources_.environment_prefix, path);
    environment_names_.push_back(variable);
    if (const auto it = sources_.environment.find(variable); it != sources_.environment.end()) {
      WISSEL_CHECK(used_environment_.insert(variable).second)
          << variable << " stands for two settings";
      found.emplace_back(absl::StrCat("environment ", variable), it->second);
    }
    if (const auto it = assignments_.find(path); it != assignments_.end()) {
      assigned_.insert(path);
      found.emplace_back("--set", it->second);
    }
    return found;
  }

  const std::string file_;
  const Sources& sources_;
  std::map<std::string, std::string> assignments_;
  std::set<std::string> assigned_;
  std::set<std::string> used_environment_;
  std::vector<std::string> settings_;
  std::vector<std::string> environment_names_;
  std::vector<std::string> errors_;
  std::vector<Frame> frames_;
  std::vector<OpenList> lists_;
};

class Printer : public Visitor {
 public:
  std::string Take() { return std::move(out_); }

  void OnScalar(const Scalar& scalar) override { Line(scalar.key, scalar.print()); }
  void OnTextList(const Composite& list, std::vector<std::string>* value) override {
    std::vector<std::string> items;
    for (const std::string& item : *value) {
      AppendJsonString(item, &items.emplace_back());
    }
    Line(list.key, absl::StrCat("[", absl::StrJoin(items, ", "), "]"));
  }
  void OnSecret(const Composite& secret, Secret* value) override {
    if (!value->reference().empty()) {
      Line(secret.key, value->reference());
    } else {
      absl::StrAppend(&out_, Indent(), "# ", secret.key, ": ", value->Describe(), "\n");
    }
  }
  void OnRequire(bool, absl::string_view) override {}
  void BeginGroup(const Composite& group) override {
    Line(group.key, "");
    ++depth_;
  }
  void EndGroup() override { --depth_; }
  bool HasGroup(const Composite&, bool now) override { return now; }
  std::optional<size_t> BeginList(const Composite& list, size_t now) override {
    Line(list.key, now == 0 ? "[]" : "");
    names_.push_back({});
    return now;
  }
  std::optional<std::vector<std::string>> BeginMap(const Composite& map,
                                                   std::vector<std::string> now) override {
    Line(map.key, now.empty() ? "{}" : "");
    names_.push_back(now);
    return now;
  }
  void BeginItem(size_t index) override {
    ++depth_;
    if (names_.back().empty()) {
      dash_ = true;
    } else {
      std::string name;
      AppendJsonString(names_.back()[index], &name);
      Line(name, "");
    }
    ++depth_;
  }
  void EndItem() override {
    dash_ = false;
    depth_ -= 2;
  }
  void EndList() override { names_.pop_back(); }
  bool describes() const override { return false; }

 private:
  // The first line of a list's item carries its dash.
  std::string Indent() {
    if (std::exchange(dash_, false)) {
      return absl::StrCat(std::string(static_cast<size_t>(depth_ - 1) * 2, ' '), "- ");
    }
    return std::string(static_cast<size_t>(depth_) * 2, ' ');
  }
  void Line(absl::string_view key, absl::string_view value) {
    const std::string indent = Indent();
    absl::StrAppend(&out_, indent, key, value.empty() ? ":" : ": ", value, "\n");
  }

  std::string out_;
  int depth_ = 0;
  bool dash_ = false;
  std::vector<std::vector<std::string>> names_;
};

struct Row {
  std::string key;
  std::string type;
  std::string initial;  // empty: required, or nothing
  std::string doc;
  bool required = false;
};

class Lister : public Visitor {
 public:
  std::vector<Row> Take() { return std::move(rows_); }

  void OnScalar(const Scalar& scalar) override {
    const std::string initial = scalar.print();
    Add(scalar.key, scalar.type, scalar.required ? "" : initial, scalar.doc, scalar.required);
  }
  void OnTextList(const Composite& list, std::vector<std::string>* value) override {
    Add(list.key, "list of texts",
        list.options.required ? "" : absl::StrCat("[", absl::StrJoin(*value, ", "), "]"), list.doc,
        list.options.required);
  }
  void OnSecret(const Composite& secret, Secret*) override {
    Add(secret.key, "secret", "", secret.doc, secret.options.required);
  }
  void OnRequire(bool, absl::string_view) override {}
  void BeginGroup(const Composite& group) override {
    Add(group.key, group.optional ? "section, absent unless something in it is given" : "section",
        "", group.doc, false);
    Enter(Join(paths_.back(), group.key));
  }
  void EndGroup() override { paths_.pop_back(); }
  bool HasGroup(const Composite&, bool) override { return true; }
  std::optional<size_t> BeginList(const Composite& list, size_t) override {
    Add(list.key, "list of sections", "", list.doc, list.options.required);
    Enter(absl::StrCat(Join(paths_.back(), list.key), "[]"));
    return 1;
  }
  std::optional<std::vector<std::string>> BeginMap(const Composite& map,
                                                   std::vector<std::string>) override {
    Add(map.key, "named sections", "", map.doc, map.options.required);
    Enter(absl::StrCat(Join(paths_.back(), map.key), ".NAME"));
    return std::vector<std::string>{"NAME"};
  }
  void BeginItem(size_t) override {}
  void EndItem() override {}
  void EndList() override { paths_.pop_back(); }
  bool describes() const override { return true; }

 private:
  void Enter(std::string path) { paths_.push_back(std::move(path)); }
  void Add(absl::string_view key, std::string type, std::string initial, absl::string_view doc,
           bool required) {
    WISSEL_CHECK(IsKey(key)) << std::string(key);
    rows_.push_back({.key = Join(paths_.back(), key),
                     .type = std::move(type),
                     .initial = std::move(initial),
                     .doc = std::string(doc),
                     .required = required});
  }

  std::vector<Row> rows_;
  std::vector<std::string> paths_ = {""};
};

std::vector<Row> Rows(const Description& description) {
  Lister lister;
  Binder binder(lister);
  description(binder);
  return lister.Take();
}

absl::Status LoadParsed(const Description& description, absl::string_view yaml,
                        absl::string_view name, const Sources& sources) {
  absl::StatusOr<YamlNode> root = ParseYaml(yaml);
  if (!root.ok()) {
    // "line 3: ..." becomes "router.yaml:3: ...".
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":", absl::StripPrefix(root.status().message(), "line ")));
  }
  Loader loader(*root, std::string(name), sources);
  Binder binder(loader);
  description(binder);
  return loader.Finish();
}

}  // namespace

std::string EnvironmentPrefix(absl::string_view service) {
  return absl::StrCat(absl::AsciiStrToUpper(absl::StrReplaceAll(service, {{"-", "_"}})), "_");
}

std::map<std::string, std::string> EnvironmentWithPrefix(absl::string_view prefix) {
  std::map<std::string, std::string> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(*entry, absl::MaxSplits('=', 1));
    if (absl::StartsWith(parts.first, prefix)) found.insert(parts);
  }
  return found;
}

absl::Status Load(const Description& description, const Sources& sources) {
  if (sources.file.empty()) return LoadParsed(description, "", "configuration", sources);
  WISSEL_ASSIGN_OR_RETURN(const std::string text, ReadFile(sources.file, kMaxYamlBytes));
  return LoadParsed(description, text, sources.file, sources);
}

absl::Status LoadText(const Description& description, absl::string_view yaml,
                      absl::string_view name) {
  return LoadParsed(description, yaml, name, Sources{});
}

std::string Print(const Description& description) {
  Printer printer;
  Binder binder(printer);
  description(binder);
  return printer.Take();
}

std::string Help(const Description& description) {
  std::string text;
  for (const Row& row : Rows(description)) {
    absl::StrAppend(&text, "  ", row.key, "  (", row.type, row.required ? "; required" : "",
                    row.initial.empty() ? "" : "; default ", row.initial, ")\n      ", row.doc,
                    "\n");
  }
  return text;
}

std::string ReferenceOfTypes() {
  return R"(| type | in the file | with `--set` and in the environment |
| --- | --- | --- |
| secret | `{file: PATH}` or `{env: NAME}`, never the value itself | `file:PATH` or `env:NAME` |
| duration | `250ms`, `30s`, `1h30m`, or whole days: `7d` | the same |
| size | bytes: `65536`; or `64KiB`, `64MiB`, `64GiB`, `64TiB` | the same |
| list of texts | `[one, two]` | `one,two` |
| file | a path that can be read, from where the process was started | the same |
| list of sections, named sections | as YAML has them | not, nor what is inside |
)";
}

std::string Reference(const Description& description) {
  std::string page = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Row& row : Rows(description)) {
    const std::string initial = row.required          ? "required"
                                : row.initial.empty() ? ""
                                                      : absl::StrCat("`", row.initial, "`");
    absl::StrAppend(&page, "| `", row.key, "` | ", row.type, " | ", initial, " | ",
                    absl::StrReplaceAll(row.doc, {{"|", "\\|"}}), " |\n");
  }
  return page;
}

}  // namespace wissel::config
