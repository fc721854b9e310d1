#pragma once

#include <string>

namespace CLI {
class App;
}

namespace wissel::ctl {

// docs/reference/cli.md: every command with its help, in Markdown.
std::string ReferencePage(const CLI::App& app);

}  // namespace wissel::ctl
