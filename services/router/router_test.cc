#include "services/router/router_fixture.h"

namespace wissel::router {
namespace {

TEST_F(RouterTest, DecidesWhatComesInAndCarriesOnWhereAnotherLeftOff) {
  Put(ShopConfig());
  {
    Router first(*bus_);
    ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
    Put(Text("31600000001", 1, "nl"));
    ASSERT_TRUE(ReadUntil(Event::kQueued));
    EXPECT_TRUE(first.Ready());
    EXPECT_TRUE(first.Drain().ok());
  }
  // Nobody decides now; a repeat and a new message wait.
  Put(Text("31600000001", 1, "nl"));
  Put(Text("31600000002", 1, "nl"));
  Router second(*bus_);
  ASSERT_TRUE(ReadUntil([](const Event& e) {
    return e.message_received().message().sender().address() == "31600000002";
  }));
  EXPECT_EQ(seen_[Event::kMessageReceived], 2);
  EXPECT_EQ(seen_[Event::kDuplicateSkipped], 1);
  EXPECT_EQ(seen_[Event::kConfigApplied], 1);
  EXPECT_TRUE(second.Drain().ok());
  EXPECT_EQ(state_.conversations().size(), 2u);
}

// Checkpoints come from Redis; the log alone is enough.
TEST_F(RouterTest, WithRedisDownItRoutesAndTakesOverFromTheLog) {
  const store::RedisOptions nobody{.address = "/nowhere/redis.sock"};
  Put(ShopConfig());
  Put(Text("31600000001", 1, "nl"));
  {
    Router first(*bus_, {}, nobody);
    ASSERT_TRUE(ReadUntil(Event::kQueued));
    EXPECT_TRUE(first.Ready());
    EXPECT_TRUE(first.Drain().ok());
  }
  Router second(*bus_, {}, nobody);
  Put(Text("31600000001", 2, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_EQ(state_.conversations().size(), 1u) << "it goes on in the one that the first opened";
  EXPECT_TRUE(second.Ready());
  EXPECT_TRUE(second.failure().ok()) << second.failure();
  EXPECT_TRUE(second.Drain().ok());
}

TEST_F(RouterTest, IsNotReadyWhereItsGroupDoesNotLetItIn) {
  wissel::testing::OutsiderBus bus(*bus_);
  Router router(bus);
  EXPECT_TRUE(wissel::testing::Eventually([&] {
    return absl::StrContains(router.Readiness(), "no ACL to join");
  })) << router.Readiness();
  EXPECT_FALSE(router.Ready());
}

TEST_F(RouterTest, SaysHowManyWaitAndHowManyOfThemForNobody) {
  // A queue that no agent serves, for German.
  config::v1::WorkspaceConfig config = ShopConfig();
  config::v1::Queue& german = *config.add_queues();
  german = config.queues(0);
  german.set_queue_id("de");
  german.mutable_rules(0)->set_languages(0, "de");
  config.mutable_queues()->SwapElements(0, 2);
  Put(config);
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  Put(Text("31600000001", 1, "nl"));
  Put(Text("49300000001", 1, "de"));
  Put(Text("49300000002", 1, "de"));
  const auto shows = [&](absl::string_view metric, absl::string_view queue, int count) {
    return absl::StrContains(
        router.Metrics(),
        absl::StrCat(metric, "{queue=\"", queue, "\",workspace=\"acme\"} ", count, "\n"));
  };
  const auto shows_conversations = [&](int count) {
    return absl::StrContains(
        router.Metrics(),
        absl::StrCat("wissel_router_conversations{partition=\"0\"} ", count, "\n"));
  };
  const auto shows_all = [&] {
    return shows_conversations(3) && shows("wissel_router_waiting_conversations", "de", 2) &&
           shows("wissel_router_unmeetable_conversations", "de", 2) &&
           shows("wissel_router_waiting_conversations", "nl", 1) &&
           shows("wissel_router_unmeetable_conversations", "nl", 0);
  };
  EXPECT_TRUE(Wait(shows_all)) << router.Metrics();
  EXPECT_TRUE(router.Drain().ok());
  // They are another router's to count now.
  EXPECT_TRUE(shows_conversations(0)) << router.Metrics();
  EXPECT_TRUE(shows("wissel_router_waiting_conversations", "de", 0)) << router.Metrics();
  EXPECT_TRUE(shows("wissel_router_unmeetable_conversations", "de", 0)) << router.Metrics();
}

TEST_F(RouterTest, SaysHowManyInputsItHasNotDecided) {
  Put(ShopConfig());
  for (int i = 0; i < 25; ++i) Put(Text("31600000001", i, "nl"));
  AlteredBus bus(*bus_);
  bus.full = true;
  RouterSettings settings;
  settings.batch = 10;
  Router router(bus, settings);
  const auto shows = [&](absl::string_view topic, int count) {
    return absl::StrContains(
        router.Metrics(), absl::StrCat("wissel_router_lag_offsets{partition=\"0\",topic=\"", topic,
                                       "\"} ", count, "\n"));
  };
  // The first is decided, and waits for room.
  EXPECT_TRUE(Wait([&] { return shows("inbound", 24); })) << router.Metrics();
  EXPECT_TRUE(shows("commands", 0)) << router.Metrics();
  bus.full = false;
  EXPECT_TRUE(Wait([&] { return shows("inbound", 0); })) << router.Metrics();
  EXPECT_TRUE(router.Drain().ok());
}

class BacklogTest : public RouterTest {
 protected:
  // A backlog of each kind, and a router that takes ten at a time: how many of which it decided in
  // a row.
  std::vector<std::string> Decide(int share_percent) {
    Put(ShopConfig());
    for (int i = 0; i < 60; ++i) Put(Text("31600000001", i, "nl"));
    for (int i = 0; i < 35; ++i) {
      command::v1::Command command = CommandBy("anna", absl::StrCat(i));
      command.mutable_add_note()->set_conversation_id("none");
      command.mutable_add_note()->set_text("x");
      Put(command);
      receipt::v1::Receipt receipt;
      receipt.mutable_deliverer_marker()->set_deliverer_id("d");
      receipt.mutable_deliverer_marker()->set_marker_id(absl::StrCat(i));
      Put(bus::Topic::kReceipts, receipt.SerializeAsString());
    }
    EXPECT_TRUE(appender_->Flush(kPatience).ok());
    RouterSettings settings;
    settings.batch = 10;
    settings.inbound_share_percent = share_percent;
    Router router(*bus_, settings);
    while (seen_[Event::kMessageReceived] < 60 && ReadUntil(Event::kMessageReceived)) {
    }
    EXPECT_TRUE(router.Drain().ok());

    std::vector<std::pair<common::v1::InputTopic, int>> runs;
    const auto log = bus::LogReader::Open(*bus_, 0, {}).value();
    const std::vector<bus::LogEntry> entries = log->Poll(1000, kPatience).value();
    for (const bus::LogEntry& entry : entries) {
      const log::v1::Cause& cause = entry.record.decision().cause();
      const common::v1::InputTopic topic = cause.input().topic();
      if (!cause.has_input() || topic == common::v1::INPUT_TOPIC_CONFIG) continue;
      if (runs.empty() || runs.back().first != topic) runs.emplace_back(topic, 0);
      ++runs.back().second;
    }
    std::vector<std::string> text;
    for (const auto& [topic, count] : runs) {
      text.push_back(absl::StrCat(count, " ", common::v1::InputTopic_Name(topic).substr(12)));
    }
    return text;
  }
};

TEST_F(BacklogTest, CommandsAndReceiptsGoBeforeMessagesWhichGetTheirShare) {
  EXPECT_THAT(Decide(50), ElementsAre("10 COMMANDS", "10 RECEIPTS", "5 INBOUND",  //
                                      "10 COMMANDS", "10 RECEIPTS", "5 INBOUND",  //
                                      "10 COMMANDS", "10 RECEIPTS", "5 INBOUND",  //
                                      "5 COMMANDS", "5 RECEIPTS", "45 INBOUND"));
}

TEST_F(BacklogTest, AShareIsAtLeastOneMessage) {
  EXPECT_THAT(Decide(1), ElementsAre("10 COMMANDS", "10 RECEIPTS", "1 INBOUND",  //
                                     "10 COMMANDS", "10 RECEIPTS", "1 INBOUND",  //
                                     "10 COMMANDS", "10 RECEIPTS", "1 INBOUND",  //
                                     "5 COMMANDS", "5 RECEIPTS", "57 INBOUND"));
}

TEST_F(RouterTest, AMessageStandsInTheLogWithTheBytesItCameWith) {
  Put(ShopConfig());
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  // What a newer channel service may write: fields that are not known here, and not in order.
  message::v1::InboundMessage message = Text("31600000001", 1, "nl");
  message.GetReflection()->MutableUnknownFields(&message)->AddLengthDelimited(15'000, "newer");
  const std::string bytes = absl::StrCat(message.SerializeAsString(), [] {
    message::v1::InboundMessage subject;
    subject.set_subject("last");
    return subject.SerializeAsString();
  }());
  ASSERT_NE(message.SerializeAsString(), bytes);
  Put(bus::Topic::kInbound, bytes);
  ASSERT_TRUE(ReadUntil([](const Event& e) {
    const message::v1::InboundMessage& m = e.message_received().message();
    return m.sender().address() == "31600000001" && m.subject() == "last" &&
           m.GetReflection()->GetUnknownFields(m).field_count() == 1;
  }));
  EXPECT_TRUE(router.Drain().ok());
  // One record of the log holds them as they were.
  const std::unique_ptr<bus::Reader> reader = bus_->OpenReader(bus::Topic::kLog, 0, {}).value();
  const std::vector<bus::Record> records = reader->Poll(100, kPatience).value();
  EXPECT_EQ(std::count_if(records.begin(), records.end(),
                          [&](const bus::Record& r) { return absl::StrContains(r.value, bytes); }),
            1);
}

TEST_F(RouterTest, AnInputsTraceStandsAtItsDecisionAndInTheLines) {
  const auto trace = [](char digit) {
    return absl::StrCat("00-", std::string(32, digit), "-b7ad6b7169203331-01");
  };
  Mutex mutex;
  std::vector<std::string> lines;
  Put(ShopConfig());
  Router router(*bus_, {}, std::nullopt,
                telemetry::Logger({.min_severity = telemetry::Severity::kDebug,
                                   .write = [&](absl::string_view line) {
                                     MutexLock lock(mutex);
                                     lines.emplace_back(line);
                                   }}));
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  const auto put = [&](bus::Topic topic, std::string value, char digit) {
    Put(topic, std::move(value), "acme/main", {{"traceparent", trace(digit)}});
  };
  command::v1::AddNote note;
  note.set_conversation_id("none");
  note.set_text("x");
  command::v1::Command refused = CommandBy("anna", "refused");
  *refused.mutable_add_note() = note;
  put(bus::Topic::kInbound, "\xff not a message", 'a');
  put(bus::Topic::kCommands, refused.SerializeAsString(), 'b');
  put(bus::Topic::kInbound, Text("31600000001", 1, "nl").SerializeAsString(), 'c');
  const auto seen_all = [&] {
    return seen_[Event::kInputDeadLettered] == 1 && seen_[Event::kCommandRejected] == 1 &&
           seen_[Event::kMessageReceived] == 1;
  };
  while (!seen_all()) {
    ASSERT_TRUE(ReadUntil([&](const Event&) { return true; }));
  }
  EXPECT_TRUE(router.Drain().ok());

  std::map<Event::KindCase, std::string> traces;
  const auto log = bus::LogReader::Open(*bus_, 0, {}).value();
  const std::vector<bus::LogEntry> entries = log->Poll(100, absl::ZeroDuration()).value();
  for (const bus::LogEntry& entry : entries) {
    for (const Event& event : entry.record.decision().events()) {
      traces[event.kind_case()] = std::string(bus::HeaderOf(entry.headers, "traceparent"));
    }
  }
  EXPECT_EQ(traces[Event::kInputDeadLettered], trace('a'));
  const auto letters = bus_->OpenReader(bus::Topic::kDeadLetter, 0, {}).value();
  const std::vector<bus::Record> letter = letters->Poll(100, kPatience).value();
  ASSERT_EQ(letter.size(), 1u);
  EXPECT_EQ(bus::HeaderOf(letter[0].headers, "traceparent"), trace('a'));
  EXPECT_EQ(bus::HeaderOf(letter[0].headers, "content-type"),
            "application/x-protobuf; messageType=\"wissel.deadletter.v1.DeadLetter\"");
  EXPECT_EQ(traces[Event::kCommandRejected], trace('b'));
  EXPECT_EQ(traces[Event::kMessageReceived], trace('c'));
  MutexLock lock(mutex);
  const auto says = [&](absl::string_view what, char digit) {
    return std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
      return absl::StrContains(line, what) && absl::StrContains(line, std::string(32, digit));
    });
  };
  EXPECT_EQ(says("input dead-lettered", 'a'), 1);
  EXPECT_EQ(says("command refused", 'b'), 1);
}

// Whatever stands beside the value, what becomes of a record fits into one and can be read.
// From a program that does not keep to the contract.
TEST_F(RouterTest, AMessageRightBehindItsConfigurationIsNoGarbage) {
  Router router(*bus_);
  constexpr int kWorkspaces = 200;
  for (int i = 0; i < kWorkspaces; ++i) {
    config::v1::WorkspaceConfig config = ShopConfig();
    config.set_workspace_id(absl::StrCat("shop-", i));
    Put(config);
    message::v1::InboundMessage m = Text("31600000001", i, "nl");
    m.mutable_envelope()->set_workspace_id(config.workspace_id());
    Put(m);
  }
  while (seen_[Event::kMessageReceived] < kWorkspaces) {
    ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  }
  EXPECT_EQ(seen_[Event::kInputDeadLettered], 0);
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, OfTwoConfigurationsWithOneVersionTheFirstIsInForce) {
  Put(ShopConfig(1));
  config::v1::WorkspaceConfig rival = ShopConfig(1);
  rival.set_display_name("rival");
  Put(rival);
  config::v1::WorkspaceConfig next = ShopConfig(2);
  next.set_display_name("next");
  Put(next);
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(
      [](const Event& e) { return e.config_applied().config().display_name() == "next"; }));
  EXPECT_EQ(seen_[Event::kConfigApplied], 2);
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, RestatesSoThatALogWithoutItsHeadStillGivesTheWholeState) {
  Put(ShopConfig());
  RouterSettings settings;
  settings.restate_interval = absl::Seconds(1);
  settings.restate_step_bytes = 1 << 10;
  Router router(*bus_, settings);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  for (int i = 0; i < 20; ++i) Put(Text(absl::StrCat("3160000000", i), 1, "nl"));
  while (seen_[Event::kMessageReceived] < 20) ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  ASSERT_TRUE(ReadUntil(Event::kRestateStarted));
  const int64_t before_round = log_->position().offset;
  // The round that is under way is cut through; the next one is whole.
  ASSERT_TRUE(ReadUntil(Event::kRestateCompleted));
  ASSERT_TRUE(ReadUntil(Event::kRestateStarted));
  ASSERT_TRUE(ReadUntil(Event::kRestateCompleted));
  ASSERT_TRUE(bus_->TruncateBefore(bus::Topic::kLog, 0, before_round).ok());
  ASSERT_TRUE(router.Drain().ok());
  const int64_t end = log_->EndOffset().value();
  while (log_->position().offset < end) ReadUntil([](const Event&) { return true; });

  auto cut = bus::LogReader::Open(*bus_, 0, {}).value();
  domain::State state;
  state.BeginsAfterCut();
  while (cut->position().offset < end) {
    const std::vector<bus::LogEntry> entries = cut->Poll(100, absl::Milliseconds(100)).value();
    for (const bus::LogEntry& entry : entries) {
      if (entry.record.has_decision()) state.Apply(entry.record.decision());
    }
  }
  EXPECT_TRUE(state.whole());
  EXPECT_EQ(state.Hash(), state_.Hash());
  // And a router that starts there knows what was decided.
  Put(Text("31600000001", 1, "nl"));
  Router successor(*bus_);
  EXPECT_TRUE(ReadUntil(Event::kDuplicateSkipped));
  EXPECT_TRUE(successor.Drain().ok());
}

TEST_F(RouterTest, ALogThatWasBegunWithAnotherNumberOfPartitionsIsRefused) {
  const auto where = [](int partitions) { return bus::PartitionOf("acme/main", partitions); };
  int same = 2;
  while (where(same) != 0) ++same;
  int another = 2;
  while (where(another) == 0) ++another;
  Put(ShopConfig());
  Put(Text("31600000001", 1, "nl"));
  {
    Router router(*bus_);
    ASSERT_TRUE(ReadUntil(Event::kQueued));
    ASSERT_TRUE(router.Drain().ok());
  }
  AlteredBus bus(*bus_);
  bus.partitions = same;
  Put(Text("31600000001", 2, "nl"));
  {
    Router router(bus);
    EXPECT_TRUE(ReadUntil(Event::kMessageReceived)) << "it is still where its records go";
    EXPECT_TRUE(router.failure().ok()) << router.failure();
    ASSERT_TRUE(router.Drain().ok());
  }
  bus.partitions = another;
  Put(Text("31600000001", 3, "nl"));
  Router router(bus);
  ASSERT_TRUE(Wait([&] { return !router.failure().ok(); }));
  EXPECT_THAT(router.failure(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat(
                           "another number of partitions than the ", another,
                           " that it has, and must keep it: partition 0 has routing group "
                           "acme/main, whose records now go to partition ",
                           where(another)))));
  EXPECT_TRUE(router.Drain().ok());
  const auto log = bus::LogReader::Open(*bus_, 0, {}).value();
  const std::vector<bus::LogEntry> entries = log->Poll(1000, kPatience).value();
  EXPECT_TRUE(entries.back().record.has_owner_claimed()) << "nothing is decided";
}

TEST(RouterPartitions, OneThatWasAddedIsRefused) {
  const auto bus = bus::NewEmbeddedBus({.path = ":memory:", .partitions = 4}).value();
  AlteredBus before(*bus);
  before.partitions = 3;
  Router router(before);
  EXPECT_TRUE(Wait([&] { return !router.failure().ok(); }));
  EXPECT_THAT(router.failure(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         HasSubstr("a partition 3 of 3 that there were")));
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, CountsTheInputsThatAreGoneBeforeTheyWereDecided) {
  Put(ShopConfig());
  for (int i = 0; i < 5; ++i) Put(Text("31600000001", i, "nl"));
  ASSERT_TRUE(appender_->Flush(kPatience).ok());
  ASSERT_TRUE(bus_->TruncateBefore(bus::Topic::kInbound, 0, 3).ok());
  Router router(*bus_);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_THAT(router.Metrics(), HasSubstr("wissel_router_lost_inputs_total 3\n"));
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, CountsTheRecoveriesThatLackSomething) {
  Put(ShopConfig());
  Put(Text("31600000001", 1, "nl"));
  {
    Router router(*bus_);
    ASSERT_TRUE(ReadUntil(Event::kQueued));
    ASSERT_TRUE(router.Drain().ok());
    EXPECT_THAT(router.Metrics(), HasSubstr("wissel_router_incomplete_recoveries_total 0\n"));
    EXPECT_THAT(router.Metrics(), HasSubstr("wissel_router_lost_inputs_total 0\n"));
  }
  ASSERT_TRUE(bus_->TruncateBefore(bus::Topic::kLog, 0, log_->position().offset).ok());
  Router successor(*bus_);
  EXPECT_TRUE(Wait([&] {
    return absl::StrContains(successor.Metrics(), "wissel_router_incomplete_recoveries_total 1\n");
  }));
  EXPECT_TRUE(successor.Drain().ok());
}

TEST_F(RouterTest, AnAgentIsOfferedTheConversationAndItsCommandsAreDecided) {
  Put(ShopConfig());
  Router router(*bus_);
  command::v1::Command connect = CommandBy("anna", "connect");
  connect.mutable_connect_agent()->set_agent_id("anna");
  connect.mutable_connect_agent()->set_session_id("s");
  connect.mutable_connect_agent()->set_gateway_id("g");
  *connect.mutable_connect_agent()->mutable_lease() = ToProto(absl::Minutes(1));
  command::v1::Command available = CommandBy("anna", "available");
  available.mutable_set_presence()->set_agent_id("anna");
  available.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  Put(connect);
  Put(available);
  Put(Text("31600000001", 1, "nl"));
  std::string offer_id;
  ASSERT_TRUE(ReadUntil([&](const Event& e) {
    offer_id = e.offered().offer_id();
    return e.has_offered();
  }));
  command::v1::Command accept = CommandBy("anna", "accept");
  accept.mutable_accept_offer()->set_agent_id("anna");
  accept.mutable_accept_offer()->set_offer_id(offer_id);
  Put(accept);
  EXPECT_TRUE(ReadUntil(
      [](const Event& e) { return e.has_assigned() && e.assigned().agent_id() == "anna"; }));
  EXPECT_TRUE(router.Drain().ok());
}

}  // namespace
}  // namespace wissel::router
