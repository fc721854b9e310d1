#include "services/projector/partition_projector.h"

#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/testing/away_bus.h"
#include "services/projector/projector_fixture.h"

namespace wissel::projector {
namespace {

TEST_F(ProjectorTest, AConversationsWholeWayIsInTheViews) {
  const auto projector = NewProjector();
  const std::string waiting = shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto queue, views::ReadQueue(redis_, keys_, "acme/main", "nl"));
  EXPECT_EQ(queue.waiting, 1);
  EXPECT_EQ(queue.oldest_waiting_since, shop_->now);

  shop_->Online("anna");
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(queue, views::ReadQueue(redis_, keys_, "acme/main", "nl"));
  EXPECT_EQ(queue.waiting, 0);
  EXPECT_EQ(queue.offered, 1);
  ASSERT_THAT(WorkOf("anna").conversations, SizeIs(1));
  EXPECT_TRUE(WorkOf("anna").conversations[0].conversation.has_offer());

  shop_->Accept(waiting);
  shop_->AddNote("anna", waiting, "wants it blue");
  const std::string outbound = shop_->Reply("anna", waiting, "blue it is");
  CatchUp(*projector);
  views::AgentWork work = WorkOf("anna");
  ASSERT_THAT(work.conversations, SizeIs(1));
  ASSERT_THAT(work.conversations[0].messages, SizeIs(3));
  EXPECT_EQ(work.conversations[0].messages[0].inbound().contents(0).text().text(), "hello");
  EXPECT_EQ(work.conversations[0].messages[1].note(), "wants it blue");
  EXPECT_EQ(work.conversations[0].messages[1].actor().agent_id(), "anna");
  EXPECT_EQ(work.conversations[0].messages[2].id(), outbound);
  EXPECT_EQ(work.conversations[0].messages[2].delivery_state(),
            receipt::v1::DELIVERY_STATE_PENDING);
  EXPECT_EQ(work.place.position.offset, shop_->end());

  shop_->Deliver(outbound);
  shop_->Resolve("anna", waiting);
  CatchUp(*projector);
  EXPECT_THAT(WorkOf("anna").conversations, IsEmpty());
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view,
                              views::ReadConversation(redis_, keys_, "acme", waiting, 20));
  ASSERT_TRUE(view.conversation.has_value());
  EXPECT_EQ(view.conversation->conversation.status(), state::v1::CONVERSATION_STATUS_RESOLVED);
  EXPECT_EQ(view.conversation->messages.back().delivery_state(), receipt::v1::DELIVERY_STATE_SENT);
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AConsultedAgentsWorkHasTheConversationUntilItIsOver) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string conversation = shop_->Open("31611111111", "nl");
  shop_->Accept(conversation);
  shop_->Consult("anna", conversation, "bram", "can we send it today?");
  shop_->AddNote("bram", conversation, "yes");
  CatchUp(*projector);
  const views::AgentWork work = WorkOf("bram");
  ASSERT_THAT(work.conversations, SizeIs(1));
  EXPECT_EQ(work.conversations[0].conversation.agent_id(), "anna");
  ASSERT_THAT(work.conversations[0].messages, SizeIs(3));
  EXPECT_EQ(work.conversations[0].messages[0].inbound().contents(0).text().text(), "hello");
  EXPECT_EQ(work.conversations[0].messages[1].note(), "can we send it today?");
  EXPECT_EQ(work.conversations[0].messages[2].actor().agent_id(), "bram");
  EXPECT_THAT(WorkOf("anna").conversations, SizeIs(1));

  shop_->EndConsult("bram", conversation);
  CatchUp(*projector);
  EXPECT_THAT(WorkOf("bram").conversations, IsEmpty());
  EXPECT_THAT(WorkOf("anna").conversations, SizeIs(1));
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AnEmptyLogHasEmptyViewsRatherThanNone) {
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
  const Environment environment = MakeEnvironment(redis_);
  PartitionProjector projector(environment, 0);
  WISSEL_ASSERT_OK(projector.Step());
  EXPECT_THAT(WorkOf("anna").conversations, IsEmpty());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
  EXPECT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded) << load.detail;
  EXPECT_EQ(load.checkpoint.meta.state_hash, domain::State().Hash());
  shop_.reset();
}

