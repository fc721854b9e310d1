// Matching a shop of some size: against the naive model, and against a bare priority queue of the
// same records, which is what any engine must at least do. What the shop is like stands in
// docs/reference/benchmarks.md, section Routing.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <queue>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/check.h"
#include "libs/routing/matcher.h"
#include "libs/routing/testing/heap.h"
#include "libs/routing/testing/naive_matcher.h"
#include "libs/routing/testing/shop.h"

namespace wissel::routing {
namespace {

using common::v1::ChannelKind;
using testing::AgentId;
using testing::HeapBytes;
using testing::kCapacityUnits;
using testing::kGroup;
using testing::kQueues;
using testing::NaiveMatcher;
using testing::QueueId;
using testing::Random;
using testing::Shop;

constexpr absl::Duration kLongestWait = absl::Minutes(10);
const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

// As long as a UUID.
void WriteConversationId(int64_t i, std::string& id) {
  id.assign("7d1f6a52-0c3e-5b44-9f00-000000000000");
  for (size_t place = id.size(); i > 0; i /= 10) id[--place] = static_cast<char>('0' + i % 10);
}
std::string ConversationId(int64_t i) {
  std::string id;
  WriteConversationId(i, id);
  return id;
}

Waiting Conversation(Random& random, int i, absl::Duration waited = absl::ZeroDuration()) {
  static const char* const kLanguages[] = {"nl", "nl", "nl", "en", "en", "de", "fr", ""};
  static const ChannelKind kKinds[] = {
      common::v1::CHANNEL_KIND_CHAT,     common::v1::CHANNEL_KIND_CHAT,
      common::v1::CHANNEL_KIND_EMAIL,    common::v1::CHANNEL_KIND_EMAIL,
      common::v1::CHANNEL_KIND_WHATSAPP,
  };
  Waiting waiting;
  waiting.conversation_id = ConversationId(i);
  waiting.queue_id = QueueId(random.Skewed(kQueues));
  waiting.kind = kKinds[random.Below(5)];
  waiting.language = kLanguages[random.Below(8)];
  waiting.waiting_since = kNow - waited;
  waiting.sla_due = waiting.waiting_since + absl::Minutes(15 * (1 + random.Below(4)));
  waiting.priority.tier = random.Percent(10) ? 20 : 0;
  if (random.Percent(2)) waiting.excluded_agent_ids = {AgentId(random.Below(1000))};
  if (random.Percent(10)) waiting.sticky_agent_id = AgentId(random.Below(1000));
  return waiting;
}

void Configure(Matcher& matcher, const config::v1::WorkspaceConfig& config) {
  matcher.Configure(Policy::Compile(config, kGroup));
}
void Configure(NaiveMatcher& matcher, const config::v1::WorkspaceConfig& config) {
  matcher.Configure(config, kGroup);
}

size_t AgentNumber(absl::string_view id) {
  size_t number = 0;
  for (const char c : id.substr(AgentId(0).find('-') + 1))
    number = number * 10 + static_cast<size_t>(c - '0');
  return number;
}

// A shop, who works there and what has been given out.
template <typename Engine>
class World {
 public:
  explicit World(int agents) : random_(11) {
    Configure(engine_, Shop(agents));
    engine_.Advance(kNow);
    for (int i = 0; i < agents; ++i) {
      AgentLoad load;
      load.available = true;
      load.capacity_units = kCapacityUnits;
      load.idle_since = kNow - absl::Seconds(random_.Below(600));
      agents_.push_back({AgentId(i), load});
      Set(i);
    }
    for (int i = 0; i < kKinds; ++i) arrivals_.push_back(Conversation(random_, 0));
  }

  // Everybody is full, with what is most often held, and `waiting` wait.
  void Saturate(int waiting) {
    for (size_t i = 0; i < agents_.size(); ++i) {
      agents_[i].load.held[common::v1::CHANNEL_KIND_WHATSAPP] = {.conversations = kCapacityUnits,
                                                                 .units = kCapacityUnits};
      Set(i);
    }
    for (int i = 0; i < waiting; ++i) {
      engine_.AddWaiting(Arrival(kNow - kLongestWait * (waiting - i) / waiting));
    }
  }

