#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/config/binder.h"
#include "libs/config/config.h"
#include "libs/telemetry/endpoint.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"

namespace wissel::service {

// What an App gets from its process, instead of owning anything global: several Apps may share one
// process, as in wissel-dev. A value; what it refers to outlives every App.
struct Context {
  const Clock& clock;
  telemetry::Logger log;
  telemetry::Registry& metrics;
  telemetry::Readiness& readiness;
  telemetry::Endpoint& endpoint;
  // Ends the process: it drains and exits with 1. For what cannot be repaired by trying again. From
  // any thread, returns at once; the first status counts.
  std::function<void(absl::Status)> fail;
};

// A running service. Made by a Spec's start, which returns once everything is started: waiting for
// brokers and the like happens behind a readiness condition, not in there.
class App {
 public:
  // After Drain, or without it when the process is giving up.
  virtual ~App() = default;

  // Takes nothing new in, finishes what was accepted, gives up after `limit`. Called once. An error
  // is logged and makes the exit code 1.
  virtual absl::Status Drain(absl::Duration limit) = 0;
};

// An app with what it stands on, which goes after it.
template <typename Ground>
class AppOn final : public App {
 public:
  AppOn(std::unique_ptr<Ground> ground, std::unique_ptr<App> app)
      : ground_(std::move(ground)), app_(std::move(app)) {}
  absl::Status Drain(absl::Duration limit) override { return app_->Drain(limit); }

 private:
  const std::unique_ptr<Ground> ground_;
  const std::unique_ptr<App> app_;
};

// A flag of its own for a setting: {"role", "role"} makes `--role X` mean `--set role=X`.
struct Flag {
  std::string name;
  std::string key;
};

enum ExitCode {
  kOk = 0,       // drained after a signal, or printed what was asked for
  kFailed = 1,   // could not start, failed while running, or could not drain in time
  kBadUsage = 2  // flags or configuration; nothing was started
};

// Everything that distinguishes one service's main from another's. `Settings` has a
// `void Describe(config::Binder&)`; its keys stand beside those of CommonSettings.
template <class Settings>
struct Spec {
  std::string name;     // "wissel-router": the binary, and through it the prefix of its environment
  std::string summary;  // one sentence for --help and the reference pages
  std::vector<Flag> flags = {};
  // Adds the service's metrics, as running it would: for the reference page.
  std::function<void(telemetry::Registry&)> describe_metrics;
  std::function<absl::StatusOr<std::unique_ptr<App>>(const Settings&, const Context&)> start;
};

// What every service can be told.
struct CommonSettings {
  telemetry::Severity log_level = telemetry::Severity::kInfo;
  telemetry::LogFormat log_format = telemetry::LogFormat::kText;
  std::string telemetry_listen = "127.0.0.1:9464";
  // Kubernetes kills a pod 30 s after it asked it to end.
  absl::Duration drain_timeout = absl::Seconds(25);

  void Describe(config::Binder& b);
};

namespace internal {

struct Program {
  std::string name;
  std::string summary;
  std::vector<Flag> flags;
  config::Description describe;
  std::function<void(telemetry::Registry&)> describe_metrics;
  std::function<absl::StatusOr<std::unique_ptr<App>>(const Context&)> start;
};

int Run(int argc, const char* const* argv, const Program& program);

}  // namespace internal

// The whole main of a service; returns its exit code, an ExitCode. Reads flags and configuration,
// starts the operators' endpoint and the App, waits for SIGTERM, SIGINT or Context::fail, drains. A
// second signal while draining ends the process at once with kFailed, and so does a drain that
// overstays its time. To be called before any thread is started, once per process.
template <class Settings>
int Run(int argc, const char* const* argv, const Spec<Settings>& spec) {
  Settings settings;
  return internal::Run(
      argc, argv,
      {.name = spec.name,
       .summary = spec.summary,
       .flags = spec.flags,
       .describe = [&](config::Binder& binder) { settings.Describe(binder); },
       .describe_metrics = spec.describe_metrics,
       .start = [&](const Context& context) { return spec.start(settings, context); }});
}

}  // namespace wissel::service
