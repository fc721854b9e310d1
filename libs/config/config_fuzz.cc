// Any bytes as a configuration file: loading ends with OK or INVALID_ARGUMENT, each error is one
// line, and what was loaded prints as a file that loads to the same.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/config/config.h"

namespace wissel::config {
namespace {

struct Item {
  std::string name;
  absl::Duration wait;
  void Describe(Binder& b) {
    b.Text("name", &name, "Name.", {.required = true});
    b.Duration("wait", &wait, "Wait.");
  }
};

struct Settings {
  std::string text;
  int64_t count = 1;
  int64_t size = 0;
  double share = 0.5;
  bool on = false;
  std::vector<std::string> words;
  std::vector<Item> items;
  std::map<std::string, Item> named;
  std::optional<Item> maybe;

  void Describe(Binder& b) {
    b.Text("text", &text, "Text.");
    b.Int("count", &count, "Count.", {.min = 0, .max = 10});
    b.Bytes("size", &size, "Size.");
    b.Real("share", &share, "Share.");
    b.Bool("on", &on, "On.");
    b.TextList("words", &words, "Words.");
    b.List("items", &items, "Items.");
    b.Map("named", &named, "Named.");
    b.OptionalGroup("maybe", &maybe, "Maybe.");
  }
};

}  // namespace
}  // namespace wissel::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using wissel::config::Binder;
  const absl::string_view yaml(reinterpret_cast<const char*>(data), size);
  wissel::config::Settings settings;
  const auto describe = [&](Binder& b) { settings.Describe(b); };
  const absl::Status loaded = wissel::config::LoadText(describe, yaml, "f.yaml");
  if (!loaded.ok()) {
    for (absl::string_view line : absl::StrSplit(loaded.message(), '\n')) {
      WISSEL_CHECK(line.substr(0, 6) == "f.yaml") << std::string(line);
    }
    return 0;
  }
  const std::string printed = wissel::config::Print(describe);
  wissel::config::Settings again;
  const auto describe_again = [&](Binder& b) { again.Describe(b); };
  WISSEL_CHECK_OK(wissel::config::LoadText(describe_again, printed, "printed.yaml")) << printed;
  WISSEL_CHECK(wissel::config::Print(describe_again) == printed) << printed;
  return 0;
}
