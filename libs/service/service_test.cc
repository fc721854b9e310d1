#include "libs/service/service.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace wissel::service {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Runs the test program as a child process; its two output streams are read as one.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments, std::vector<std::string> environment = {}) {
    int fds[2];
    if (pipe(fds) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      dup2(fds[1], STDOUT_FILENO);
      dup2(fds[1], STDERR_FILENO);
      close(fds[0]);
      close(fds[1]);
      arguments.insert(arguments.begin(), WISSEL_TEST_PROGRAM);
      std::vector<char*> argv, envp;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      for (std::string& variable : environment) envp.push_back(variable.data());
      argv.push_back(nullptr);
      envp.push_back(nullptr);
      execve(WISSEL_TEST_PROGRAM, argv.data(), envp.data());
      _exit(127);
    }
    close(fds[1]);
    out_ = fds[0];
  }
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(out_);
  }

  // Reads until the output contains `text`; false when it ends before.
  bool WaitFor(absl::string_view text) {
    while (!absl::StrContains(output_, text)) {
      if (!Read()) return false;
    }
    return true;
  }
  void Signal(int signal) { kill(pid_, signal); }

  // The exit code, or 128 and the signal's number.
  int Wait() {
    while (Read()) {
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  const std::string& output() const { return output_; }

  std::string Get(absl::string_view path) {
    const size_t at = output_.find("telemetry_port=");
    int port = 0;
    if (at == std::string::npos ||
        !absl::SimpleAtoi(output_.substr(at + 15, output_.find('\n', at) - at - 15), &port)) {
      return "no port";
    }
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::string reply;
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n");
      if (write(fd, request.data(), request.size()) > 0) {
        char buffer[4096];
        for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) {
          reply.append(buffer, static_cast<size_t>(n));
        }
      }
    }
    close(fd);
    return reply;
  }

 private:
  bool Read() {
    char buffer[4096];
    const ssize_t n = read(out_, buffer, sizeof(buffer));
    if (n > 0) output_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }

  pid_t pid_ = -1;
  int out_ = -1;
  std::string output_;
};

std::vector<std::string> Serving(std::string mode) {
  return {"--set", "telemetry.listen=127.0.0.1:0", "--mode", std::move(mode)};
}

TEST(Service, ServesUntilSigtermThenDrains) {
  Child child(Serving("run"));
  ASSERT_TRUE(child.WaitFor(" started\n")) << child.output();
  EXPECT_THAT(child.Get("/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(child.Get("/metrics"), HasSubstr("wissel_build_info{version=\""));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait(), kOk);
  EXPECT_THAT(child.output(),
              AllOf(HasSubstr("signal=SIGTERM"), HasSubstr("app drains"), HasSubstr(" stopped\n")));
}

TEST(Service, WhatProtobufSaysIsALineOfTheLog) {
  Child child(Serving("bad_text"));
  ASSERT_TRUE(child.WaitFor(" started\n")) << child.output();
  EXPECT_THAT(child.output(), HasSubstr(" ERROR   protobuf message=\"String field"));
  EXPECT_THAT(child.output(), Not(HasSubstr("libprotobuf")));
}

TEST(Service, EndsOnSigintToo) {
  Child child(Serving("run"));
  ASSERT_TRUE(child.WaitFor(" started\n"));
  child.Signal(SIGINT);
  EXPECT_EQ(child.Wait(), kOk);
}

TEST(Service, IsNotReadyWhileItDrainsAndEndsAtOnceOnASecondSignal) {
  Child child(Serving("stuck_drain"));
  ASSERT_TRUE(child.WaitFor(" started\n"));
  child.Signal(SIGTERM);
  ASSERT_TRUE(child.WaitFor("app drains"));
  EXPECT_THAT(child.Get("/readyz"),
              AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("\"reason\":\"draining\"")));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait(), kFailed);
  EXPECT_THAT(child.output(), Not(HasSubstr("stopped")));
}

TEST(Service, EndsADrainThatOverstaysItsTime) {
  std::vector<std::string> arguments = Serving("stuck_drain");
  arguments.insert(arguments.end(), {"--set", "drain_timeout=1ms"});
  Child child(arguments);
  ASSERT_TRUE(child.WaitFor(" started\n"));
  child.Signal(SIGTERM);
  EXPECT_EQ(child.Wait(), kFailed);
  EXPECT_THAT(child.output(), HasSubstr("did not drain in time limit=1ms"));
}

