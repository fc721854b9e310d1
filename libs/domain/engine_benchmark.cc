// What a decision costs, without any bus: against parsing the input and writing it again.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"

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
      const log::v1::Decision decision = engine->Decide(std::move(cause), std::move(message),
                                                        StartTime() + absl::Microseconds(offset));
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
    log.push_back(engine->Decide(std::move(cause), message, StartTime()).SerializeAsString());
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

}  // namespace
}  // namespace wissel::domain
