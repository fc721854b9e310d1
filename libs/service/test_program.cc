// A service that does nothing but what its test tells it to.

#include <google/protobuf/wrappers.pb.h>

#include <thread>

#include "libs/service/service.h"

namespace {

using ::wissel::service::App;
using ::wissel::service::Context;

enum class Mode {
  kRun,
  kFailAtStart,
  kMisconfigured,
  kFailLater,
  kBadDrain,
  kStuckDrain,
  kBadText
};

struct Settings {
  Mode mode = Mode::kRun;
  wissel::config::Secret token;
  void Describe(wissel::config::Binder& b) {
    b.Enum("mode", &mode, "What to do.",
           {{"run", Mode::kRun},
            {"fail_at_start", Mode::kFailAtStart},
            {"misconfigured", Mode::kMisconfigured},
            {"fail_later", Mode::kFailLater},
            {"bad_drain", Mode::kBadDrain},
            {"stuck_drain", Mode::kStuckDrain},
            {"bad_text", Mode::kBadText}});
    b.SecretText("token", &token, "A secret.");
  }
};

class TestApp : public App {
 public:
  TestApp(Mode mode, const Context& context) : mode_(mode), log_(context.log) {
    if (mode == Mode::kFailLater) {
      failing_ = std::jthread([fail = context.fail] {
        fail(absl::DataLossError("first"));
        fail(absl::DataLossError("second"));
      });
    }
    // A field of text that is none.
    if (mode == Mode::kBadText) google::protobuf::StringValue().ParseFromString("\x0a\x01\xff");
  }

  absl::Status Drain(absl::Duration) override {
    log_.Info("app drains");
    if (mode_ == Mode::kStuckDrain) std::this_thread::sleep_for(std::chrono::hours(1));
    return mode_ == Mode::kBadDrain ? absl::DeadlineExceededError("work left") : absl::OkStatus();
  }

 private:
  const Mode mode_;
  const wissel::telemetry::Logger log_;
  std::jthread failing_;
};

}  // namespace

int main(int argc, char** argv) {
  return wissel::service::Run<Settings>(
      argc, argv,
      {.name = "wissel-example",
       .summary = "An example.",
       .flags = {{"mode", "mode"}},
       .describe_metrics =
           [](wissel::telemetry::Registry& registry) {
             registry.AddCounter("wissel_example_seen_total", "Seen.");
           },
       .start = [](const Settings& settings,
                   const Context& context) -> absl::StatusOr<std::unique_ptr<App>> {
         if (settings.mode == Mode::kFailAtStart) return absl::UnavailableError("no broker");
         if (settings.mode == Mode::kMisconfigured) {
           return absl::InvalidArgumentError("shop.yaml: one thing\nshop.yaml: another");
         }
         return std::make_unique<TestApp>(settings.mode, context);
       }});
}