TEST(Service, FailuresExitWithOneAndSayWhy) {
  Child start(Serving("fail_at_start"));
  EXPECT_EQ(start.Wait(), kFailed);
  EXPECT_THAT(start.output(), HasSubstr("cannot start status=\"UNAVAILABLE: no broker\""));

  Child later(Serving("fail_later"));
  EXPECT_EQ(later.Wait(), kFailed);
  EXPECT_THAT(later.output(), AllOf(HasSubstr("status=\"DATA_LOSS: first\""),
                                    HasSubstr("app drains"), Not(HasSubstr("second"))));

  Child drain(Serving("bad_drain"));
  ASSERT_TRUE(drain.WaitFor(" started\n"));
  drain.Signal(SIGTERM);
  EXPECT_EQ(drain.Wait(), kFailed);
  EXPECT_THAT(drain.output(), HasSubstr("drain failed status=\"DEADLINE_EXCEEDED: work left\""));

  // An address for documentation, which is nobody's (RFC 5737).
  Child listen({"--set", "telemetry.listen=192.0.2.1:9464"});
  EXPECT_EQ(listen.Wait(), kFailed);
  EXPECT_THAT(listen.output(), HasSubstr("telemetry.listen: cannot listen on 192.0.2.1:9464"));
}

TEST(Service, WhatIsWrongWithItsConfigurationIsALineEachAndExitsWithTwo) {
  Child child(Serving("misconfigured"));
  EXPECT_EQ(child.Wait(), kBadUsage);
  EXPECT_THAT(child.output(), HasSubstr("\nshop.yaml: one thing\nshop.yaml: another\n"));
}

TEST(Service, BadUsageExitsWithTwoBeforeAnythingStarts) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--nonsense"},
                                             {"--config"},
                                             {"--set", "nope=1"},
                                             {"--mode", "dance"},
                                             {"--config", "/none.yaml"},
                                             {"--config", "/tmp", "--check-config"},
                                             {"--set", "telemetry.listen=abc", "--check-config"},
                                             {"--print-reference", "poem"},
                                             {"surplus"}}) {
    Child child(arguments);
    EXPECT_EQ(child.Wait(), kBadUsage) << arguments[0] << " " << child.output();
    EXPECT_THAT(child.output(), Not(HasSubstr("starting")));
  }
  Child environment({}, {"WISSEL_EXAMPLE_MODES=run"});
  EXPECT_EQ(environment.Wait(), kBadUsage);
  EXPECT_EQ(
      environment.output(),
      "environment WISSEL_EXAMPLE_MODES: names no setting; did you mean WISSEL_EXAMPLE_MODE?\n");
}

TEST(Service, ExplainsItself) {
  Child help({"--help"});
  EXPECT_EQ(help.Wait(), kOk);
  EXPECT_THAT(help.output(),
              AllOf(HasSubstr("--set KEY=VALUE"), HasSubstr("--mode VALUE"),
                    HasSubstr("drain_timeout  (duration, from 1ms to 10m; default 25s)"),
                    HasSubstr("WISSEL_EXAMPLE_LOG_LEVEL"), HasSubstr("Exit codes:")));
  Child version({"--version"});
  EXPECT_EQ(version.Wait(), kOk);
  EXPECT_THAT(version.output(), StartsWith("wissel-example 0."));

  Child config({"--print-reference", "config"});
  EXPECT_EQ(config.Wait(), kOk);
  EXPECT_THAT(config.output(), AllOf(StartsWith("# wissel-example: settings\n"),
                                     HasSubstr("| `token` | secret |  | A secret. |\n")));
  Child metrics({"--print-reference", "metrics"});
  EXPECT_EQ(metrics.Wait(), kOk);
  EXPECT_THAT(metrics.output(), HasSubstr("| `wissel_example_seen_total` | counter |"));
}

TEST(Service, PrintsAndChecksTheConfigurationWithoutSecrets) {
  Child print({"--print-config", "--log-format", "json"},
              {"WISSEL_EXAMPLE_MODE=bad_drain", "WISSEL_EXAMPLE_TOKEN=env:TOKEN", "TOKEN=hunter2"});
  EXPECT_EQ(print.Wait(), kOk);
  EXPECT_EQ(print.output(),
            "log:\n  level: info\n  format: json\ntelemetry:\n  listen: \"127.0.0.1:9464\"\n"
            "drain_timeout: 25s\nmode: bad_drain\ntoken: {env: \"TOKEN\"}\n");
  Child check({"--check-config"});
  EXPECT_EQ(check.Wait(), kOk);
  EXPECT_EQ(check.output(), "configuration ok\n");
}

}  // namespace
}  // namespace wissel::service