  // An agent finishes something and gets the most urgent; another one arrives and waits, or is
  // given to whom it suits.
  void FinishAndArrive() {
    Tick();
    const auto agent = static_cast<size_t>(random_.Below(static_cast<int>(agents_.size())));
    Add(agent, common::v1::CHANNEL_KIND_WHATSAPP, -1);
    const std::optional<std::string> next = engine_.ChooseConversation(agents_[agent].id);
    // Full again: with the next one, or with what it had.
    Add(agent, common::v1::CHANNEL_KIND_WHATSAPP, +1);
    if (next.has_value()) {
      engine_.RemoveWaiting(*next);
      ++given_;
    }
    const Waiting& arrival = Arrival(now_);
    WISSEL_CHECK(!engine_.ChooseAgent(arrival).has_value());
    if (next.has_value()) engine_.AddWaiting(arrival);
  }

  // A conversation arrives and is given to the best agent; the one given the longest ago ends.
  void ArriveAndEnd(size_t open) {
    Tick();
    const Waiting& arrival = Arrival(now_);
    const std::optional<std::string> best = engine_.ChooseAgent(arrival);
    if (best.has_value()) {
      const size_t agent = AgentNumber(*best);
      agents_[agent].load.idle_since = now_;
      agents_[agent].load.last_given = ++given_;
      Add(agent, arrival.kind, +1);
      held_.emplace_back(agent, arrival.kind);
    }
    if (held_.size() <= open) return;
    Add(held_.front().first, held_.front().second, -1);
    held_.pop_front();
  }

  Engine& engine() { return engine_; }
  int64_t given() const { return given_; }
  // One of the kinds that arrive, with an id of its own; valid until the next call.
  const Waiting& Arrival(absl::Time since) {
    Waiting& arrival = arrivals_[static_cast<size_t>(arrived_ % kKinds)];
    WriteConversationId(arrived_++, arrival.conversation_id);
    arrival.sla_due += since - arrival.waiting_since;
    arrival.waiting_since = since;
    return arrival;
  }

 private:
  // What has just been made is in the processor's caches; so are these.
  static constexpr int kKinds = 4096;

  void Tick() { engine_.Advance(now_ += absl::Microseconds(10)); }
  void Set(size_t agent) { engine_.SetAgent(agents_[agent].id, agents_[agent].load); }
  void Add(size_t agent, ChannelKind kind, int change) {
    ChannelUse& held = agents_[agent].load.held[kind];
    held.conversations += change;
    held.units += change;
    Set(agent);
  }

  // Whole cache lines, so that what is measured is the engine's.
  struct alignas(64) Agent {
    std::string id;
    AgentLoad load;
  };

