#include "services/router/app.h"

#include <unistd.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/mutex.h"
#include "libs/base/notification.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/connections/kafka_settings.h"
#include "services/router/metrics.h"
#include "services/router/partition.h"

namespace wissel::router {
namespace {

// How long the thread sleeps at most when nothing comes in: its partitions' clocks go on.
constexpr absl::Duration kIdle = absl::Milliseconds(100);
constexpr absl::Duration kBusRetry = absl::Seconds(1);
constexpr absl::Duration kCommitInterval = absl::Seconds(1);
constexpr absl::Duration kStatezTimeout = absl::Seconds(10);

std::string OwnerName() {
  char host[256] = "";
  if (gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  return absl::StrCat(host, ":", getpid());
}

class RouterApp : public service::App {
 public:
  RouterApp(const RouterSettings& settings, bus::Bus& bus, std::optional<store::RedisOptions> redis,
            const service::Context& context)
      : settings_(settings),
        bus_(bus),
        redis_options_(std::move(redis)),
        context_(context),
        metrics_(context.metrics),
        ready_(context_.readiness.Add("partitions", "the log has not been reached yet")),
        wakeup_(std::make_shared<bus::Wakeup>()) {
    statez_ = context_.endpoint.AddPage("/statez", [this](absl::string_view) { return Statez(); });
    thread_ = StartThread("router", [this] { Run(); });
  }

  ~RouterApp() override {
    statez_ = {};
    stopping_ = true;
    wakeup_->Notify();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Drain(absl::Duration limit) override {
    stopping_ = true;
    wakeup_->Notify();
    if (!done_.WaitFor(limit)) {
      return absl::DeadlineExceededError("decisions are still on their way to the log");
    }
    return absl::OkStatus();
  }

 private:
  void Run() {
    if (WaitForBus()) Serve();
    done_.Notify();
  }

  // False: stopping, or the topics will not do.
  bool WaitForBus() {
    LogLimit limit;
    while (!stopping_) {
      const absl::Status status = [&]() -> absl::Status {
        WISSEL_RETURN_IF_ERROR(bus::CheckTopics(bus_));
        WISSEL_ASSIGN_OR_RETURN(partitions_, bus_.PartitionCount(bus::Topic::kLog));
        WISSEL_ASSIGN_OR_RETURN(
            membership_,
            bus_.Join(settings_.group, bus::Topic::kInbound,
                      {.session_timeout = settings_.session_timeout, .wakeup = wakeup_}));
        return absl::OkStatus();
      }();
      if (status.ok()) return true;
      if (absl::IsFailedPrecondition(status)) {
        Fail(status);
        return false;
      }
      ready_.SetNotReady(status.message());
      if (limit.Take(context_.clock.Now())) {
        context_.log.Warning("waiting for the log", {{"reason", status}});
      }
      wakeup_->Wait(kBusRetry);
    }
    return false;
  }

  void Serve() {
    std::optional<store::Redis> redis;
    if (redis_options_.has_value() && settings_.use_checkpoints) redis.emplace(*redis_options_);
    AheadWorker ahead({.name = "router-ahead", .threads = 1},
                      [] { return std::make_unique<NoTool>(); });
    Shared shared{.bus = bus_,
                  .clock = context_.clock,
                  .log = context_.log,
                  .metrics = metrics_,
                  .settings = settings_,
                  .partitions = partitions_,
                  .owner = OwnerName(),
                  .redis = redis.has_value() ? &*redis : nullptr,
                  .wakeup = wakeup_,
                  .ahead = ahead};
    LogLimit limit;
    while (!stopping_) {
      absl::StatusOr<bus::Assignment> change = membership_->Poll(absl::ZeroDuration());
      if (change.ok()) {
        for (int32_t p : change->revoked) {
          mine_.erase(p);
          given_.erase(p);
          context_.log.Info("partition given back", {{"partition", p}});
        }
        for (int32_t p : change->assigned) {
          given_[p] = {};
          if (p < partitions_) continue;
          Fail(absl::FailedPreconditionError(
              absl::StrCat("there is a partition ", p, " of ", partitions_,
                           " that there were: a log keeps the number that it was begun with")));
        }
      } else if (limit.Take(context_.clock.Now())) {
        context_.log.Warning("membership", {{"reason", change.status()}});
      }
      if (stopping_) break;
      TakeUp(shared);
      bool busy = false;
      for (auto& [number, partition] : mine_) busy = partition->Step() || busy;
      DropLost();
      if (context_.clock.Now() >= next_commit_) CommitProgress();
      AnswerStatez();
      ShowReadiness();
      if (!busy) wakeup_->Wait(std::min(kIdle, UntilNextDue()));
    }
    // Everything decided so far becomes durable before the partitions are given back.
    while (true) {
      bool drained = true;
      for (auto& [number, partition] : mine_) drained = partition->Drained() && drained;
      if (drained) break;
      wakeup_->Wait(absl::Milliseconds(10));
    }
    CommitProgress();
    mine_.clear();
    membership_.reset();
    AnswerStatez();
  }

  struct Given {
    absl::Time try_at = absl::InfinitePast();
    bool use_checkpoint = true;
  };

  void TakeUp(Shared& shared) {
    for (auto& [number, given] : given_) {
      if (mine_.contains(number) || context_.clock.Now() < given.try_at) continue;
      mine_[number] = std::make_unique<Partition>(shared, number, given.use_checkpoint);
    }
  }

  // Another attempt would find the same.
  void Fail(absl::Status status) {
    context_.fail(std::move(status));
    stopping_ = true;
  }

  void DropLost() {
    for (auto it = mine_.begin(); it != mine_.end();) {
      if (it->second->lost().ok()) {
        ++it;
        continue;
      }
      Given& given = given_[it->first];
      given.try_at = context_.clock.Now() + settings_.claim_backoff;
      given.use_checkpoint = !it->second->checkpoint_failed();
      if (it->second->group_elsewhere()) Fail(it->second->lost());
      it = mine_.erase(it);
    }
  }

  // For whoever watches the group's lag: the log alone says what is decided next.
  void CommitProgress() {
    next_commit_ = context_.clock.Now() + kCommitInterval;
    std::vector<bus::Progress> progress;
    for (const auto& [number, partition] : mine_) partition->AddProgress(progress);
    if (!progress.empty()) membership_->CommitForMonitoring(progress);
  }

  absl::Duration UntilNextDue() const {
    absl::Time due = absl::InfiniteFuture();
    for (const auto& [number, partition] : mine_) due = std::min(due, partition->NextDue());
    return std::max(absl::ZeroDuration(), due - context_.clock.Now());
  }

  void ShowReadiness() {
    if (const absl::Status standing = membership_->standing(); !standing.ok()) {
      return ready_.SetNotReady(standing.message());
    }
    for (const auto& [number, partition] : mine_) {
      if (!partition->owning()) {
        return ready_.SetNotReady(absl::StrCat("partition ", number, " is being recovered"));
      }
    }
    if (mine_.size() < given_.size()) return ready_.SetNotReady("a partition waits to be claimed");
    ready_.SetReady();
  }

  // Asked on the endpoint's thread, answered on the router's.
  telemetry::HttpReply Statez() {
    auto question = std::make_shared<Question>();
    {
      MutexLock lock(mutex_);
      questions_.push_back(question);
    }
    wakeup_->Notify();
    if (done_.HasBeenNotified() || !question->answered.WaitFor(kStatezTimeout)) {
      return {.status = 503, .content_type = "text/plain", .body = "busy\n"};
    }
    return {.content_type = "application/json", .body = question->answer};
  }

  void AnswerStatez() {
    std::vector<std::shared_ptr<Question>> questions;
    {
      MutexLock lock(mutex_);
      questions.swap(questions_);
    }
    if (questions.empty()) return;
    std::vector<std::string> partitions;
    for (const auto& [number, partition] : mine_) partitions.push_back(partition->Describe());
    const std::string answer =
        absl::StrCat("{\"partitions\":[", absl::StrJoin(partitions, ","), "]}\n");
    for (const auto& question : questions) {
      question->answer = answer;
      question->answered.Notify();
    }
  }

  struct LogLimit : telemetry::LogRateLimit {
    LogLimit() : LogRateLimit(absl::Seconds(10)) {}
  };
  struct Question {
    std::string answer;
    Notification answered;
  };

  const RouterSettings settings_;
  bus::Bus& bus_;
  const std::optional<store::RedisOptions> redis_options_;
  const service::Context context_;
  Metrics metrics_;
  telemetry::Readiness::Condition ready_;
  const std::shared_ptr<bus::Wakeup> wakeup_;
  std::atomic<bool> stopping_ = false;
  Notification done_;

  Mutex mutex_;
  std::vector<std::shared_ptr<Question>> questions_ ABSL_GUARDED_BY(mutex_);

  // The thread's own.
  int partitions_ = 0;
  std::unique_ptr<bus::Membership> membership_;
  std::map<int32_t, Given> given_;
  std::map<int32_t, std::unique_ptr<Partition>> mine_;
  absl::Time next_commit_ = absl::InfinitePast();

  std::jthread thread_;
  telemetry::Endpoint::Page statez_;
};

}  // namespace

std::unique_ptr<service::App> NewApp(const RouterSettings& settings, bus::Bus& bus,
                                     std::optional<store::RedisOptions> redis,
                                     const service::Context& context) {
  return std::make_unique<RouterApp>(settings, bus, std::move(redis), context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-router", context.log));
  auto app = NewApp(settings.router, *bus, std::move(redis), context);
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::router
