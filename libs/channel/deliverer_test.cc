#include "libs/channel/deliverer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"
#include "libs/bus/embedded.h"
#include "libs/channel/testing/tiny_router.h"
#include "libs/telemetry/trace.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/forwarding_bus.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::channel {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kKey[] = "shop/nl";

// Keeps a book of what it was asked to send, and answers when the test says so, or at once.
class FakeSender : public Sender {
 public:
  using Done = absl::AnyInvocable<void(SendOutcome) &&>;

  void Send(const OutboundDelivery& delivery, Done done) override {
    MutexLock lock(mutex_);
    book_.push_back(delivery.outbound_id);
    if (answer_at_once_) {
      std::move(done)({.kind = SendOutcome::Kind::kAccepted,
                       .provider_message_id = absl::StrCat("p-", delivery.outbound_id)});
    } else {
      waiting_.emplace(delivery.outbound_id, std::move(done));
    }
    changed_.NotifyAll();
  }

  void AnswerAtOnce() {
    MutexLock lock(mutex_);
    answer_at_once_ = true;
  }

  Done Take(const std::string& outbound_id) {
    MutexLock lock(mutex_);
    while (!waiting_.contains(outbound_id)) changed_.Wait(mutex_);
    Done done = std::move(waiting_[outbound_id]);
    waiting_.erase(outbound_id);
    return done;
  }

  // Those that have been asked for and not answered, once `calls` have been asked for in all.
  std::vector<std::string> WaitForCalls(size_t calls) {
    MutexLock lock(mutex_);
    while (book_.size() < calls) changed_.Wait(mutex_);
    std::vector<std::string> ids;
    for (const auto& [id, done] : waiting_) ids.push_back(id);
    return ids;
  }

  std::vector<std::string> book() const {
    MutexLock lock(mutex_);
    return book_;
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  bool answer_at_once_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::string> book_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Done> waiting_ ABSL_GUARDED_BY(mutex_);
};

class DelivererTest : public ::testing::Test {
 protected:
  DelivererTest() : bus_(bus::NewEmbeddedBus({.partitions = 2}).value()), router_(bus_.get()) {
    policy_.start_limit = absl::Milliseconds(400);
    policy_.call_timeout = absl::Milliseconds(200);
    policy_.settle_wait = absl::Milliseconds(50);
    policy_.initial_backoff = absl::Milliseconds(10);
  }

  std::unique_ptr<Deliverer> Start(Sender* sender, std::string id = "d1") {
    return Deliverer::Start({.kind = common::v1::CHANNEL_KIND_WHATSAPP,
                             .deliverer_id = std::move(id),
                             .policy = policy_,
                             .redis = redis_,
                             .checkpoint_interval = absl::Milliseconds(20)},
                            bus_.get(), sender, &clock_, log_, &metrics_, &readiness_);
  }

  void Reply(const std::string& outbound_id, const std::string& conversation = "c1",
             const std::string& key = kKey, const std::string& traceparent = "") {
    message::v1::OutboundMessage message;
    message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    message.add_contents()->mutable_text()->set_text("hello");
    router_.Reply(key, conversation, outbound_id, message, traceparent);
  }

  const SystemClock clock_;
  DeliveryPolicy policy_;
  std::optional<store::RedisOptions> redis_;
  telemetry::Logger log_;
  telemetry::Registry metrics_;
  telemetry::Readiness readiness_;
  std::unique_ptr<bus::Bus> bus_;
  testing::TinyRouter router_;
};

TEST_F(DelivererTest, DeliversEachOnceOverAllPartitions) {
  FakeSender sender;
  sender.AnswerAtOnce();
  auto deliverer = Start(&sender);
  for (int i = 0; i < 50; ++i) {
    Reply(absl::StrCat("m", i), absl::StrCat("c", i % 7), absl::StrCat("shop/group", i % 5));
  }
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(router_.WaitFor(absl::StrCat("m", i), receipt::v1::DELIVERY_STATE_SENT)) << i;
    EXPECT_EQ(router_.Find(absl::StrCat("m", i))->provider_message_id, absl::StrCat("p-m", i));
  }
  EXPECT_THAT(sender.book(), SizeIs(50));
  // Every attempt was logged before its outcome.
  EXPECT_THAT(router_.receipts(), SizeIs(2 + 2 * 50));
}

