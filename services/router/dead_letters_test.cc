#include "services/router/router_fixture.h"

namespace wissel::router {
namespace {

// What cannot be decided is put aside, and holds nothing up.

TEST_F(RouterTest, GarbageIsPutAsideAndHoldsNothingUp) {
  Put(ShopConfig());
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  Put(bus::Topic::kInbound, "\xff not a message");
  command::v1::Command of_no_kind;
  of_no_kind.mutable_actor()->set_subject("anna");
  Put(of_no_kind);
  Put(bus::Topic::kReceipts, "\x0a\xff\xff\xff\xff\x0f");
  Put(bus::Topic::kConfig, "garbage");
  message::v1::InboundMessage lost = Text("31600000009", 1, "nl");
  lost.mutable_envelope()->set_workspace_id("nobody");
  Put(lost);
  Put(Text("31600000001", 1, "nl"));
  ASSERT_TRUE(ReadUntil([&](const Event& e) {
    return e.input_dead_lettered().input_id() == lost.envelope().id();
  })) << "its sender can know it again";
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  while (seen_[Event::kInputDeadLettered] < 4) ASSERT_TRUE(ReadUntil(Event::kInputDeadLettered));

  std::map<int, int> reasons;
  std::vector<deadletter::v1::DeadLetter> of_configs;
  for (const deadletter::v1::DeadLetter& letter : DeadLetters()) {
    EXPECT_FALSE(letter.raw().empty());
    ++reasons[letter.reason()];
    if (letter.origin().record().topic() == "wissel.config.v1") of_configs.push_back(letter);
  }
  EXPECT_EQ(reasons[deadletter::v1::REASON_UNPARSABLE], 3);
  EXPECT_EQ(reasons[deadletter::v1::REASON_INVALID], 1);
  EXPECT_EQ(reasons[deadletter::v1::REASON_MISROUTED], 1);
  for (const auto& [reason, count] :
       {std::pair{"unparsable", 3}, {"invalid", 1}, {"misrouted", 1}, {"too_large", 0}}) {
    EXPECT_THAT(router.Metrics(),
                HasSubstr(absl::StrCat("wissel_router_dead_letters_total{reason=\"", reason, "\"} ",
                                       count, "\n")));
  }
  ASSERT_EQ(of_configs.size(), 1u);
  EXPECT_EQ(of_configs[0].raw(), "garbage");
  EXPECT_EQ(of_configs[0].workspace_id(), "acme");
  EXPECT_EQ(of_configs[0].detail(), "not a wissel.config.v1.WorkspaceConfig");
  EXPECT_TRUE(router.Drain().ok());

  // Who takes over reads the configurations from their beginning: no other letter comes of it.
  Router next(*bus_);
  Put(Text("31600000002", 1, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  for (const deadletter::v1::DeadLetter& letter : DeadLetters()) {
    if (letter.origin().record().topic() != "wissel.config.v1") continue;
    EXPECT_EQ(letter.dead_letter_id(), of_configs[0].dead_letter_id());
  }
  EXPECT_TRUE(next.Drain().ok());
}

TEST_F(RouterTest, WhoSentWhatIsTooLargeIsToldSo) {
  Put(ShopConfig());
  Router router(*bus_);
  command::v1::Command large = CommandBy("anna", "large");
  large.mutable_add_note()->set_conversation_id("none");
  large.mutable_add_note()->set_text(std::string(800 << 10, 'x'));
  Put(large);
  std::string input_id;
  ASSERT_TRUE(ReadUntil([&](const Event& e) {
    input_id = e.input_dead_lettered().input_id();
    return e.has_input_dead_lettered();
  }));
  EXPECT_EQ(input_id, large.envelope().id());
  ASSERT_EQ(DeadLetters().size(), 1u);
  EXPECT_EQ(DeadLetters()[0].reason(), deadletter::v1::REASON_TOO_LARGE);
  EXPECT_TRUE(router.Drain().ok());
}

// The topic is every partition's; its garbage is kept once.
TEST(RouterPartitions, OneOfThemKeepsTheGarbageAmongTheConfigurations) {
  constexpr int kPartitions = 4;
  const auto bus = bus::NewEmbeddedBus({.path = ":memory:", .partitions = kPartitions}).value();
  const auto appender = bus->NewAppender({});
  const auto put = [&](bus::Topic topic, int32_t partition, std::string value) {
    appender->Append({.topic = topic, .partition = partition, .value = std::move(value)},
                     [](absl::StatusOr<int64_t> offset) { ASSERT_TRUE(offset.ok()); });
  };
  put(bus::Topic::kConfig, 0, "garbage");
  // Decided behind the configurations, in each partition.
  for (int32_t p = 0; p < kPartitions; ++p) put(bus::Topic::kInbound, p, "garbage");
  Router router(*bus);
  std::vector<std::string> topics;
  std::vector<std::unique_ptr<bus::Reader>> readers;
  for (int32_t p = 0; p < kPartitions; ++p) {
    readers.push_back(bus->OpenReader(bus::Topic::kDeadLetter, p, {}).value());
  }
  const absl::Time deadline = absl::Now() + kPatience;
  while (topics.size() < kPartitions + 1 && absl::Now() < deadline) {
    for (const auto& reader : readers) {
      const std::vector<bus::Record> records = reader->Poll(100, absl::Milliseconds(5)).value();
      for (const bus::Record& record : records) {
        deadletter::v1::DeadLetter letter;
        ASSERT_TRUE(letter.ParseFromString(record.value));
        topics.push_back(letter.origin().record().topic());
      }
    }
  }
  EXPECT_EQ(std::count(topics.begin(), topics.end(), "wissel.config.v1"), 1);
  EXPECT_EQ(std::count(topics.begin(), topics.end(), "wissel.inbound.v1"), kPartitions);
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, NoFieldHoldsAPartitionUp) {
  Put(ShopConfig());
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  message::v1::InboundMessage large = Text("31600000001", 1, "nl");
  large.set_subject(std::string(600'000, 's'));
  Put(large);
  Put(Text("31600000002", 1, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_EQ(seen_[Event::kMessageReceived], 1);
  ASSERT_EQ(DeadLetters().size(), 1u);
  EXPECT_EQ(DeadLetters()[0].reason(), deadletter::v1::REASON_INVALID);
  EXPECT_EQ(DeadLetters()[0].detail(),
            "the subject, provider_message_id or language has 600000 bytes; at most 998");
  EXPECT_TRUE(router.Drain().ok());
}

class SmallRecordsTest : public RouterTest {
 protected:
  static constexpr size_t kMaxRecordBytes = 20'000;
  SmallRecordsTest() : RouterTest(kMaxRecordBytes) {}
};

// However a decision becomes larger than a record: its input goes aside, once, and the rest goes
// on.
TEST_F(SmallRecordsTest, AnInputWhoseDecisionNoRecordHoldsIsADeadLetter) {
  Put(ShopConfig());
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  message::v1::InboundMessage large = Text("31600000001", 1, "nl");
  large.mutable_contents(0)->mutable_text()->set_text(std::string(kMaxRecordBytes - 500, 't'));
  Put(large);
  Put(Text("31600000002", 1, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_EQ(seen_[Event::kMessageReceived], 1);
  ASSERT_EQ(DeadLetters().size(), 1u);
  EXPECT_EQ(DeadLetters()[0].reason(), deadletter::v1::REASON_TOO_LARGE);
  EXPECT_EQ(DeadLetters()[0].detail(), "its decision is larger than a record");
  Put(Text("31600000003", 1, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_EQ(seen_[Event::kInputDeadLettered], 1);
  EXPECT_TRUE(router.Drain().ok());
}

// The shop's, of so many bytes.
config::v1::WorkspaceConfig LargeConfig(absl::string_view workspace_id, int64_t version,
                                        size_t bytes) {
  config::v1::WorkspaceConfig config = ShopConfig(version);
  config.set_workspace_id(std::string(workspace_id));
  while (config.ByteSizeLong() < bytes) {
    config.mutable_display_name()->append(std::max<size_t>(1, (bytes - config.ByteSizeLong()) / 2),
                                          'd');
  }
  return config;
}

// The topic takes it, and no decision can hold it: what was in force before stays so, and the next
// version is decided.
TEST_F(SmallRecordsTest, AConfigurationWhoseDecisionNoRecordHoldsIsADeadLetter) {
  RouterSettings settings;
  settings.claim_backoff = absl::Milliseconds(10);
  settings.max_input_bytes = kMaxRecordBytes / 2;
  Put(ShopConfig(1));
  {
    Router router(*bus_, settings);
    ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
    Put(LargeConfig("acme", 2, kMaxRecordBytes - 20));
    Put(LargeConfig("rival", 1, kMaxRecordBytes - 20));
    Put(ShopConfig(3));
    ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
    Put(Text("31600000001", 1, "nl"));
    ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
    EXPECT_EQ(seen_[Event::kConfigApplied], 2);
    EXPECT_EQ(state_.configs().at("acme").version(), 3);
    EXPECT_EQ(state_.configs().count("rival"), 0u);
    // Again after each take-over: the same letters.
    std::set<std::string> ids;
    for (const deadletter::v1::DeadLetter& letter : DeadLetters()) {
      ids.insert(letter.dead_letter_id());
      EXPECT_EQ(letter.reason(), deadletter::v1::REASON_TOO_LARGE);
      EXPECT_EQ(letter.detail(), "its decision is larger than a record");
      EXPECT_EQ(letter.origin().record().topic(), "wissel.config.v1");
      EXPECT_TRUE(letter.truncated());
    }
    EXPECT_EQ(ids.size(), 2u);
    EXPECT_TRUE(router.Drain().ok());
  }
  // One behind which another is in force is no longer looked at; the other is found again.
  const size_t before = DeadLetters().size();
  Router second(*bus_, settings);
  Put(Text("31600000002", 1, "nl"));
  ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_TRUE(wissel::testing::Eventually([&] { return DeadLetters().size() == before + 1; }));
  EXPECT_TRUE(second.Drain().ok());
  ASSERT_EQ(DeadLetters().size(), before + 1);
  EXPECT_EQ(DeadLetters().back().workspace_id(), "rival");
}

// Nothing else is decided before all of them are restated: it may need them.
TEST_F(SmallRecordsTest, ConfigurationsAreRestatedInSeveralRecordsWhereOneDoesNotHoldThem) {
  RouterSettings settings;
  settings.restate_step_bytes = 8'000;
  settings.batch = 1;
  for (const char* workspace : {"acme", "rival", "third"}) Put(LargeConfig(workspace, 1, 11'000));
  for (int i = 0; i < 50; ++i) Put(Text(absl::StrCat(31600000000 + i), 1, "nl"));
  Router router(*bus_, settings);
  bool started = false;
  int restated = 0;
  bool between = false;
  ASSERT_TRUE(ReadUntil([&](const Event& e) {
    if (e.has_config_restated()) {
      ++restated;
    } else if (started && restated < 3) {
      between = true;
    }
    started = started || e.has_restate_started();
    return e.has_restate_completed();
  }));
  EXPECT_EQ(restated, 3);
  EXPECT_FALSE(between);
  while (seen_[Event::kMessageReceived] < 50) ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_TRUE(router.Drain().ok());
}

TEST_F(RouterTest, NoKeyAndNoHeaderHoldsAPartitionUp) {
  Put(ShopConfig());
  Router router(*bus_);
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  const std::string large(600'000, 'k');
  const bus::Headers traced = {{"traceparent", large}};
  const std::string message = Text("31600000001", 1, "nl").SerializeAsString();
  Put(bus::Topic::kInbound, "garbage", large + "/main");
  Put(bus::Topic::kInbound, "garbage", "\xff\xfe/main", {{"content-type", "\xff"}, {"a", ""}});
  Put(bus::Topic::kInbound, std::string(400'000, 'v'), "acme/main", traced);
  Put(bus::Topic::kInbound, message, large, {});
  message::v1::InboundMessage second = Text("31600000001", 2, "nl");
  second.mutable_contents(0)->mutable_text()->set_text(std::string(400'000, 's'));
  Put(bus::Topic::kInbound, second.SerializeAsString(), "acme/main", traced);
  while (seen_[Event::kMessageReceived] < 2) ASSERT_TRUE(ReadUntil(Event::kMessageReceived));
  EXPECT_EQ(seen_[Event::kInputDeadLettered], 3);

  auto reader = bus_->OpenReader(bus::Topic::kDeadLetter, 0, {}).value();
  const std::vector<bus::Record> records = reader->Poll(100, kPatience).value();
  ASSERT_EQ(records.size(), 3u);
  std::vector<deadletter::v1::DeadLetter> letters(3);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(letters[i].ParseFromString(records[i].value));
    EXPECT_EQ(letters[i].truncated(), i == 0);
  }
  EXPECT_EQ(letters[0].origin().record().key(), std::string(1024, 'k'));
  EXPECT_EQ(letters[0].workspace_id(), "");
  EXPECT_EQ(letters[1].origin().record().key(), "\xff\xfe/main");
  EXPECT_EQ(letters[1].workspace_id(), "");
  ASSERT_EQ(letters[1].origin().record().headers_size(), 2);
  EXPECT_EQ(letters[1].origin().record().headers(0).name(), "content-type");
  EXPECT_EQ(letters[1].origin().record().headers(0).value(), "\xff");
  EXPECT_EQ(letters[2].origin().record().headers_size(), 0);
  EXPECT_EQ(letters[2].workspace_id(), "acme");
  EXPECT_TRUE(router.Drain().ok());
}

}  // namespace
}  // namespace wissel::router
