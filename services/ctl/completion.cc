#include "services/ctl/completion.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace wissel::ctl {
namespace {

struct Word {
  std::string text;
  std::string description;
};

// What can follow one command.
struct Node {
  std::string path;  // "wisselctl conversations list"
  std::vector<Word> words;
  std::vector<std::pair<std::string, std::vector<std::string>>> values;  // flag → its closed set
  std::vector<std::string> taking;                                       // flags that take a value
};

std::vector<std::string> Flags(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const auto& name : option.get_lnames()) flags.push_back("--" + name);
  for (const auto& name : option.get_snames()) flags.push_back("-" + name);
  return flags;
}

// CLI11 writes a closed set into the type's name: "TEXT:{table,json,yaml}".
std::vector<std::string> ClosedSet(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return absl::StrSplit(type.substr(open + 1, close - open - 1), ',');
}

void AddOptions(const CLI::App& app, Node& node) {
  for (const CLI::Option* option : app.get_options()) {
    const bool takes_value = option->get_expected_max() > 0;
    for (const std::string& flag : Flags(*option)) {
      // Every command has its own --help.
      if (std::any_of(node.words.begin(), node.words.end(),
                      [&](const Word& word) { return word.text == flag; })) {
        continue;
      }
      node.words.push_back({flag, option->get_description()});
      if (takes_value) node.taking.push_back(flag);
      if (auto set = ClosedSet(*option); !set.empty())
        node.values.emplace_back(flag, std::move(set));
    }
    if (option->get_positional()) {
      for (auto& value : ClosedSet(*option)) node.words.push_back({std::move(value), ""});
    }
  }
}

void Walk(const CLI::App& root, const CLI::App& app, const std::string& path,
          std::vector<Node>& nodes) {
  Node node{.path = path, .words = {}, .values = {}, .taking = {}};
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    node.words.push_back({child->get_name(), child->get_description()});
  }
  AddOptions(app, node);
  if (&app != &root) AddOptions(root, node);
  nodes.push_back(std::move(node));
  for (const CLI::App* child : children) {
    Walk(root, *child, absl::StrCat(path, " ", child->get_name()), nodes);
  }
}

std::vector<Node> NodesOf(const CLI::App& app) {
  std::vector<Node> nodes;
  Walk(app, app, app.get_name(), nodes);
  return nodes;
}

// The part that both shells share: finds, from the words up to the cursor, the command.
constexpr char kFindPath[] = R"(
  local command=wisselctl word skip=
  for word in "${before[@]}"; do
    if [[ $word == "=" ]]; then skip=1; continue; fi
    if [[ -n $skip ]]; then skip=; continue; fi
    case " $taking " in *" $word "*) skip=1; continue;; esac
    case "$command $word" in
      PATHS) command="$command $word";;
    esac
  done
)";

std::string FindPath(const std::vector<Node>& nodes) {
  std::vector<std::string> paths;
  std::vector<std::string> taking;
  for (const Node& node : nodes) {
    if (node.path != nodes.front().path) paths.push_back(absl::StrCat("\"", node.path, "\""));
    for (const auto& flag : node.taking) {
      if (std::find(taking.begin(), taking.end(), flag) == taking.end()) taking.push_back(flag);
    }
  }
  return absl::StrCat("  local taking=\"", absl::StrJoin(taking, " "), "\"",
                      absl::StrReplaceAll(kFindPath, {{"PATHS", absl::StrJoin(paths, "|")}}));
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  const std::vector<Node> nodes = NodesOf(app);
  std::string out =
      "# bash completion for wisselctl. Use: source <(wisselctl completion bash)\n"
      "_wisselctl() {\n"
      "  local cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local before=(\"${COMP_WORDS[@]:1:COMP_CWORD-1}\")\n"
      // The "=" of "--flag=value" is a word of its own.
      "  if [[ $cur == \"=\" ]]; then cur=\n"
      "  elif [[ $prev == \"=\" ]]; then prev=\"${COMP_WORDS[COMP_CWORD-2]}\"; fi\n";
  absl::StrAppend(&out, FindPath(nodes), "  local choices=\n  case \"$command\" in\n");
  for (const Node& node : nodes) {
    absl::StrAppend(&out, "    \"", node.path, "\")\n");
    if (!node.values.empty()) {
      absl::StrAppend(&out, "      case \"$prev\" in\n");
      for (const auto& [flag, values] : node.values) {
        absl::StrAppend(&out, "        ", flag, ") choices=\"", absl::StrJoin(values, " "),
                        "\";;\n");
      }
      absl::StrAppend(&out, "      esac\n");
    }
    absl::StrAppend(
        &out, "      if [[ -z $choices && \" $taking \" != *\" $prev \"* ]]; then choices=\"",
        absl::StrJoin(node.words, " ",
                      [](std::string* o, const Word& w) { absl::StrAppend(o, w.text); }),
        "\"; fi;;\n");
  }
  absl::StrAppend(&out,
                  "  esac\n"
                  "  COMPREPLY=($(compgen -W \"$choices\" -- \"$cur\"))\n"
                  "}\n"
                  "complete -o default -F _wisselctl wisselctl\n");
  return out;
}

std::string ZshCompletion(const CLI::App& app) {
  const std::vector<Node> nodes = NodesOf(app);
  std::string out =
      "#compdef wisselctl\n"
      "# zsh completion for wisselctl. After compinit: source <(wisselctl completion zsh)\n"
      "_wisselctl() {\n"
      "  local prev=\"${words[CURRENT-1]}\"\n"
      "  local -a before choices\n"
      "  before=(\"${(@)words[2,CURRENT-1]}\")\n"
      "  if [[ ${words[CURRENT]} == --*=* ]]; then\n"
      "    prev=\"${words[CURRENT]%%=*}\"; compset -P \"*=\"\n"
      "  fi\n";
  absl::StrAppend(&out, FindPath(nodes), "  case \"$command\" in\n");
  for (const Node& node : nodes) {
    absl::StrAppend(&out, "    \"", node.path, "\")\n      case \"$prev\" in\n");
    for (const auto& [flag, values] : node.values) {
      absl::StrAppend(&out, "        ", flag, ") choices=(", absl::StrJoin(values, " "), ");;\n");
    }
    absl::StrAppend(&out,
                    "        *)\n"
                    "          if [[ \" $taking \" == *\" $prev \"* ]]; then _files; return; fi\n"
                    "          choices=(");
    for (const Word& word : node.words) {
      const std::string text = absl::StrReplaceAll(word.text, {{":", "\\:"}});
      absl::StrAppend(
          &out, " ",
          Quoted(word.description.empty() ? text : absl::StrCat(text, ":", word.description)));
    }
    absl::StrAppend(&out, ");;\n      esac;;\n");
  }
  absl::StrAppend(&out,
                  "  esac\n"
                  "  _describe -t commands wisselctl choices || _files\n"
                  "}\n"
                  "compdef _wisselctl wisselctl\n");
  return out;
}

}  // namespace wissel::ctl
