// How fast views are built, and how fast a checkpoint is read, with a real Redis on a unix socket.
// A router's recovery is the second one; see libs/views/restore.h.
#include <benchmark/benchmark.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/bus/embedded.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/views/checkpoint.h"
#include "services/projector/partition_projector.h"

namespace wissel::projector {
namespace {

// A day's decisions into empty views, from an embedded log in memory. Events, decisions and bytes a
// second.
void BuildViews(benchmark::State& state) {
  testing::RedisServer server;
  auto bus = *bus::NewEmbeddedBus({.partitions = 1});
  testing::ShopLog shop(*bus);
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    shop.Happen(random);
    if (i % 1000 == 0) shop.Sync();
  }
  shop.Sync();

  store::Redis redis({.address = server.address()});
  const SystemClock clock;
  telemetry::Registry registry;
  Metrics metrics(registry);
  ProjectorSettings settings;
  settings.batch = static_cast<int>(state.range(0));
  const Environment environment{.bus = *bus,
                                .redis = redis,
                                .clock = clock,
                                .log = {},
                                .metrics = metrics,
                                .settings = settings,
                                .wakeup = nullptr};
  int64_t records = 0;
  for (auto _ : state) {
    WISSEL_CHECK_OK(redis.Run("", {"FLUSHALL"}));
    PartitionProjector projector(environment, 0);
    while (true) {
      const absl::StatusOr<bool> more = projector.Step();
      WISSEL_CHECK_OK(more);
      if (!*more) break;
    }
    records += *projector.next_offset();
  }
  state.counters["records/s"] =
      benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsRate);
}
BENCHMARK(BuildViews)->Arg(10)->Arg(100)->Arg(500)->Unit(benchmark::kMillisecond)->UseRealTime();

// A checkpoint of so many open conversations, of some 400 bytes each: read, checked and put into a
// state.
void LoadCheckpoint(benchmark::State& state) {
  testing::RedisServer server;
  store::Redis redis({.address = server.address(), .command_timeout = absl::Minutes(1)});
  const views::PartitionKeys keys(0);
  const auto conversations = static_cast<int>(state.range(0));
  views::CheckpointMeta meta;
  meta.incarnation = *views::BeginAnew(redis, keys);
  views::Expected expected{meta.incarnation, std::nullopt};
  views::Batch batch(keys);
  for (int i = 0; i < conversations; ++i) {
    state::v1::ConversationState conversation;
    conversation.set_conversation_id(absl::StrCat("00000000-0000-5000-8000-", 100'000'000'000 + i));
    conversation.set_workspace_id("acme");
    conversation.set_routing_group_id("main");
    conversation.mutable_account()->set_account_id("shop-phone");
    conversation.mutable_contact()->set_address(absl::StrCat("316", 10'000'000 + i));
    conversation.mutable_contact()->set_contact_id(std::string(36, 'c'));
    conversation.set_queue_id("nl");
    conversation.set_status(state::v1::CONVERSATION_STATUS_QUEUED);
    *conversation.mutable_open_time() = ToProto(absl::FromUnixSeconds(1'750'000'000 + i));
    *conversation.mutable_waiting_since() = conversation.open_time();
    for (int m = 0; m < 4; ++m) {
      conversation.add_provider_message_ids(absl::StrCat("wamid.", std::string(30, 'x'), m));
    }
    const domain::Piece piece{{domain::PieceKind::kConversation, conversation.conversation_id()},
                              conversation.SerializeAsString()};
    meta.state_hash += domain::PieceHash(piece.key, *piece.bytes);
    batch.Put(piece);
    if (i % 1000 == 999 || i == conversations - 1) {
      meta.position = bus::LogPosition{.offset = i, .rule = {}};
      WISSEL_CHECK_OK(views::WriteBatch(redis, keys, expected, meta, std::move(batch)));
      expected.next_offset = i;
      batch = views::Batch(keys);
    }
  }
  for (auto _ : state) {
    auto load = views::LoadCheckpoint(redis, keys);
    WISSEL_CHECK_OK(load);
    WISSEL_CHECK(load->outcome == views::CheckpointLoad::Outcome::kLoaded) << load->detail;
    domain::State loaded;
    for (const domain::Piece& piece : load->checkpoint.pieces) WISSEL_CHECK_OK(loaded.Load(piece));
    benchmark::DoNotOptimize(loaded);
  }
  state.counters["pieces/s"] = benchmark::Counter(
      static_cast<double>(conversations) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}
BENCHMARK(LoadCheckpoint)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace wissel::projector