  Random random_;
  Engine engine_;
  absl::Time now_ = kNow;
  std::vector<Agent> agents_;
  std::vector<Waiting> arrivals_;
  std::deque<std::pair<size_t, ChannelKind>> held_;
  int64_t arrived_ = 0;
  int64_t given_ = 0;
};

// Not as many as fit into some time: a world takes longer to make than to measure, and would be
// made anew for each number that is tried.
constexpr int kSteps = 100'000;

// agents, waiting; two decisions each time.
template <typename Engine>
void BM_Saturated(benchmark::State& state) {
  const auto waiting = static_cast<int>(state.range(1));
  World<Engine> world(static_cast<int>(state.range(0)));
  world.Saturate(waiting);
  // What is worked out when first needed is worked out.
  const int warm = std::is_same_v<Engine, Matcher> ? waiting / 4 : 0;
  for (int i = 0; i < warm; ++i) world.FinishAndArrive();
  const int64_t before = world.given();
  for (auto _ : state) world.FinishAndArrive();
  state.SetItemsProcessed(2 * state.iterations());
  state.counters["given"] =
      static_cast<double>(world.given() - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Saturated<Matcher>)
    ->ArgNames({"agents", "waiting"})
    ->Args({1'000, 10'000})
    ->Args({10'000, 100'000})
    ->Args({100'000, 1'000'000})
    ->Iterations(kSteps);
BENCHMARK(BM_Saturated<NaiveMatcher>)
    ->ArgNames({"agents", "waiting"})
    ->Args({10'000, 100'000})
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond);

// agents, of which half the units are taken; one decision each time.
template <typename Engine>
void BM_Slack(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  World<Engine> world(agents);
  const auto open = static_cast<size_t>(agents) * kCapacityUnits / 2;
  const size_t warm = std::is_same_v<Engine, Matcher> ? 2 * open : 0;
  for (size_t i = 0; i < warm; ++i) world.ArriveAndEnd(open);
  const int64_t before = world.given();
  for (auto _ : state) world.ArriveAndEnd(open);
  state.SetItemsProcessed(state.iterations());
  if constexpr (std::is_same_v<Engine, Matcher>) {
    state.counters["bytes_per_agent"] = static_cast<double>(world.engine().MemoryBytes()) / agents;
  }
  state.counters["given"] =
      static_cast<double>(world.given() - before) / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Slack<Matcher>)
    ->ArgName("agents")
    ->Arg(1'000)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Iterations(kSteps);
BENCHMARK(BM_Slack<NaiveMatcher>)
    ->ArgName("agents")
    ->Arg(10'000)
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond);

// What any engine does at least: the most urgent out, another one in.
struct Record {
  int32_t rank;
  int64_t due;
  int64_t since;
  std::string id;
  bool operator<(const Record& other) const {
    return std::tie(rank, due, since, id) > std::tie(other.rank, other.due, other.since, other.id);
  }
};

std::priority_queue<Record> FullOfRecords(int waiting) {
  Random random(11);
  std::priority_queue<Record> queue;
  for (int i = 0; i < waiting; ++i) {
    const Waiting w = Conversation(random, i, kLongestWait * (waiting - i) / waiting);
    queue.push({-w.priority.tier, absl::ToUnixNanos(w.sla_due), absl::ToUnixNanos(w.waiting_since),
                w.conversation_id});
  }
  return queue;
}

void BM_PriorityQueue(benchmark::State& state) {
  const auto waiting = static_cast<int>(state.range(0));
  const int64_t before = HeapBytes();
  std::priority_queue<Record> queue = FullOfRecords(waiting);
  const int64_t bytes = HeapBytes() - before;
  constexpr int64_t kSecond = 1'000'000'000;
  for (auto _ : state) {
    Record out = queue.top();
    queue.pop();
    // It comes again, behind those of its kind.
    out.since += 600 * kSecond;
    out.due += 600 * kSecond;
    queue.push(std::move(out));
  }
  state.SetItemsProcessed(2 * state.iterations());
  state.counters["bytes_per_waiting"] = static_cast<double>(bytes) / waiting;
}
BENCHMARK(BM_PriorityQueue)
    ->ArgName("waiting")
    ->Arg(10'000)
    ->Arg(100'000)
    ->Arg(1'000'000)
    ->Iterations(10 * kSteps);

void BM_FillPriorityQueue(benchmark::State& state) {
  const auto waiting = static_cast<int>(state.range(0));
  std::priority_queue<Record> full = FullOfRecords(waiting);
  std::vector<Record> records;
  for (; !full.empty(); full.pop()) records.push_back(full.top());
  std::shuffle(records.begin(), records.end(), std::mt19937(1));
  for (auto _ : state) {
    std::priority_queue<Record> queue;
    for (const Record& record : records) queue.push(record);
    benchmark::DoNotOptimize(queue.top());
  }
}
BENCHMARK(BM_FillPriorityQueue)
    ->ArgName("waiting")
    ->Arg(100'000)
    ->Iterations(20)
    ->Unit(benchmark::kMillisecond);

// The whole explanation of a decision, as it stands in an offer.
void BM_Explain(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  World<Matcher> world(agents);
  for (int i = 0; i < 4 * agents; ++i) world.ArriveAndEnd(static_cast<size_t>(agents));
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.engine().Explain(world.Arrival(kNow)));
  }
}
BENCHMARK(BM_Explain)->ArgName("agents")->Arg(10'000);

void BM_Position(benchmark::State& state) {
  const auto waiting = static_cast<int>(state.range(0));
  World<Matcher> world(1'000);
  world.Saturate(waiting);
  int64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.engine().Position(ConversationId((i += 7919) % waiting)));
  }
}
BENCHMARK(BM_Position)->ArgName("waiting")->Arg(100'000)->Arg(1'000'000);

// A minute of ageing and relaxation while nothing else happens, per waiting conversation.
void BM_Minute(benchmark::State& state) {
  const auto waiting = static_cast<int>(state.range(0));
  World<Matcher> world(10'000);
  world.Saturate(waiting);
  absl::Time now = kNow;
  for (auto _ : state) {
    world.engine().Advance(now += absl::Minutes(1));
    benchmark::DoNotOptimize(world.engine().TakeRelaxed());
  }
  state.SetItemsProcessed(state.iterations() * waiting);
}
BENCHMARK(BM_Minute)->ArgName("waiting")->Arg(100'000)->Iterations(10)->Unit(
    benchmark::kMillisecond);

// Another configuration, with so many waiting: worked out, and put in force.
void BM_Compile(benchmark::State& state) {
  const config::v1::WorkspaceConfig config = Shop(static_cast<int>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(Policy::Compile(config, kGroup));
}
BENCHMARK(BM_Compile)
    ->ArgName("agents")
    ->Arg(10'000)
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond);

void BM_Reconfigure(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  const auto waiting = static_cast<int>(state.range(1));
  World<Matcher> world(agents);
  world.Saturate(waiting);
  const std::shared_ptr<const Policy> policies[] = {Policy::Compile(Shop(agents, 2), kGroup),
                                                    Policy::Compile(Shop(agents, 3), kGroup)};
  int version = 0;
  for (auto _ : state) world.engine().Configure(policies[++version % 2]);
}
BENCHMARK(BM_Reconfigure)
    ->ArgNames({"agents", "waiting"})
    ->Args({10'000, 100'000})
    ->Iterations(10)
    ->Unit(benchmark::kMillisecond);

// Bytes of the heap for each agent and each waiting conversation; the time is of no interest.
void BM_Memory(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  const auto waiting = static_cast<int>(state.range(1));
  for (auto _ : state) {
    Random random(11);
    const std::shared_ptr<const Policy> policy = Policy::Compile(Shop(agents), kGroup);
    Matcher matcher;
    const int64_t before = HeapBytes();
    matcher.Configure(policy);
    matcher.Advance(kNow);
    AgentLoad load;
    load.available = true;
    load.capacity_units = kCapacityUnits;
    for (int i = 0; i < agents; ++i) matcher.SetAgent(AgentId(i), load);
    const int64_t with_agents = HeapBytes();
    for (int i = 0; i < waiting; ++i) {
      matcher.AddWaiting(Conversation(random, i, kLongestWait * i / waiting));
    }
    const int64_t with_all = HeapBytes();
    state.counters["bytes_per_agent"] = static_cast<double>(with_agents - before) / agents;
    state.counters["bytes_per_waiting"] = static_cast<double>(with_all - with_agents) / waiting;
    state.counters["estimate"] = static_cast<double>(matcher.MemoryBytes());
    state.counters["measured"] = static_cast<double>(with_all - before);
  }
}
BENCHMARK(BM_Memory)
    ->ArgNames({"agents", "waiting"})
    ->Args({10'000, 1'000'000})
    ->Args({100'000, 1'000'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

// The loads alone, with a map to find an agent's.
void BM_AgentLoads(benchmark::State& state) {
  const auto agents = static_cast<int>(state.range(0));
  for (auto _ : state) {
    const int64_t before = HeapBytes();
    std::vector<AgentLoad> loads(static_cast<size_t>(agents));
    absl::flat_hash_map<std::string, uint32_t> index;
    for (int i = 0; i < agents; ++i) index[AgentId(i)] = static_cast<uint32_t>(i);
    state.counters["bytes_per_agent"] = static_cast<double>(HeapBytes() - before) / agents;
  }
}
BENCHMARK(BM_AgentLoads)->ArgName("agents")->Arg(100'000)->Iterations(1);

}  // namespace
}  // namespace wissel::routing
