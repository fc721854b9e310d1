#pragma once

#include <memory>

#include "services/ctl/session.h"

namespace CLI {
class App;
}

namespace wissel::ctl {

// The whole command line, as help, completion and the reference page see it. The app's callbacks
// refer to `session`, which must outlive it.
std::shared_ptr<CLI::App> MakeCommandLine(Session& session);

// Parses, runs, prints what went wrong to session.err; the process's exit code. Throws nothing.
int Run(int argc, const char* const* argv, Session& session);

}  // namespace wissel::ctl