TEST_F(ProjectorTest, AForgottenConversationCanBeReadUntilItExpires) {
  settings_.forgotten_kept = absl::Hours(24);
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string id = shop_->Open("31611111111", "nl");
  shop_->Accept(id);
  const std::string contact = shop_->state().FindConversation(id)->contact().contact_id();
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  ASSERT_EQ(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  ASSERT_TRUE(view.conversation.has_value());
  EXPECT_THAT(view.conversation->messages, SizeIs(1));
  WISSEL_ASSERT_OK_AND_ASSIGN(
      auto page, views::ReadIndex(redis_, keys_, keys_.Contact("acme", contact), {}, 10));
  EXPECT_THAT(page.conversations, SizeIs(1));
  ExpectCheckpointIsTheFold();

  shop_->Wait(absl::Hours(25));
  clock_.Advance(absl::Hours(25));
  shop_->AppendGarbage();
  shop_->Open("31622222222", "nl");
  CatchUp(*projector);
  shop_->Open("31633333333", "nl");
  clock_.Advance(absl::Hours(1));
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  EXPECT_FALSE(view.conversation.has_value());
  for (const std::string& line : Dump(redis_)) EXPECT_THAT(line, Not(HasSubstr(id)));
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AConversationThatComesBackIsNotAmongTheResolved) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const message::v1::InboundMessage message = domain::testing::Text("31611111111", 1, "nl");
  shop_->Receive(message);
  ASSERT_EQ(shop_->state().conversations().size(), 1);
  const std::string id = shop_->state().conversations().begin()->first;
  shop_->Accept(id);
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 8));
  ASSERT_EQ(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  const auto resolved = [&] {
    const auto page = views::ReadIndex(
        redis_, keys_, keys_.WithStatus(state::v1::CONVERSATION_STATUS_RESOLVED, "acme/main"), {},
        10);
    EXPECT_THAT(page, testing::IsOk());
    return page->conversations.size();
  };
  EXPECT_EQ(resolved(), 1);
  // With its decision the message's id is forgotten.
  shop_->Open("31622222222", "nl");
  shop_->Receive(message);
  ASSERT_NE(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  EXPECT_EQ(resolved(), 0);
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AQuietPartitionsFlushIsNoticed) {
  const auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  const auto before = Dump(redis_);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  WISSEL_ASSERT_OK(projector->Step());
  EXPECT_THAT(Dump(redis_), IsEmpty());  // not yet looked
  clock_.Advance(settings_.check_interval);
  EXPECT_THAT(projector->Step(), StatusIs(absl::StatusCode::kAborted, HasSubstr("gone")));
  CatchUp(*projector);
  EXPECT_THAT(Difference(Dump(redis_), before), IsEmpty());
}

TEST_F(ProjectorTest, AFlushUnderWorkIsNoticedWithTheNextBatch) {
  const auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(projector->Step(), StatusIs(absl::StatusCode::kAborted, HasSubstr("gone")));
  CatchUp(*projector);
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, NothingIsSaidToBeMissingBeforeTheLogIsFolded) {
  shop_->Open("31611111111", "nl");
  const std::string last = shop_->Open("31622222222", "nl");
  shop_->Sync();
  settings_.batch_bytes = 1;  // A record at a time.
  const auto read = [&] { return views::ReadConversation(redis_, keys_, "acme", last, 20); };
  int unavailable = 0;
  auto view = read();
  // Each step by another projector: what is begun stays begun.
  while (!view.ok()) {
    EXPECT_THAT(view, StatusIs(absl::StatusCode::kUnavailable));
    ++unavailable;
    WISSEL_ASSERT_OK(NewProjector()->Step());
    view = read();
  }
  EXPECT_GT(unavailable, 2);
  EXPECT_TRUE(view->conversation.has_value());
}

TEST_F(ProjectorTest, AnotherBeginsWhereTheDeadOneStopped) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  const auto successor = NewProjector();
  CatchUp(*successor);
  ExpectCheckpointIsTheFold();
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("wissel_projector_begins_total{source=\"checkpoint\"} 1"));
}

TEST_F(ProjectorTest, WhileRedisIsAwayNothingIsLost) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  const Environment environment = MakeEnvironment(redis);
  PartitionProjector projector(environment, 0);
  shop_->Open("31611111111", "nl");
  CatchUp(projector);
  server.Kill();
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(projector.Step(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(projector.Step(), StatusIs(absl::StatusCode::kUnavailable));
  server.Start();
  CatchUp(projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis, keys_));
  EXPECT_EQ(load.checkpoint.meta.state_hash, shop_->state().Hash());
}

TEST_F(ProjectorTest, TheLagIsMeasuredWhileRedisIsAway) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  environment_.emplace(MakeEnvironment(redis));
  auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  clock_.Advance(settings_.lag_interval);
  WISSEL_ASSERT_OK(projector->Step());
  EXPECT_EQ(Lag("offsets"), 0);
  EXPECT_EQ(Lag("seconds"), 0);

  server.Stop();
  for (int i = 1; i <= 2; ++i) {
    shop_->Open(absl::StrCat("3162222222", i), "nl");
    shop_->Sync();
    clock_.Advance(settings_.lag_interval);
    EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
    EXPECT_GE(Lag("offsets"), i);
    EXPECT_GT(Lag("seconds"), 0);
  }
  projector.reset();
  EXPECT_EQ(Lag("offsets"), 0) << "the partition is another's now";
  EXPECT_EQ(Lag("seconds"), 0);

  // One that never got to Redis knows as much as it has seen itself.
  projector = NewProjector();
  EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
  EXPECT_EQ(Lag("offsets"), 0);
  shop_->Open("31633333333", "nl");
  shop_->Sync();
  clock_.Advance(settings_.lag_interval);
  EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
  EXPECT_GE(Lag("offsets"), 1);
  EXPECT_EQ(Lag("seconds"), absl::ToDoubleSeconds(settings_.lag_interval));
}