TEST_F(DelivererTest, AnAnswersTraceGoesOnInReceiptsAndLines) {
  constexpr absl::string_view kTraceId = "0af7651916cd43dd8448eb211c80319c";
  Mutex mutex;
  std::vector<std::string> lines;
  log_ = telemetry::Logger(
      {.min_severity = telemetry::Severity::kDebug, .write = [&](absl::string_view line) {
         MutexLock lock(mutex);
         lines.emplace_back(line);
       }});
  FakeSender sender;
  auto deliverer = Start(&sender);
  Reply("m1", "c1", kKey, absl::StrCat("00-", kTraceId, "-b7ad6b7169203331-01"));
  std::move(sender.Take("m1"))({.kind = SendOutcome::Kind::kFailed});
  ASSERT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_FAILED));
  Reply("m2", "c1", kKey, "no trace");
  std::move(sender.Take("m2"))({.kind = SendOutcome::Kind::kFailed});
  ASSERT_TRUE(router_.WaitFor("m2", receipt::v1::DELIVERY_STATE_FAILED));
  deliverer.reset();

  const auto reader =
      bus_->OpenReader(bus::Topic::kReceipts, bus::PartitionOf(kKey, 2), {}).value();
  std::map<std::string, std::vector<std::string>> traces;
  const std::vector<bus::Record> records = reader->Poll(100, absl::ZeroDuration()).value();
  for (const bus::Record& record : records) {
    receipt::v1::Receipt receipt;
    ASSERT_TRUE(receipt.ParseFromString(record.value));
    const std::string& about = receipt.has_attempt_started()
                                   ? receipt.attempt_started().outbound_id()
                                   : receipt.attempt_finished().outbound_id();
    traces[about].push_back(
        telemetry::TraceIdOf(bus::HeaderOf(record.headers, telemetry::kTraceParent)));
  }
  EXPECT_THAT(traces["m1"], ElementsAre(kTraceId, kTraceId));
  EXPECT_THAT(traces["m2"], ElementsAre("", ""));
  MutexLock lock(mutex);
  for (const char* what : {"calling the provider", "not delivered"}) {
    EXPECT_THAT(lines, Contains(AllOf(HasSubstr(what), HasSubstr("m1"), HasSubstr(kTraceId))));
    EXPECT_THAT(lines, Contains(AllOf(HasSubstr(what), HasSubstr("m2"), Not(HasSubstr(kTraceId)))));
  }
}

TEST_F(DelivererTest, ADrainWaitsForTheCallThatRuns) {
  FakeSender sender;
  auto deliverer = Start(&sender);
  Reply("m1");
  FakeSender::Done done = sender.Take("m1");
  std::jthread drain([&] { deliverer->Drain(absl::Seconds(20)); });
  std::move(done)({.kind = SendOutcome::Kind::kAccepted, .provider_message_id = "p"});
  drain.join();
  EXPECT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_SENT));
}

TEST_F(DelivererTest, ACallCutOffIsHeldByTheNextAndNeverRepeated) {
  FakeSender first;
  FakeSender second;
  second.AnswerAtOnce();
  auto deliverer = Start(&first, "d1");
  Reply("m1");
  FakeSender::Done done = first.Take("m1");
  deliverer.reset();  // As if killed: the provider may have it.
  deliverer = Start(&second, "d2");
  EXPECT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_HELD));
  EXPECT_THAT(second.book(), SizeIs(0));
  Reply("m2");
  EXPECT_TRUE(router_.WaitFor("m2", receipt::v1::DELIVERY_STATE_SENT));
  // Too late: nobody listens any more, and nothing breaks.
  std::move(done)({.kind = SendOutcome::Kind::kAccepted, .provider_message_id = "p"});
  router_.Resend(kKey, "m1");
  EXPECT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_SENT));
  EXPECT_THAT(second.book(), ElementsAre("m2", "m1"));
}

