#include "tests/chaos/fleet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/timeout.h"

namespace wissel::chaos {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string HowItEnded(int status) {
  return WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status))
                             : absl::StrCat("exit code ", WEXITSTATUS(status));
}

}  // namespace

int FreePort() {
  // Below Linux's range for outgoing connections (ip_local_port_range, from 32768 on): one of those
  // would else take the port before its process listens, or while it is being restarted.
  constexpr int kFirst = 10'000;
  constexpr int kCount = 22'000;
  static std::random_device random;
  static std::set<int> given;
  for (int attempt = 0; attempt < 1'000; ++attempt) {
    const int port = kFirst + static_cast<int>(random() % kCount);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    WISSEL_CHECK(fd >= 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (free && given.insert(port).second) return port;
  }
  WISSEL_CHECK(false) << "no free port between " << kFirst << " and " << kFirst + kCount;
  return 0;
}

Fleet::Fleet() : client_(http::Client::Create({.user_agent = "wissel-chaos"}).value()) {}

Fleet::~Fleet() {
  for (const auto& [name, child] : children_) Kill(name);
}

absl::Status Fleet::Start(const Program& program) {
  children_[program.name] = {.program = program};
  return Restart(program.name);
}

absl::Status Fleet::Restart(const std::string& name) {
  Child& child = children_.at(name);
  if (child.pid != 0) return absl::FailedPreconditionError(absl::StrCat(name, " runs"));
  // Everything that allocates comes before the fork.
  std::vector<std::string> argv_strings = child.program.argv;
  std::vector<std::string> environment_strings = child.program.environment;
  for (char** e = environ; *e != nullptr; ++e) environment_strings.emplace_back(*e);
  const std::vector<char*> argv = Pointers(argv_strings);
  const std::vector<char*> environment = Pointers(environment_strings);
  const int log =
      open(child.program.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return absl::UnavailableError(absl::StrCat("open ", child.program.log_file));
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execve(argv[0], argv.data(), environment.data());
    _exit(127);
  }
  close(log);
  if (pid < 0) return absl::ResourceExhaustedError("fork");
  child.pid = pid;
  child.paused = false;
  return absl::OkStatus();
}

void Fleet::Kill(const std::string& name) {
  Child& child = children_.at(name);
  if (child.pid == 0) return;
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  child.pid = 0;
  child.paused = false;
}

void Fleet::Pause(const std::string& name) {
  Child& child = children_.at(name);
  if (child.pid == 0) return;
  kill(child.pid, SIGSTOP);
  child.paused = true;
}

void Fleet::Resume(const std::string& name) {
  Child& child = children_.at(name);
  if (child.pid == 0) return;
  kill(child.pid, SIGCONT);
  child.paused = false;
}

bool Fleet::Runs(const std::string& name) const {
  const auto it = children_.find(name);
  return it != children_.end() && it->second.pid != 0;
}

bool Fleet::IsPaused(const std::string& name) const {
  const auto it = children_.find(name);
  return it != children_.end() && it->second.paused;
}

std::vector<std::string> Fleet::TakeFallen() {
  std::vector<std::string> fallen;
  for (auto& [name, child] : children_) {
    int status = 0;
    if (child.pid == 0 || waitpid(child.pid, &status, WNOHANG) != child.pid) continue;
    child.pid = 0;
    fallen.push_back(
        absl::StrCat(name, ": ", HowItEnded(status), "; see ", child.program.log_file));
  }
  return fallen;
}

absl::StatusOr<std::string> Fleet::Log(const std::string& name) const {
  const std::string& path = children_.at(name).program.log_file;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || text.empty()) return absl::NotFoundError(absl::StrCat(path, ": no log"));
  return text;
}

absl::StatusOr<std::string> Fleet::Page(const std::string& name, absl::string_view path) {
  http::FetchOptions options;
  options.total_timeout = absl::Seconds(15);
  options.max_response_bytes = 16 << 20;
  const http::FetchResult result = client_->FetchAndWait(
      {.url = absl::StrCat("http://127.0.0.1:", children_.at(name).program.telemetry_port, path)},
      options);
  if (!result.ok()) {
    return absl::UnavailableError(absl::StrCat(name, path, ": ", result.status, " ", result.error,
                                               result.body.substr(0, 500)));
  }
  return result.body;
}

absl::Status Fleet::WaitReady(const std::string& name, absl::Duration timeout) {
  const Timeout limit(timeout);
  for (;;) {
    const absl::Status status = Page(name, "/readyz").status();
    if (status.ok()) return status;
    if (limit.Expired()) return status;
    for (const std::string& fallen : TakeFallen()) return absl::AbortedError(fallen);
    absl::SleepFor(absl::Milliseconds(50));
  }
}

}  // namespace wissel::chaos
