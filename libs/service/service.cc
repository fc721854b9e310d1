#include "libs/service/service.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/logging.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/base/status.h"
#include "libs/base/thread.h"
#include "libs/base/version.h"

namespace wissel::service {

void CommonSettings::Describe(config::Binder& b) {
  struct Log {
    CommonSettings& common;
    void Describe(config::Binder& b) {
      using telemetry::LogFormat;
      using telemetry::Severity;
      b.Enum("level", &common.log_level, "The least severe lines to write.",
             {{"debug", Severity::kDebug},
              {"info", Severity::kInfo},
              {"warning", Severity::kWarning},
              {"error", Severity::kError}});
      b.Enum("format", &common.log_format, "Lines for people or for machines.",
             {{"text", LogFormat::kText}, {"json", LogFormat::kJson}});
    }
  };
  struct Telemetry {
    CommonSettings& common;
    void Describe(config::Binder& b) {
      b.HostPort("listen", &common.telemetry_listen,
                 "HOST:PORT of /metrics, /healthz and /readyz; port 0 takes a free one. In a "
                 "container 0.0.0.0:9464, or no probe reaches it; of services that share a "
                 "machine each needs a port of its own. Without encryption or login: only where "
                 "operators reach it.");
    }
  };
  Log log{*this};
  b.Group("log", &log, "Log lines, on standard error.");
  Telemetry telemetry{*this};
  b.Group("telemetry", &telemetry, "The operators' HTTP endpoint.");
  b.Duration("drain_timeout", &drain_timeout,
             "How long a service may take to finish its work after SIGTERM.",
             {.min = absl::Milliseconds(1), .max = absl::Minutes(10)});
}

namespace internal {
namespace {

// Time for an App to return after its drain's limit before the process is ended under it.
constexpr absl::Duration kDrainGrace = absl::Seconds(1);

struct Arguments {
  config::Sources sources;
  bool print_config = false;
  bool check_config = false;
  std::string reference;
};

// The exit code if the process is to end here, as after --help.
std::optional<int> ParseArguments(int argc, const char* const* argv, const Program& program,
                                  const config::Description& describe, Arguments* arguments) {
  CLI::App cli(program.summary, program.name);
  cli.add_option("--config", arguments->sources.file, "Configuration file (YAML)")
      ->type_name("FILE");
  cli.add_option("--set", arguments->sources.assignments,
                 "Set one value, over file and environment; repeatable")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  cli.add_flag("--check-config", arguments->check_config, "Check the configuration and exit");
  cli.add_flag("--print-config", arguments->print_config,
               "Print the configuration in force, without secrets, and exit");
  cli.add_option("--print-reference", arguments->reference,
                 "Print a reference page in Markdown and exit")
      ->type_name("config|metrics")
      ->check(CLI::IsMember({"config", "metrics"}));
  std::vector<Flag> flags = {{"log-format", "log.format"}};
  flags.insert(flags.end(), program.flags.begin(), program.flags.end());
  for (const Flag& flag : flags) {
    cli.add_option_function<std::string>(
           absl::StrCat("--", flag.name),
           [arguments, key = flag.key](const std::string& value) {
             arguments->sources.assignments.push_back(absl::StrCat(key, "=", value));
           },
           absl::StrCat("The same as --set ", flag.key, "=VALUE"))
        ->type_name("VALUE");
  }
  cli.set_version_flag("--version", absl::StrCat(program.name, " ", std::string(Version())));
  cli.footer(absl::StrCat("Settings (in the file; with --set; or in the environment, such as ",
                          config::EnvironmentPrefix(program.name), "LOG_LEVEL for log.level):\n",
                          config::Help(describe),
                          "\nA secret is {file: PATH} or {env: NAME} in the file, file:PATH or "
                          "env:NAME elsewhere;\nwhat is inside lists stands in the file.\n"
                          "\nExit codes: 0 done, 1 failed, 2 bad usage or configuration."));
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? kOk : kBadUsage;
  }
  return std::nullopt;
}

std::string ReferencePage(const Arguments& arguments, const Program& program,
                          const config::Description& describe) {
  if (arguments.reference == "config") {
    return absl::StrCat(
        "# ", program.name, ": settings\n\n", program.summary,
        "\n\nThey stand in the YAML file given with `--config`. The environment goes "
        "before it, and `--set KEY=VALUE` before both; in the\nenvironment a "
        "setting is called by its key in upper case with `_` for each dot: `",
        config::EnvironmentPrefix(program.name),
        "LOG_LEVEL` for `log.level`.\nWhat is not known is refused, and "
        "`--check-config` says it without a start. How values are written:\n\n",
        config::ReferenceOfTypes(), "\n", config::Reference(describe));
  }
  telemetry::Registry registry;
  if (program.describe_metrics) program.describe_metrics(registry);
  return absl::StrCat("# ", program.name, ": metrics\n\n", program.summary, "\n\n",
                      telemetry::MetricsReference(registry));
}

// The first failure reported, and a descriptor that becomes readable with it. Thread-safe.
class Failure {
 public:
  Failure() : fd_(eventfd(0, EFD_CLOEXEC)) { WISSEL_CHECK(fd_ >= 0) << std::strerror(errno); }
  ~Failure() { close(fd_); }