TEST_F(DelivererTest, ADroppedCallbackIsUncertain) {
  FakeSender sender;
  policy_.settle_wait = absl::Hours(1);
  auto deliverer = Start(&sender);
  Reply("m1");
  { FakeSender::Done dropped = sender.Take("m1"); }
  EXPECT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_UNCERTAIN));
}

TEST_F(DelivererTest, NothingIsSentWhileTheRouterIsAwayAndNothingTooLate) {
  FakeSender sender;
  sender.AnswerAtOnce();
  auto deliverer = Start(&sender);
  Reply("m0");
  ASSERT_TRUE(router_.WaitFor("m0", receipt::v1::DELIVERY_STATE_SENT));
  router_.Pause();
  Reply("m1");
  // The attempt is logged; the router comes back only when it must not be made any more.
  absl::SleepFor(policy_.start_limit + absl::Milliseconds(100));
  EXPECT_THAT(sender.book(), ElementsAre("m0"));
  router_.Resume();
  EXPECT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_SENT));
  EXPECT_THAT(sender.book(), ElementsAre("m0", "m1"));
  EXPECT_EQ(router_.Find("m1")->attempt, 2);
}

TEST_F(DelivererTest, OnePartitionsBacklogDoesNotStarveTheOthers) {
  const auto key_in = [](int32_t partition) {
    for (int i = 0;; ++i) {
      const std::string key = absl::StrCat("shop/group", i);
      if (bus::PartitionOf(key, 2) == partition) return key;
    }
  };
  for (const int slots : {1, 2}) {
    const std::string run = absl::StrCat("run", slots, "-");
    FakeSender sender;
    policy_.max_in_flight = slots;
    policy_.call_timeout = absl::Hours(1);
    auto deliverer = Start(&sender, run);
    for (int i = 0; i < 200; ++i) {
      Reply(absl::StrCat(run, i), absl::StrCat(run, "c", i), key_in(0));
    }
    size_t calls = static_cast<size_t>(slots);
    sender.WaitForCalls(calls);
    const std::string other = run + "other";
    Reply(other, run + "c", key_in(1));
    const Timeout limit(absl::Seconds(20));
    while (deliverer->stats().open < 201 && !limit.Expired()) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    for (int i = 0; i < 4; ++i) {
      for (const std::string& id : sender.WaitForCalls(calls)) {
        std::move(sender.Take(id))({.kind = SendOutcome::Kind::kAccepted});
        ++calls;
      }
    }
    EXPECT_THAT(sender.book(), Contains(other));
    sender.AnswerAtOnce();
    for (const std::string& id : sender.WaitForCalls(calls)) {
      std::move(sender.Take(id))({.kind = SendOutcome::Kind::kAccepted});
    }
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(router_.WaitFor(absl::StrCat(run, i), receipt::v1::DELIVERY_STATE_SENT));
    }
  }
}

TEST_F(DelivererTest, TwoDeliverersShareThePartitions) {
  FakeSender one;
  FakeSender two;
  one.AnswerAtOnce();
  two.AnswerAtOnce();
  auto first = Start(&one, "d1");
  auto second = Start(&two, "d2");
  for (int i = 0; i < 40; ++i) {
    Reply(absl::StrCat("m", i), absl::StrCat("c", i), absl::StrCat("shop/group", i % 8));
  }
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(router_.WaitFor(absl::StrCat("m", i), receipt::v1::DELIVERY_STATE_SENT)) << i;
  }
  EXPECT_EQ(one.book().size() + two.book().size(), 40u);
}

// What readiness says, once it says `word`.
std::string AwaitReadiness(const telemetry::Readiness& readiness, const std::string& word) {
  const Timeout limit(absl::Seconds(20));
  while (!absl::StrContains(readiness.ToJson(), word) && !limit.Expired()) {
    absl::SleepFor(absl::Milliseconds(2));
  }
  return readiness.ToJson();
}

