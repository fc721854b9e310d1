#pragma once

#include <string>

namespace CLI {
class App;
}

namespace wissel::ctl {

// Shell code that completes commands, flags and their closed sets of values, made from the command
// line's own description; other words complete as file names.
std::string BashCompletion(const CLI::App& app);
std::string ZshCompletion(const CLI::App& app);

}  // namespace wissel::ctl
