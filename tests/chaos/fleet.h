#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/http/client.h"

namespace wissel::chaos {

// A port of 127.0.0.1 that nobody listens on now, and that no outgoing connection is given.
int FreePort();

// How to run one process.
struct Program {
  std::string name;
  std::vector<std::string> argv;
  std::vector<std::string> environment;  // "NAME=value", beside what we have ourselves.
  std::string log_file;                  // Appended to.
  int telemetry_port = 0;                // Where /readyz and /statez are.
};

// The processes of a run: started, killed and watched from one thread, the one that makes it, which
// must live as long: a child dies with the thread that started it.
class Fleet {
 public:
  Fleet();
  // Kills what still runs.
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  absl::Status Start(const Program& program);
  // SIGKILL, and waits for the end. Nothing if it does not run.
  void Kill(const std::string& name);
  // SIGSTOP, SIGCONT.
  void Pause(const std::string& name);
  void Resume(const std::string& name);
  // As started before.
  absl::Status Restart(const std::string& name);

  bool Runs(const std::string& name) const;
  bool IsPaused(const std::string& name) const;

  // The processes that have ended though nobody killed them, with how; each is told of once, and
  // does not run any more.
  std::vector<std::string> TakeFallen();

  // Waits until it says that it is ready.
  //   UNAVAILABLE  it does not say so in time; with what it says
  //   ABORTED      a process has ended meanwhile though nobody killed it
  absl::Status WaitReady(const std::string& name, absl::Duration timeout);
  // All that it has written, in this life and earlier ones.
  absl::StatusOr<std::string> Log(const std::string& name) const;
  // The body of a page on its telemetry port.
  absl::StatusOr<std::string> Page(const std::string& name, absl::string_view path);

 private:
  struct Child {
    Program program;
    pid_t pid = 0;  // 0: does not run.
    bool paused = false;
  };

  std::map<std::string, Child> children_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace wissel::chaos
