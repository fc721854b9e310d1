#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/channel/publisher.h"
#include "tests/chaos/checkers.h"
#include "tests/chaos/customers.h"
#include "tests/chaos/log_follower.h"
#include "tests/chaos/report.h"
#include "tests/chaos/run.h"

namespace wissel::chaos {
namespace {

constexpr absl::Duration kReady = absl::Seconds(60);
constexpr absl::Duration kTick = absl::Milliseconds(10);
constexpr absl::Duration kQuiet = absl::Seconds(60);

// The stage of a canary: routers and ingests only, and a log that is followed.
class CanaryRun {
 public:
  explicit CanaryRun(const CanaryOptions& options) : options_(options) {}

  absl::StatusOr<bool> Go() {
    const absl::Time begin = absl::Now();
    StageOptions stage = options_.run.stage;
    stage.graph_url = "http://127.0.0.1:9";  // Nobody: nothing is delivered here.
    WISSEL_ASSIGN_OR_RETURN(stage_, Stage::Set(stage));
    WISSEL_ASSIGN_OR_RETURN(follower_, LogFollower::Start(stage_->bus()));
    WISSEL_RETURN_IF_ERROR(Play());
    WISSEL_RETURN_IF_ERROR(follower_->CatchUp());
    const int64_t void_decisions = follower_->void_decisions();
    history_.log = follower_->Finish();
    Violations violations = CheckHistory(history_);
    for (Violation& violation : CheckStates(history_, held_)) {
      violations.push_back(std::move(violation));
    }
    Say(absl::StrCat(
        history_.messages.size(), " messages, ", void_decisions, " void decisions, ", held_.size(),
        " states compared, ",
        absl::FormatDuration(absl::Trunc(absl::Now() - begin, absl::Milliseconds(1)))));
    PrintVerdict(violations);
    const bool caught = !violations.empty();
    Say(options_.control
            ? (caught ? "with the guard on something was found: the canary proves nothing"
                      : "with the guard on nothing was found, as it must be")
            : (caught ? "caught" : "NOT CAUGHT: the guard was off and nobody noticed"));
    return caught != options_.control;
  }

 private:
  absl::Status Play() {
    switch (options_.canary) {
      case Canary::kEpoch:
        return PlayEpoch();
      case Canary::kDedupe:
        return PlayDedupe();
      case Canary::kAck:
        return PlayAck();
    }
    return absl::InvalidArgumentError("no such canary");
  }

  absl::Status StartRouter(const std::string& name, absl::string_view guard) {
    std::vector<std::string> settings;
    if (!guard.empty() && !options_.control) settings.push_back(absl::StrCat(guard, "=true"));
    WISSEL_RETURN_IF_ERROR(stage_->StartRouter(name, settings));
    return stage_->fleet().WaitReady(name, kReady);
  }

  // A router is stopped with a backlog in its hands, another takes over, the first wakes and goes
  // on deciding: its records are void. Then a router without the rule folds the log, void records
  // included, and holds a state that the log does not say.
  absl::Status PlayEpoch() {
    constexpr absl::string_view kGuard = "router.chaos_ignore_reader_rule";
    constexpr int kRounds = 5;
    WISSEL_RETURN_IF_ERROR(StartRouter("router-1", kGuard));
    WISSEL_RETURN_IF_ERROR(AwaitConfigured());
    std::string zombie = "router-1";
    std::string heir = "router-2";
    int backlog = options_.run.messages;
    for (int round = 0; follower_->void_decisions() == 0; ++round) {
      if (round == kRounds) return absl::UnavailableError("no zombie got anything into the log");
      const int64_t before = follower_->messages();
      WISSEL_RETURN_IF_ERROR(PublishBacklog(backlog));
      WISSEL_RETURN_IF_ERROR(Await("the zombie's first decisions",
                                   [&] { return follower_->messages() > before + backlog / 20; }));
      stage_->fleet().Pause(zombie);
      WISSEL_RETURN_IF_ERROR(StartRouter(heir, kGuard));
      WISSEL_RETURN_IF_ERROR(
          Await("the heir", [&] { return follower_->messages() == before + backlog; }));
      stage_->fleet().Resume(zombie);
      const Timeout wake(absl::Seconds(3));
      while (!wake.Expired() && follower_->void_decisions() == 0) absl::SleepFor(kTick);
      stage_->fleet().Kill(zombie);
      std::swap(zombie, heir);
      backlog *= 2;
    }
    stage_->fleet().Kill(zombie);  // The last heir.
    const std::vector<int64_t> before = follower_->epochs();
    WISSEL_RETURN_IF_ERROR(StartRouter("router-3", kGuard));
    WISSEL_RETURN_IF_ERROR(AwaitEpochs(before));
    WISSEL_RETURN_IF_ERROR(stage_->fleet().WaitReady("router-3", kReady));
    WISSEL_ASSIGN_OR_RETURN(held_, stage_->RouterStates({"router-3"}));
    if (held_.size() != kPartitions) {
      return absl::UnavailableError(
          absl::StrCat("router-3 owns ", held_.size(), " of ", kPartitions, " partitions"));
    }
    return absl::OkStatus();
  }

  // Webhooks are repeated, at once and later, at both addresses.
  absl::Status PlayDedupe() {
    WISSEL_RETURN_IF_ERROR(StartRouter("router-1", "router.chaos_ignore_seen"));
    WISSEL_RETURN_IF_ERROR(AwaitConfigured());
    WISSEL_RETURN_IF_ERROR(StartIngest("ingest-1", false));
    WISSEL_RETURN_IF_ERROR(StartIngest("ingest-2", false));
    return Write({.messages = options_.run.messages, .label = "c", .twice = 0.3, .again = 0.3},
                 absl::Seconds(3), nullptr);
  }

