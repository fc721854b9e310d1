#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/config/binder.h"

namespace wissel::config {

// A service's settings as their struct describes them.
using Description = std::function<void(Binder&)>;

// Where values come from; later ones win: defaults, file, environment, assignments. In the last two
// a list is its items with commas between and a secret is "file:PATH" or "env:NAME"; what is inside
// lists and named sections can only be set in the file.
struct Sources {
  // Path of a YAML file; empty for none.
  std::string file;
  // Variables that stand for settings, by name. All must begin with `environment_prefix`; the rest
  // of a name is the setting's key in upper case with '_' for each dot:
  // WISSEL_ROUTER_KAFKA_BROKERS. One that names no setting is an error, save those that Kubernetes
  // puts there for a Service of the same name.
  std::map<std::string, std::string> environment;
  std::string environment_prefix;
  // "key=value", as given with --set.
  std::vector<std::string> assignments;
};

// "WISSEL_AGENT_GATEWAY_" for "wissel-agent-gateway".
std::string EnvironmentPrefix(absl::string_view service);
// The variables of this process that begin with `prefix`.
std::map<std::string, std::string> EnvironmentWithPrefix(absl::string_view prefix);

// Fills the settings that `description` names. INVALID_ARGUMENT with every error found, a line
// each:
//
//   router.yaml:7: kafka.linger: found "5"; expected a duration such as "30s", at most 1s
//
// The settings are then partly filled and must not be used. NOT_FOUND when the file cannot be read.
absl::Status Load(const Description& description, const Sources& sources);

// The same for YAML that is at hand; `name` stands for the file in errors.
absl::Status LoadText(const Description& description, absl::string_view yaml,
                      absl::string_view name);

// The present values as a YAML file that Load takes. Secrets as the references they came from.
std::string Print(const Description& description);

// For --help: each setting with its type, default and meaning.
std::string Help(const Description& description);

// For the reference page: how a value of each type is written, a table in Markdown.
std::string ReferenceOfTypes();

// The reference page: a table in Markdown.
std::string Reference(const Description& description);

}  // namespace wissel::config