TEST_F(DelivererTest, IsNotReadyWhileTheBusIsAway) {
  wissel::testing::AwayBus away;
  FakeSender sender;
  const auto deliverer =
      Deliverer::Start({.kind = common::v1::CHANNEL_KIND_WHATSAPP, .deliverer_id = "d1"}, &away,
                       &sender, &clock_, log_, &metrics_, &readiness_);
  EXPECT_THAT(AwaitReadiness(readiness_, "the broker is away"),
              AllOf(HasSubstr("deliver_whatsapp"), HasSubstr("the broker is away")));
  EXPECT_FALSE(readiness_.Ready());
}

TEST_F(DelivererTest, IsNotReadyWhereItsGroupDoesNotLetItIn) {
  wissel::testing::OutsiderBus bus(*bus_);
  FakeSender sender;
  const auto deliverer =
      Deliverer::Start({.kind = common::v1::CHANNEL_KIND_WHATSAPP, .deliverer_id = "d1"}, &bus,
                       &sender, &clock_, log_, &metrics_, &readiness_);
  EXPECT_THAT(AwaitReadiness(readiness_, "no ACL to join"), HasSubstr("no ACL to join"));
  EXPECT_FALSE(readiness_.Ready());
}

TEST_F(DelivererTest, IsReadyWhenTheRouterHasTakenItsMarkers) {
  router_.Pause();
  FakeSender sender;
  sender.AnswerAtOnce();
  const DelivererOptions options{
      .kind = common::v1::CHANNEL_KIND_WHATSAPP, .deliverer_id = "d1", .policy = policy_};
  auto deliverer =
      Deliverer::Start(options, bus_.get(), &sender, &clock_, log_, &metrics_, &readiness_);
  EXPECT_THAT(AwaitReadiness(readiness_, "marker"),
              HasSubstr("the router has not taken its marker"));
  EXPECT_FALSE(readiness_.Ready());
  // One whose process takes messages in as well is of use all the same.
  telemetry::Readiness with_ingest;
  telemetry::Registry metrics;
  auto other = Deliverer::Start({.kind = common::v1::CHANNEL_KIND_EMAIL,
                                 .deliverer_id = "d2",
                                 .policy = policy_,
                                 .decides_readiness = false},
                                bus_.get(), &sender, &clock_, log_, &metrics, &with_ingest);
  AwaitReadiness(with_ingest, "\"ready\":true");
  EXPECT_TRUE(with_ingest.Ready()) << with_ingest.ToJson();

  router_.Resume();
  AwaitReadiness(readiness_, "\"ready\":true");
  EXPECT_TRUE(readiness_.Ready()) << readiness_.ToJson();
}

TEST_F(DelivererTest, SaysWhatItHasAndHowLongItsOldestAnswerWaits) {
  FakeSender sender;
  auto deliverer = Start(&sender);
  Reply("m1");
  FakeSender::Done done = sender.Take("m1");
  const auto shows = [this](const std::string& line) {
    const Timeout limit(absl::Seconds(20));
    while (!absl::StrContains(metrics_.Expose(), line) && !limit.Expired()) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    return absl::StrContains(metrics_.Expose(), line);
  };
  EXPECT_TRUE(shows("wissel_deliver_partitions{channel=\"whatsapp\"} 2\n"));
  EXPECT_TRUE(shows("wissel_deliver_started_partitions{channel=\"whatsapp\"} 2\n"));
  EXPECT_TRUE(shows("wissel_deliver_open_messages{channel=\"whatsapp\"} 1\n"));
  EXPECT_THAT(metrics_.Expose(),
              Not(HasSubstr("wissel_deliver_oldest_open_seconds{channel=\"whatsapp\"} 0\n")));
  std::move(done)({.kind = SendOutcome::Kind::kAccepted});
  EXPECT_TRUE(shows("wissel_deliver_oldest_open_seconds{channel=\"whatsapp\"} 0\n"));
  deliverer.reset();
  EXPECT_TRUE(shows("wissel_deliver_partitions{channel=\"whatsapp\"} 0\n"));
}