TEST_F(ProjectorTest, TheLagOfOneThatBeginsBehindHasAnAge) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto place, views::LoadCheckpoint(redis_, keys_));
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  testing::SilentBus silent(*bus_, bus::Topic::kLog, place.checkpoint.meta.position->offset);
  Environment environment{.bus = silent,
                          .redis = redis_,
                          .clock = clock_,
                          .log = {},
                          .metrics = metrics_,
                          .settings = settings_,
                          .wakeup = nullptr};
  PartitionProjector projector(environment, 0);
  WISSEL_ASSERT_OK(projector.Step());
  EXPECT_GE(Lag("offsets"), 1);
  EXPECT_GT(Lag("seconds"), 0);
}

TEST_F(ProjectorTest, ADamagedCheckpointIsBuiltAgain) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  const auto before = Dump(redis_);
  WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Pieces("agent"), "acme/anna", "x"}));
  CatchUp(*NewProjector());
  EXPECT_THAT(Difference(Dump(redis_), before), IsEmpty());
}

TEST_F(ProjectorTest, ACheckpointOfAnotherLogIsNotUsed) {
  for (int i = 0; i < 5; ++i) shop_->Open(absl::StrCat("3161111111", i), "nl");
  CatchUp(*NewProjector());
  shop_.reset();
  environment_.reset();
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
  environment_.emplace(MakeEnvironment(redis_));
  shop_.emplace(*bus_);
  CatchUp(*NewProjector());
  ExpectCheckpointIsTheFold();
  EXPECT_EQ(shop_->state().conversations().size(), 0u);
}

TEST_F(ProjectorTest, ViewsOfACutLogAreShownOnceARestatingRoundHasPassed) {
  const std::string id = shop_->Open("31611111111", "nl");
  const int64_t cut = shop_->end();
  shop_->Open("31622222222", "nl");
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const auto projector = NewProjector();
  CatchUp(*projector);
  EXPECT_THAT(views::ReadAgentWork(redis_, keys_, "acme", "anna"),
              StatusIs(absl::StatusCode::kUnavailable));
  shop_->Restate();
  CatchUp(*projector);
  ExpectCheckpointIsTheFold();
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  EXPECT_TRUE(view.conversation.has_value());
}

TEST_F(ProjectorTest, RetentionThatOvertakesItIsSurvived) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  shop_->Open("31633333333", "nl");
  const int64_t cut = shop_->end();
  shop_->Restate();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  CatchUp(*NewProjector());
  ExpectCheckpointIsTheFold();
}

// The one that the rest follows from: whatever happened on the way, what stands in Redis is what
// one undisturbed projector makes of the same log, and the checkpoint is the owner's state.
class RandomDays : public ProjectorTest, public ::testing::WithParamInterface<int> {};

TEST_P(RandomDays, RedisHoldsTheFoldOfTheLogWhateverHappened) {
  // Expiry depends on when it is looked at, and has its own test.
  settings_.forgotten_kept = absl::Hours(24 * 365);
  std::mt19937 random(GetParam());
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  std::unique_ptr<PartitionProjector> projectors[2] = {NewProjector(), NewProjector()};
  for (int i = 0; i < 250; ++i) {
    shop_->Happen(random);
    if (pick(60) == 0) shop_->Restate();
    if (pick(80) == 0) {
      WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
    }
    if (pick(120) == 0) {
      WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Pieces("conversation"), "ghost", "x"}));
      projectors[0].reset(new PartitionProjector(*environment_, 0));
      projectors[1].reset(new PartitionProjector(*environment_, 0));
    }
    if (pick(20) == 0) projectors[pick(2)].reset(new PartitionProjector(*environment_, 0));
    settings_.batch = static_cast<int>(1 + pick(20));
    for (size_t steps = pick(3); steps > 0; --steps) (void)projectors[pick(2)]->Step();
    clock_.Advance(absl::Milliseconds(pick(1500)));
  }
  clock_.Advance(absl::Hours(1));
  CatchUp(*projectors[pick(2)]);
  ExpectCheckpointIsTheFold();
  const auto after_the_day = Dump(redis_);

  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  settings_.batch = 500;
  CatchUp(*NewProjector());
  EXPECT_THAT(Difference(Dump(redis_), after_the_day), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 21));

}  // namespace
}  // namespace wissel::projector