  // The broker stands still, webhooks come in, and the one who took them is killed.
  absl::Status PlayAck() {
    WISSEL_RETURN_IF_ERROR(StartRouter("router-1", ""));
    WISSEL_RETURN_IF_ERROR(AwaitConfigured());
    WISSEL_RETURN_IF_ERROR(StartIngest("ingest-1", !options_.control));
    WISSEL_RETURN_IF_ERROR(
        Write({.messages = options_.run.messages, .label = "before"}, absl::Seconds(1), nullptr));
    WISSEL_RETURN_IF_ERROR(stage_->Stack({"pause", "kafka"}));
    // Few, as nobody answers those who keep the rule.
    return Write({.messages = 32, .label = "during", .give_up_after = absl::Seconds(3)},
                 absl::ZeroDuration(), [this]() -> absl::Status {
                   stage_->fleet().Kill("ingest-1");
                   WISSEL_RETURN_IF_ERROR(stage_->Stack({"resume", "kafka"}));
                   WISSEL_RETURN_IF_ERROR(stage_->fleet().Restart("ingest-1"));
                   return stage_->fleet().WaitReady("ingest-1", kReady);
                 });
  }

  absl::Status StartIngest(const std::string& name, bool acknowledge_first) {
    WISSEL_RETURN_IF_ERROR(stage_->StartIngest(name, acknowledge_first));
    return stage_->fleet().WaitReady(name, kReady);
  }

  // Has customers write, lets `meanwhile` happen when all have written, and waits until what was
  // acknowledged is in the log, or will not come.
  absl::Status Write(CustomersOptions options, absl::Duration duration,
                     const std::function<absl::Status()>& meanwhile) {
    options.seed = options_.run.seed;
    options.duration = duration;
    options.customers = 32;
    options.phone_number_ids = stage_->phone_number_ids();
    options.app_secret = std::string(Stage::app_secret());
    options.webhook_urls = stage_->webhook_urls();
    Customers customers(std::move(options));
    WISSEL_RETURN_IF_ERROR(Await("the customers", [&] { return customers.done(); }));
    if (meanwhile) WISSEL_RETURN_IF_ERROR(meanwhile());
    const std::vector<CustomerMessage> written = customers.messages();
    history_.messages.insert(history_.messages.end(), written.begin(), written.end());
    // Nothing new for two seconds: what is not there by then was not held up but lost.
    int64_t decisions = -1;
    Timeout quiet(absl::Seconds(2));
    const Timeout limit(kQuiet);
    while (!quiet.Expired() && !limit.Expired()) {
      if (follower_->decisions() != decisions) {
        decisions = follower_->decisions();
        quiet = Timeout(absl::Seconds(2));
      }
      absl::SleepFor(kTick);
    }
    return absl::OkStatus();
  }

  // Puts messages into the inbound topic, past the channel, as fast as it goes.
  absl::Status PublishBacklog(int count) {
    const SystemClock clock;
    channel::Publisher publisher(&stage_->bus(), &clock, {.max_in_flight = 100'000});
    WISSEL_RETURN_IF_ERROR(publisher.Connect());
    for (int i = 0; i < count; ++i) {
      const size_t group = static_cast<size_t>(i) % stage_->routing_groups().size();
      message::v1::InboundMessage message;
      message.mutable_envelope()->set_workspace_id("shop");
      message.mutable_envelope()->set_routing_group_id(stage_->routing_groups()[group]);
      message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
      message.mutable_account()->set_account_id(absl::StrCat("wa-", group));
      message.mutable_sender()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
      message.mutable_sender()->set_address(absl::StrCat(31'600'000'000 + i % 100));
      message.add_contents()->mutable_text()->set_text("hello");
      const std::string id = absl::StrCat("backlog.", published_++);
      message.set_provider_message_id(id);
      history_.messages.push_back({.provider_message_id = id,
                                   .customer = absl::StrCat(i % 100, "@", group),
                                   .step = published_,
                                   .acknowledged = true});
      publisher.Publish(std::move(message), "", [](absl::Status) {});
    }
    return publisher.Flush(absl::Seconds(30));
  }

  absl::Status AwaitConfigured() {
    return Await("the configuration to be in force",
                 [&] { return follower_->config_version() > 0; });
  }

  absl::Status AwaitEpochs(const std::vector<int64_t>& above) {
    return Await("a router to own every partition", [&] {
      const std::vector<int64_t> now = follower_->epochs();
      for (size_t i = 0; i < now.size(); ++i) {
        if (now[i] <= above[i]) return false;
      }
      return true;
    });
  }

  template <class Condition>
  absl::Status Await(absl::string_view what, Condition condition) {
    const Timeout limit(kQuiet);
    while (!condition()) {
      for (const std::string& fallen : stage_->fleet().TakeFallen()) {
        return absl::InternalError(absl::StrCat("fell by itself: ", fallen));
      }
      if (limit.Expired()) return absl::UnavailableError(absl::StrCat("waiting for ", what));
      absl::SleepFor(kTick);
    }
    return absl::OkStatus();
  }

  const CanaryOptions& options_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<LogFollower> follower_;
  History history_;
  std::vector<HeldState> held_;
  int published_ = 0;
};

}  // namespace

absl::StatusOr<bool> RunCanary(const CanaryOptions& options) { return CanaryRun(options).Go(); }

}  // namespace wissel::chaos