// Notes what a group commits.
class CommitsBus final : public wissel::testing::ForwardingBus {
 public:
  explicit CommitsBus(bus::Bus& bus) : ForwardingBus(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Membership>> Join(absl::string_view group, bus::Topic topic,
                                                        bus::MemberOptions options) override {
    class Noting final : public bus::Membership {
     public:
      Noting(std::unique_ptr<bus::Membership> real, CommitsBus& owner)
          : real_(std::move(real)), owner_(owner) {}
      absl::StatusOr<bus::Assignment> Poll(absl::Duration timeout) override {
        return real_->Poll(timeout);
      }
      absl::Status standing() const override { return real_->standing(); }
      void CommitForMonitoring(const std::vector<bus::Progress>& progress) override {
        MutexLock lock(owner_.mutex_);
        for (const bus::Progress& p : progress) owner_.committed_[p.partition] = p.next;
      }

     private:
      const std::unique_ptr<bus::Membership> real_;
      CommitsBus& owner_;
    };
    auto real = ForwardingBus::Join(group, topic, std::move(options));
    if (!real.ok()) return real.status();
    return std::make_unique<Noting>(*std::move(real), *this);
  }

  std::map<int32_t, int64_t> committed() const {
    MutexLock lock(mutex_);
    return committed_;
  }

 private:
  mutable Mutex mutex_;
  std::map<int32_t, int64_t> committed_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(DelivererTest, CommitsItsPlaceInTheLogForThoseWhoWatchTheGroup) {
  CommitsBus commits(*bus_);
  FakeSender sender;
  sender.AnswerAtOnce();
  const auto deliverer = Deliverer::Start({.kind = common::v1::CHANNEL_KIND_WHATSAPP,
                                           .deliverer_id = "d1",
                                           .policy = policy_,
                                           .commit_interval = absl::Milliseconds(5)},
                                          &commits, &sender, &clock_, log_, &metrics_, &readiness_);
  Reply("m1");
  ASSERT_TRUE(router_.WaitFor("m1", receipt::v1::DELIVERY_STATE_SENT));
  const auto ends = [this] {
    std::map<int32_t, int64_t> ends;
    for (int32_t i = 0; i < 2; ++i) {
      ends[i] = bus_->OpenReader(bus::Topic::kLog, i, {}).value()->EndOffset().value();
    }
    return ends;
  };
  const Timeout limit(absl::Seconds(20));
  while (commits.committed() != ends() && !limit.Expired()) absl::SleepFor(absl::Milliseconds(2));
  EXPECT_EQ(commits.committed(), ends());
}

class CheckpointTest : public DelivererTest {
 protected:
  CheckpointTest() { redis_ = store::RedisOptions{.address = server_.address()}; }

  // A deliverer that has sent all but m0, which a person must decide about, and is gone. The log
  // has more than 600 records then.
  void LeaveOneHeld() {
    FakeSender sender;
    auto deliverer = Start(&sender, "d1");
    Reply("m0");
    std::move(sender.Take("m0"))({.kind = SendOutcome::Kind::kUncertain});
    ASSERT_TRUE(router_.WaitFor("m0", receipt::v1::DELIVERY_STATE_HELD));
    sender.AnswerAtOnce();
    for (int i = 1; i <= 200; ++i) Reply(absl::StrCat("m", i), absl::StrCat("c", i + 1));
    for (int i = 1; i <= 200; ++i) {
      ASSERT_TRUE(router_.WaitFor(absl::StrCat("m", i), receipt::v1::DELIVERY_STATE_SENT));
    }
    deliverer->Drain(absl::Seconds(20));
  }
  // The next one's records when it has carried out what the person decides.
  int64_t RecordsOfTheNext() {
    FakeSender sender;
    sender.AnswerAtOnce();
    const auto deliverer = Start(&sender, "d2");
    router_.Resend(kKey, "m0");
    EXPECT_TRUE(router_.WaitFor("m0", receipt::v1::DELIVERY_STATE_SENT));
    EXPECT_THAT(sender.book(), ElementsAre("m0"));
    deliverer->Drain(absl::Seconds(20));
    return deliverer->stats().records;
  }

  wissel::testing::RedisServer server_;
};

TEST_F(CheckpointTest, ATakeOverReadsOnlyTheRestOfTheLog) {
  LeaveOneHeld();
  EXPECT_LT(RecordsOfTheNext(), 100);
}

TEST_F(CheckpointTest, AfterFlushallTheLogIsFoldedFromItsStart) {
  LeaveOneHeld();
  WISSEL_ASSERT_OK(store::Redis(*redis_).Run("", {"FLUSHALL"}));
  EXPECT_GT(RecordsOfTheNext(), 600);
}

TEST_F(CheckpointTest, WhatDoesNotAddUpIsNotBelieved) {
  LeaveOneHeld();
  store::Redis redis(*redis_);
  for (const char* key : {"wissel:{p0}:outbox:whatsapp", "wissel:{p1}:outbox:whatsapp"}) {
    WISSEL_ASSERT_OK(redis.Run("", {"SETRANGE", key, "60", "?"}));
  }
  EXPECT_GT(RecordsOfTheNext(), 600);
}

TEST_F(CheckpointTest, ThatOfAnotherLogIsNotBelieved) {
  LeaveOneHeld();
  const auto other = bus::NewEmbeddedBus({.partitions = 2}).value();
  testing::TinyRouter router(other.get());
  message::v1::OutboundMessage message;
  message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  message.add_contents()->mutable_text()->set_text("hello");
  router.Reply(kKey, "c1", "n1", message);
  FakeSender sender;
  sender.AnswerAtOnce();
  const auto deliverer =
      Deliverer::Start({.kind = common::v1::CHANNEL_KIND_WHATSAPP,
                        .deliverer_id = "d2",
                        .policy = policy_,
                        .redis = redis_},
                       other.get(), &sender, &clock_, telemetry::Logger(), &metrics_, &readiness_);
  EXPECT_TRUE(router.WaitFor("n1", receipt::v1::DELIVERY_STATE_SENT));
  EXPECT_THAT(sender.book(), ElementsAre("n1"));
}

// Redis takes the connection and says nothing: waiting for it must not cost the partitions.
TEST_F(DelivererTest, ARedisThatHangsDoesNotThrowADelivererOutOfItsGroup) {
  const wissel::testing::TempDir folder;
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  folder.Join("redis").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 100), 0);

