#include "services/agent-gateway/partition_tail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/checkpoint.h"
#include "services/agent-gateway/outcome.h"
#include "services/agent-gateway/redis_views.h"
#include "services/agent-gateway/testing/log_writer.h"

namespace wissel::agent_gateway {
namespace {

using conversation::v1::CommandRejected;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kFirst[] = "00000000-0000-4000-8000-000000000001";
constexpr char kSecond[] = "00000000-0000-4000-8000-000000000002";

class Waiter final : public OutcomeWaiter {
 public:
  void OnOutcome(const Entry& entry, const Entry* original) override {
    outcome_ = MakeOutcome(entry, original);
    AddEvents(entry, {.workspace = "acme", .routing_group = "main", .whole_group = true}, outcome_);
    answered_.Notify();
  }
  bool Answered() { return answered_.WaitFor(kPatience); }
  const agent::v1::CommandOutcome& outcome() const { return outcome_; }

 private:
  agent::v1::CommandOutcome outcome_;
  Notification answered_;
};

class PartitionTailTest : public ::testing::Test {
 protected:
  std::unique_ptr<PartitionTail> StartTail(LoadCheckpoint load = nullptr) {
    return std::make_unique<PartitionTail>(
        *bus_, PartitionTail::Options{.partition = 0, .load_checkpoint = std::move(load)},
        telemetry::Logger());
  }

  static log::v1::Decision OnCommand(const std::string& cause_id) {
    log::v1::Decision decision;
    log::v1::InputCause& input = *decision.mutable_cause()->mutable_input();
    input.set_topic(common::v1::INPUT_TOPIC_COMMANDS);
    input.set_id(cause_id);
    return decision;
  }

  // As the projector would write it of the log as it is now.
  Checkpoint TakeCheckpoint() {
    Checkpoint checkpoint;
    const auto reader = *bus::LogReader::Open(*bus_, 0, {});
    const auto entries = *reader->Poll(1000, absl::ZeroDuration());
    for (const bus::LogEntry& entry : entries) {
      if (entry.record.has_decision()) checkpoint.state.Apply(entry.record.decision());
    }
    checkpoint.position = reader->position();
    return checkpoint;
  }

  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = 1});
  LogWriter log_{*bus_};
};

// As the router does with one that is too large for it, or that it does not know.
TEST_F(PartitionTailTest, ACommandAmongTheDeadLettersWasRefused) {
  const auto tail = StartTail();
  log::v1::Decision put_aside = OnCommand("");
  conversation::v1::InputDeadLettered& dead =
      *put_aside.add_events()->mutable_input_dead_lettered();
  dead.set_detail("900000 bytes; at most 786432 can be decided");
  dead.set_input_id(kFirst);
  for (int i = 0; i < 2; ++i) {
    const auto waiter = std::make_shared<Waiter>();
    tail->Expect(kFirst, waiter, [&] { log_.Write(put_aside); });
    ASSERT_TRUE(waiter->Answered());
    EXPECT_EQ(waiter->outcome().rejected().reason(), CommandRejected::REASON_INVALID);
    EXPECT_EQ(waiter->outcome().rejected().command_id(), kFirst);
    EXPECT_EQ(waiter->outcome().rejected().detail(), dead.detail());
    EXPECT_EQ(waiter->outcome().undecided_reason(), "");
  }

  // A router with another limit can do it after all.
  const auto done = std::make_shared<Waiter>();
  tail->Expect(kFirst, done, [this] { log_.Write(OnCommand(kFirst)); });
  ASSERT_TRUE(done->Answered());
  EXPECT_FALSE(done->outcome().has_rejected());
  const auto repeated = std::make_shared<Waiter>();
  log::v1::Decision repeat = OnCommand("");
  repeat.add_events()->mutable_duplicate_skipped()->set_id(kFirst);
  tail->Expect(kFirst, repeated, [&] { log_.Write(repeat); });
  ASSERT_TRUE(repeated->Answered());
  EXPECT_TRUE(repeated->outcome().repeated_command());
  EXPECT_FALSE(repeated->outcome().has_rejected());
  EXPECT_EQ(repeated->outcome().undecided_reason(), "");
}