  void Set(absl::Status status) {
    MutexLock lock(mutex_);
    if (!status_.ok()) return;
    status_ = status.ok() ? absl::InternalError("failed without saying why") : std::move(status);
    const uint64_t one = 1;
    WISSEL_CHECK(write(fd_, &one, sizeof(one)) == sizeof(one)) << std::strerror(errno);
  }
  absl::Status Get() const {
    MutexLock lock(mutex_);
    return status_;
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
  mutable Mutex mutex_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

sigset_t EndingSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Keeps the ending signals from every thread started later; they are read with Wait.
class Signals {
 public:
  Signals() {
    const sigset_t signals = EndingSignals();
    WISSEL_CHECK(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
    WISSEL_CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
    WISSEL_CHECK(fd_ >= 0) << std::strerror(errno);
  }
  ~Signals() { close(fd_); }

  // Until a signal came (its name is returned) or `failure` is set (nothing is).
  absl::string_view Wait(const Failure& failure) {
    pollfd fds[] = {{.fd = fd_, .events = POLLIN, .revents = 0},
                    {.fd = failure.fd(), .events = POLLIN, .revents = 0}};
    while (poll(fds, 2, -1) < 0) {
      WISSEL_CHECK(errno == EINTR) << std::strerror(errno);
    }
    if ((fds[0].revents & POLLIN) == 0) return "";
    signalfd_siginfo info;
    WISSEL_CHECK(read(fd_, &info, sizeof(info)) == sizeof(info)) << std::strerror(errno);
    return info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT";
  }

  // From now on a signal ends the process at once. With a handler, not the default action, which
  // process 1 of a container does not have.
  static void EndOnNext() {
    struct sigaction action {};
    action.sa_handler = [](int) { _exit(kFailed); };
    const sigset_t signals = EndingSignals();
    WISSEL_CHECK(sigaction(SIGTERM, &action, nullptr) == 0);
    WISSEL_CHECK(sigaction(SIGINT, &action, nullptr) == 0);
    WISSEL_CHECK(pthread_sigmask(SIG_UNBLOCK, &signals, nullptr) == 0);
  }

 private:
  int fd_;
};

// While it lives, what protobuf has to say (of a text that is no UTF-8, say) stands among the other
// lines. One at a time.
class ProtobufLog {
 public:
  explicit ProtobufLog(const telemetry::Logger& log) {
    log_ = &log;
    before_ = google::protobuf::SetLogHandler(&Write);
  }
  ~ProtobufLog() { google::protobuf::SetLogHandler(before_); }
  ProtobufLog(const ProtobufLog&) = delete;
  ProtobufLog& operator=(const ProtobufLog&) = delete;

 private:
  static void Write(google::protobuf::LogLevel level, const char*, int,
                    const std::string& message) {
    if (level >= google::protobuf::LOGLEVEL_ERROR) {
      log_->Error("protobuf", {{"message", message}});
    } else {
      log_->Warning("protobuf", {{"message", message}});
    }
  }

  static inline const telemetry::Logger* log_ = nullptr;
  google::protobuf::LogHandler* before_;
};

absl::Status DrainInTime(App& app, absl::Duration limit, const telemetry::Logger& log) {
  Notification drained;
  const std::jthread watchdog = StartThread("drain-watchdog", [&] {
    if (drained.WaitFor(limit + kDrainGrace)) return;
    log.Error("did not drain in time", {{"limit", limit}});
    _exit(kFailed);
  });
  const absl::Status status = app.Drain(limit);
  drained.Notify();
  return status;
}

int Serve(const Program& program, const CommonSettings& common) {
  Signals signals;
  const SystemClock clock;
  const telemetry::Logger log({.format = common.log_format,
                               .min_severity = common.log_level,
                               .clock = &clock,
                               .write = {}});
  const ProtobufLog protobuf_log(log);
  telemetry::Registry metrics;
  telemetry::Readiness readiness;
  telemetry::Endpoint endpoint(metrics, readiness);
  metrics
      .AddGaugeFamily("wissel_build_info", "1; the label says what was built.",
                      {{.name = "version", .values = {std::string(Version())}}})
      .With({Version()})
      .Set(1);
  telemetry::Readiness::Condition serving = readiness.Add("serving");

  if (const absl::Status started = endpoint.Start(common.telemetry_listen); !started.ok()) {
    log.Error("cannot start", {{"status", Annotate(started, "telemetry.listen")}});
    return kFailed;
  }
  log.Info(
      "starting",
      {{"service", program.name}, {"version", Version()}, {"telemetry_port", endpoint.port()}});

  Failure failure;
  absl::StatusOr<std::unique_ptr<App>> app =
      program.start({.clock = clock,
                     .log = log,
                     .metrics = metrics,
                     .readiness = readiness,
                     .endpoint = endpoint,
                     .fail = [&failure](absl::Status status) { failure.Set(std::move(status)); }});
  if (absl::IsInvalidArgument(app.status())) {
    // What the configuration says is at fault, perhaps in many places: for a person, a line each.
    std::fprintf(stderr, "%s\n", std::string(app.status().message()).c_str());
    return kBadUsage;
  }
  if (!app.ok()) {
    log.Error("cannot start", {{"status", app.status()}});
    return kFailed;
  }
  serving.SetReady();
  log.Info("started");

  const absl::string_view signal = signals.Wait(failure);
  Signals::EndOnNext();
  serving.SetNotReady("draining");
  if (signal.empty()) {
    log.Error("failed; draining", {{"status", failure.Get()}});
  } else {
    log.Info("draining", {{"signal", signal}, {"limit", common.drain_timeout}});
  }
  const absl::Status drained = DrainInTime(**app, common.drain_timeout, log);
  if (!drained.ok()) log.Error("drain failed", {{"status", drained}});
  app->reset();
  endpoint.Stop();
  log.Info("stopped");
  return failure.Get().ok() && drained.ok() ? kOk : kFailed;
}

}  // namespace

int Run(int argc, const char* const* argv, const Program& program) {
  CommonSettings common;
  const config::Description describe = [&](config::Binder& binder) {
    common.Describe(binder);
    program.describe(binder);
  };
  Arguments arguments;
  if (const auto exit = ParseArguments(argc, argv, program, describe, &arguments)) return *exit;
  if (!arguments.reference.empty()) {
    std::fputs(ReferencePage(arguments, program, describe).c_str(), stdout);
    return kOk;
  }
  arguments.sources.environment_prefix = config::EnvironmentPrefix(program.name);
  arguments.sources.environment =
      config::EnvironmentWithPrefix(arguments.sources.environment_prefix);
  if (const absl::Status loaded = config::Load(describe, arguments.sources); !loaded.ok()) {
    std::fprintf(stderr, "%s\n", std::string(loaded.message()).c_str());
    return kBadUsage;
  }
  if (arguments.print_config) {
    std::fputs(config::Print(describe).c_str(), stdout);
    return kOk;
  }
  if (arguments.check_config) {
    std::puts("configuration ok");
    return kOk;
  }
  return Serve(program, common);
}

}  // namespace internal
}  // namespace wissel::service