  const auto bus = bus::NewEmbeddedBus({.partitions = 6}).value();
  testing::TinyRouter router(bus.get());
  FakeSender sender;
  constexpr absl::Duration kSession = absl::Seconds(4);
  const auto other =
      bus->Join("deliver-whatsapp", bus::Topic::kLog, {.session_timeout = absl::Minutes(10)})
          .value();
  std::set<int32_t> others;
  const auto poll = [&] {
    const bus::Assignment change = other->Poll(absl::Milliseconds(10)).value();
    for (const int32_t number : change.revoked) others.erase(number);
    others.insert(change.assigned.begin(), change.assigned.end());
  };
  while (others.size() < 6) poll();
  const auto deliverer = Deliverer::Start(
      {.kind = common::v1::CHANNEL_KIND_WHATSAPP,
       .deliverer_id = "d1",
       .policy = policy_,
       .session_timeout = kSession,
       .redis = store::RedisOptions{.address = address.sun_path,
                                    .command_timeout = kSession + absl::Seconds(1)}},
      bus.get(), &sender, &clock_, log_, &metrics_, &readiness_);
  while (others.size() > 3) poll();
  while (deliverer->stats().started < 3) {
    poll();
    ASSERT_EQ(others.size(), 3u) << "the deliverer has lost its place";
  }
  close(listener);  // What is still to be kept fails at once.
}

TEST_F(CheckpointTest, WithoutRedisItWorksAllTheSame) {
  LeaveOneHeld();
  server_.Kill();
  EXPECT_GT(RecordsOfTheNext(), 600);
}

}  // namespace
}  // namespace wissel::channel
