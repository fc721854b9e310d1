// What a decision costs, without any bus: against parsing the input and writing it again.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/routing/testing/heap.h"
#include "libs/routing/testing/shop.h"

namespace wissel::domain {
namespace {

using domain::testing::CommandBy;
using domain::testing::ShopConfig;
using domain::testing::StartTime;

// Serialised messages of `customers`, in turn.
std::vector<std::string> Inbound(int n, int customers) {
  std::vector<std::string> inputs;
  inputs.reserve(n);
  for (int i = 0; i < n; ++i) {
    inputs.push_back(
        domain::testing::Text(absl::StrCat("316", i % customers), i, "nl", std::string(200, 'x'))
            .SerializeAsString());
  }
  return inputs;
}

std::unique_ptr<Engine> NewShop() {
  auto engine = std::make_unique<Engine>(
      State(), Engine::Options{.holds = [](absl::string_view) { return true; }});
  log::v1::InputCause cause;
  cause.set_topic(common::v1::INPUT_TOPIC_CONFIG);
  engine->Decide(cause, ShopConfig(), StartTime());
  return engine;
}

// The floor: parse an input, put it into a decision, write that.
void BM_EmptyTransform(benchmark::State& state) {
  const std::vector<std::string> inputs = Inbound(20'000, 5'000);
  for (auto _ : state) {
    for (const std::string& input : inputs) {
      message::v1::InboundMessage message;
      message.ParseFromString(input);
      log::v1::Decision decision;
      *decision.add_events()->mutable_message_received()->mutable_message() = std::move(message);
      benchmark::DoNotOptimize(decision.SerializeAsString());
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(inputs.size()));
}
BENCHMARK(BM_EmptyTransform)->Unit(benchmark::kMillisecond);

// A backlog of messages, one customer in four new; nobody is online, so that conversations wait.
void BM_DecideMessages(benchmark::State& state) {
  const std::vector<std::string> inputs = Inbound(20'000, 5'000);
  for (auto _ : state) {
    state.PauseTiming();
    std::unique_ptr<Engine> engine = NewShop();
    state.ResumeTiming();
    int64_t offset = 0;
    for (const std::string& input : inputs) {
      message::v1::InboundMessage message;
      message.ParseFromString(input);
      log::v1::InputCause cause;
      cause.set_topic(common::v1::INPUT_TOPIC_INBOUND);
      cause.set_offset(offset++);
      const log::v1::Decision decision =
          engine->Decide(cause, std::move(message), StartTime() + absl::Microseconds(offset));
      benchmark::DoNotOptimize(decision.SerializeAsString());
    }
    state.PauseTiming();
    engine.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(inputs.size()));
}
BENCHMARK(BM_DecideMessages)->Unit(benchmark::kMillisecond);

// Folding the log of that backlog: what recovery without a checkpoint does.
void BM_Fold(benchmark::State& state) {
  const std::vector<std::string> inputs = Inbound(20'000, 5'000);
  std::unique_ptr<Engine> engine = NewShop();
  std::vector<std::string> log;
  int64_t offset = 0;
  for (const std::string& input : inputs) {
    message::v1::InboundMessage message;
    message.ParseFromString(input);
    log::v1::InputCause cause;
    cause.set_topic(common::v1::INPUT_TOPIC_INBOUND);
    cause.set_offset(offset++);
    log.push_back(engine->Decide(cause, message, StartTime()).SerializeAsString());
  }
  for (auto _ : state) {
    State folded;
    for (const std::string& record : log) {
      log::v1::Decision decision;
      decision.ParseFromString(record);
      folded.Apply(decision);
    }
    benchmark::DoNotOptimize(folded.conversations().size());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(log.size()));
}
BENCHMARK(BM_Fold)->Unit(benchmark::kMillisecond);

// A shop of some size, with a routing rule for each queue and clocks on each conversation.
config::v1::WorkspaceConfig LargeShop(int agents, int64_t version) {
  config::v1::WorkspaceConfig config = routing::testing::Shop(agents, version);
  const config::v1::WorkspaceConfig small = ShopConfig();
  config.set_workspace_id(small.workspace_id());
  *config.mutable_routing_groups() = small.routing_groups();
  *config.mutable_accounts() = small.accounts();
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    queue.add_rules()->add_topic_patterns(absl::StrCat("about ", queue.queue_id(), "$"));
    // Each configuration differs from the one before in what all that waits is worth.
    queue.set_base_priority(queue.base_priority() + static_cast<int32_t>(version % 2));
  }
  config::v1::SlaPolicy& policy = *config.add_sla_policies();
  policy.set_sla_policy_id("all");
  for (const auto metric :
       {config::v1::SLA_METRIC_FIRST_RESPONSE, config::v1::SLA_METRIC_RESOLUTION}) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(metric);
    *target.mutable_target() = ToProto(absl::Hours(4));
  }
  return config;
}

// The pause of a partition: another configuration is decided, with all that follows at once, while
// so many conversations wait.
void BM_ApplyConfig(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  const auto waiting = static_cast<int>(state.range(1));
  auto engine = std::make_unique<Engine>(
      State(), Engine::Options{.holds = [](absl::string_view) { return true; }});
  absl::Time now = StartTime();
  int64_t version = 0;
  const auto apply = [&](const config::v1::WorkspaceConfig& config) {
    log::v1::InputCause cause;
    cause.set_topic(common::v1::INPUT_TOPIC_CONFIG);
    cause.set_offset(version);
    return engine->Decide(cause, config, now);
  };
  const config::v1::WorkspaceConfig shops[] = {LargeShop(agents, 2), LargeShop(agents, 1)};
  const auto next = [&] {
    config::v1::WorkspaceConfig config = shops[++version % 2];
    config.set_version(version);
    return config;
  };
  apply(next());
  const int64_t before = routing::testing::HeapBytes();
  routing::testing::Random random(11);
  for (int i = 0; i < waiting; ++i) {
    log::v1::InputCause cause;
    cause.set_topic(common::v1::INPUT_TOPIC_INBOUND);
    cause.set_offset(i);
    const int queue = random.Skewed(routing::testing::kQueues);
    engine->Decide(cause,
                   domain::testing::Text(absl::StrCat("316", i), i, "nl",
                                         absl::StrCat("about ", routing::testing::QueueId(queue))),
                   now += absl::Milliseconds(6));
  }
  state.counters["bytes_per_waiting"] =
      static_cast<double>(routing::testing::HeapBytes() - before) / waiting;
  int64_t bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const config::v1::WorkspaceConfig config = next();
    now += absl::Milliseconds(6);
    state.ResumeTiming();
    bytes = static_cast<int64_t>(apply(config)->SerializeAsString().size());
    while (const auto decision = engine->DecideTimer(now)) {
      benchmark::DoNotOptimize(decision->SerializeAsString());
    }
  }
  state.counters["conversations"] = static_cast<double>(engine->state().conversations().size());
  state.counters["decision_bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_ApplyConfig)
    ->ArgNames({"agents", "waiting"})
    ->Args({10'000, 100'000})
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace wissel::domain