// A tail begins when its partition is first used, by the command itself perhaps, and the projector
// is quick: a checkpoint that has the decision would hide it.
TEST_F(PartitionTailTest, ACommandIsAppendedOnceItsDecisionCanBeSeen) {
  Notification expected;
  std::vector<std::string> appended;
  const auto tail = StartTail([&](int32_t) -> absl::StatusOr<Checkpoint> {
    expected.Wait();
    EXPECT_THAT(appended, IsEmpty());
    return TakeCheckpoint();
  });
  const auto append = [&](const std::string& id) {
    return [&, id] {
      appended.push_back(id);
      log_.Write(OnCommand(id));
    };
  };
  const auto first = std::make_shared<Waiter>();
  const auto second = std::make_shared<Waiter>();
  tail->Expect(kFirst, first, append(kFirst));
  tail->Expect(kSecond, second, append(kSecond));
  expected.Notify();
  for (Waiter* waiter : {first.get(), second.get()}) {
    ASSERT_TRUE(waiter->Answered());
    EXPECT_FALSE(waiter->outcome().repeated_command());
    EXPECT_EQ(waiter->outcome().undecided_reason(), "");
  }
  EXPECT_THAT(appended, ElementsAre(kFirst, kSecond));
}

// As where the tail has lost its place and begins anew, with commands on their way.
TEST_F(PartitionTailTest, ACommandThatTheCheckpointHasAlreadyIsAnswered) {
  Notification expected;
  const auto tail = StartTail([&](int32_t) -> absl::StatusOr<Checkpoint> {
    expected.Wait();
    return TakeCheckpoint();
  });
  const auto decided = std::make_shared<Waiter>();
  tail->Expect(kFirst, decided, [] {});
  log_.Write(OnCommand(kFirst));
  expected.Notify();
  ASSERT_TRUE(decided->Answered());
  EXPECT_TRUE(decided->outcome().repeated_command());
  EXPECT_THAT(decided->outcome().undecided_reason(), ::testing::HasSubstr("decided before"));
  EXPECT_FALSE(decided->outcome().cursor().empty());
}

TEST_F(PartitionTailTest, ACheckpointOfAnotherLogIsNotBegunFrom) {
  testing::RedisServer server;
  const store::RedisOptions options{.address = server.address()};
  store::Redis redis(options);
  const views::PartitionKeys keys(0);
  log_.Write(OnCommand(kFirst));
  log_.Write(OnCommand(kSecond));
  views::CheckpointMeta meta;
  meta.position = TakeCheckpoint().position;
  WISSEL_ASSERT_OK_AND_ASSIGN(meta.incarnation, views::BeginAnew(redis, keys));
  WISSEL_ASSERT_OK(
      views::WriteBatch(redis, keys, {meta.incarnation, std::nullopt}, meta, views::Batch(keys)));
  const auto read_from = [&](bus::Bus& bus) {
    int64_t ring_start = -1;
    Notification asked;
    PartitionTail tail(bus, {.partition = 0, .load_checkpoint = RedisCheckpoints(options, bus)},
                       telemetry::Logger());
    tail.Ask([&](const PartitionView& view) {
      ring_start = view.ring_start();
      asked.Notify();
    });
    EXPECT_TRUE(asked.WaitFor(kPatience));
    return ring_start;
  };
  EXPECT_EQ(read_from(*bus_), meta.position->offset);

  // The topic was made anew, and Redis kept.
  const auto other = *bus::NewEmbeddedBus({.partitions = 1});
  LogWriter log(*other);
  log.Write(OnCommand(kFirst));
  EXPECT_EQ(read_from(*other), 0);
}

}  // namespace
}  // namespace wissel::agent_gateway
