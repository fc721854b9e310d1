#include "libs/store/redis_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/timeout.h"

namespace wissel::store {
namespace {

constexpr absl::Duration kProbeInterval = absl::Milliseconds(2);

// The full path, found before the fork: the child may only call what is safe after it.
std::string FindInPath(absl::string_view program) {
  const char* path = getenv("PATH");
  for (absl::string_view dir : absl::StrSplit(path == nullptr ? "/usr/bin:/bin" : path, ':')) {
    std::string candidate = absl::StrCat(dir, "/", program);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

// True if the server behind the socket answers PING.
bool Answers(const std::string& socket_path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, socket_path.data(), socket_path.size());
  bool answered = false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    constexpr absl::string_view kPing = "PING\r\n";
    char reply[64];
    pollfd readable{fd, POLLIN, 0};
    if (send(fd, kPing.data(), kPing.size(), MSG_NOSIGNAL) == ssize_t{kPing.size()} &&
        poll(&readable, 1, 1000) == 1) {
      const ssize_t n = recv(fd, reply, sizeof(reply), 0);
      // Whatever needs a password has also started.
      const absl::string_view text(reply, n > 0 ? static_cast<size_t>(n) : 0);
      answered = text.substr(0, 5) == "+PONG" || text.substr(0, 7) == "-NOAUTH";
    }
  }
  close(fd);
  return answered;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RedisProcess>> RedisProcess::Start(Options options) {
  if (options.socket.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("path of a unix socket longer than ",
                                                   sizeof(sockaddr_un::sun_path) - 1,
                                                   " bytes: ", options.socket));
  }
  const std::string program = FindInPath("redis-server");
  if (program.empty()) return absl::NotFoundError("no redis-server in PATH");

  std::vector<std::string> arguments = {
      program,
      "--port",
      "0",
      "--unixsocket",
      options.socket,
      "--dir",
      options.dir,
      "--save",
      "",
      "--logfile",
      absl::StrCat(options.dir, "/redis.log"),
      "--appendonly",
      options.persistent ? "yes" : "no",
      "--appendfsync",
      "everysec",
  };
  arguments.insert(arguments.end(), options.extra_arguments.begin(), options.extra_arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  // A socket left behind by a killed server refuses connections until the new one binds it anew.
  unlink(options.socket.c_str());
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return absl::UnavailableError(absl::StrCat("fork: ", strerror(errno)));
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);  // The parent died before the line above.
    // A service blocks the signals it waits for, and a child inherits that: it must hear SIGTERM.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    // A group of its own: Ctrl-C in a terminal is for the parent, which then stops us in its turn.
    setpgid(0, 0);
    close_range(3, ~0U, 0);
    execv(program.c_str(), argv.data());
    _exit(127);
  }

  std::unique_ptr<RedisProcess> process(new RedisProcess(std::move(options), pid));
  const Timeout limit(process->options_.start_timeout);
  while (!Answers(process->options_.socket)) {
    if (!process->Running()) {
      return absl::UnavailableError(
          absl::StrCat("redis-server ended at once: see ", process->options_.dir, "/redis.log"));
    }
    if (limit.Expired()) {
      return absl::UnavailableError(
          absl::StrCat("redis-server does not answer: see ", process->options_.dir, "/redis.log"));
    }
    absl::SleepFor(kProbeInterval);
  }
  return process;
}

RedisProcess::RedisProcess(Options options, pid_t pid) : options_(std::move(options)), pid_(pid) {}

RedisProcess::~RedisProcess() {
  Signal(SIGCONT);
  Signal(SIGTERM);
  const Timeout limit(options_.stop_timeout);
  while (Running() && !limit.Expired()) absl::SleepFor(kProbeInterval);
  if (Running()) {
    Signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

bool RedisProcess::Running() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ > 0;
}

void RedisProcess::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

}  // namespace wissel::store
