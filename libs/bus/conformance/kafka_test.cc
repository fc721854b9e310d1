#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <deque>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/bus/conformance/suite.h"
#include "libs/bus/kafka.h"
#include "libs/bus/testing/committed.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"

namespace wissel::bus {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using wissel::testing::StatusIs;
using wissel::testing::TestEnv;

// Topics of its own for each test: tests do not clean up after themselves, brokers do.
std::string FreshPrefix() {
  static int count = 0;
  return absl::StrCat("bus-", absl::ToUnixMillis(absl::Now()), "-", getpid(), "-", count++, ".");
}

absl::StatusOr<KafkaOptions> TestOptions() {
  KafkaOptions options;
  options.brokers = TestEnv("WISSEL_TEST_KAFKA");
  if (options.brokers.empty()) {
    return absl::FailedPreconditionError(
        "WISSEL_TEST_KAFKA is not set: start the servers with scripts/stack up");
  }
  options.topic_prefix = FreshPrefix();
  return options;
}

// Of the bus that was made last.
KafkaOptions& LatestOptions() {
  static KafkaOptions options;
  return options;
}

absl::StatusOr<std::unique_ptr<Bus>> OnBroker(const BackendOptions& options) {
  WISSEL_ASSIGN_OR_RETURN(KafkaOptions kafka, TestOptions());
  kafka.max_record_bytes = options.max_record_bytes;
  LatestOptions() = kafka;
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<Bus> bus, NewKafkaBus(std::move(kafka)));
  WISSEL_RETURN_IF_ERROR(bus->EnsureTopics(DefaultTopics(options.partitions)));
  return bus;
}

absl::StatusOr<int64_t> Committed(absl::string_view group, Topic topic, int32_t partition) {
  return testing::CommittedOffset(LatestOptions(), group, topic, partition);
}

INSTANTIATE_TEST_SUITE_P(Kafka, BusConformance,
                         ::testing::Values(Backend{"broker", OnBroker, Committed}),
                         [](const auto& param) { return param.param.name; });

class KafkaBusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(options_, TestOptions());
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, NewKafkaBus(options_));
  }

  KafkaOptions options_;
  std::unique_ptr<Bus> bus_;
};

Outgoing Numbered(int number) {
  return {.topic = Topic::kLog,
          .partition = 0,
          .key = "",
          .value = absl::StrCat(number),
          .headers = {}};
}

TEST_F(KafkaBusTest, UnequalPartitionCountsAreNamed) {
  EXPECT_THAT(CheckTopics(*bus_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(options_.topic_prefix)));
  std::vector<TopicSpec> specs = DefaultTopics(2);
  for (TopicSpec& spec : specs) {
    if (spec.topic == Topic::kReceipts) spec.partitions = 3;
  }
  WISSEL_ASSERT_OK(bus_->EnsureTopics(specs));
  EXPECT_THAT(CheckTopics(*bus_), StatusIs(absl::StatusCode::kFailedPrecondition,
                                           HasSubstr("commands.v1 2, receipts.v1 3, log.v1 2")));
}

TEST_F(KafkaBusTest, TopicsAreKeptAsTheyWereMade) {
  WISSEL_ASSERT_OK(bus_->EnsureTopics(DefaultTopics(2)));
  for (const TopicSpec& made : DefaultTopics(2)) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto settings, bus_->SettingsOf(made.topic));
    ASSERT_TRUE(settings.has_value());
    EXPECT_EQ(settings->replication, 1);
    EXPECT_EQ(settings->min_insync_replicas, 1);
    EXPECT_FALSE(settings->compacted);
    EXPECT_EQ(settings->retention, made.retention) << TopicName(made.topic);
    EXPECT_LT(settings->retention_bytes, 0);
  }
}

TEST_F(KafkaBusTest, ATopicThatOthersHaveMadeIsShownAsItIs) {
  EXPECT_THAT(bus_->SettingsOf(Topic::kConfig), StatusIs(absl::StatusCode::kNotFound));
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  ASSERT_EQ(
      rd_kafka_conf_set(conf, "bootstrap.servers", options_.brokers.c_str(), error, sizeof(error)),
      RD_KAFKA_CONF_OK);
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error)), &rd_kafka_destroy);
  ASSERT_NE(client, nullptr) << error;
  const std::unique_ptr<rd_kafka_NewTopic_t, decltype(&rd_kafka_NewTopic_destroy)> topic(
      rd_kafka_NewTopic_new(TopicName(Topic::kConfig, options_.topic_prefix).c_str(), 3, 1, error,
                            sizeof(error)),
      &rd_kafka_NewTopic_destroy);
  for (const auto& [name, value] : {std::pair{"cleanup.policy", "compact,delete"},
                                    {"retention.ms", "3600000"},
                                    {"retention.bytes", "1000000"},
                                    {"min.insync.replicas", "2"}}) {
    rd_kafka_NewTopic_set_config(topic.get(), name, value);
  }
  const std::unique_ptr<rd_kafka_queue_t, decltype(&rd_kafka_queue_destroy)> queue(
      rd_kafka_queue_new(client.get()), &rd_kafka_queue_destroy);
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  rd_kafka_CreateTopics(client.get(), topics, 1, nullptr, queue.get());
  const std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> answer(
      rd_kafka_queue_poll(queue.get(), 30'000), &rd_kafka_event_destroy);
  ASSERT_NE(answer, nullptr);
  ASSERT_EQ(rd_kafka_event_error(answer.get()), RD_KAFKA_RESP_ERR_NO_ERROR);

  absl::StatusOr<std::optional<TopicSettings>> settings;
  const absl::Time deadline = absl::Now() + kPatience;
  do {  // The broker that answers may not have heard of it yet.
    settings = bus_->SettingsOf(Topic::kConfig);
  } while (!settings.ok() && absl::Now() < deadline);
  WISSEL_ASSERT_OK(settings);
  ASSERT_TRUE(settings->has_value());
  EXPECT_TRUE((*settings)->compacted);
  EXPECT_EQ((*settings)->retention, absl::Hours(1));
  EXPECT_EQ((*settings)->retention_bytes, 1'000'000);
  EXPECT_EQ((*settings)->min_insync_replicas, 2);
  EXPECT_EQ((*settings)->replication, 1);
}

TEST_F(KafkaBusTest, ABrokerLimitBelowOursIsToldToo) {
  WISSEL_ASSERT_OK(bus_->EnsureTopics(DefaultTopics(1)));
  options_.max_record_bytes = 4 << 20;  // The topics were made for 1 MiB.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewKafkaBus(options_));
  const auto appender = bus->NewAppender({});
  absl::Status failed;
  Outgoing large = Numbered(0);
  large.value = std::string(2 << 20, 'x');
  appender->Append(large, [&](absl::StatusOr<int64_t> offset) { failed = offset.status(); });
  absl::StatusOr<int64_t> next = absl::UnknownError("");
  appender->Append(Numbered(1), [&](absl::StatusOr<int64_t> offset) { next = offset; });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kInvalidArgument));
  WISSEL_EXPECT_OK(next);
}

TEST_F(KafkaBusTest, ARecordMayBeAsLargeAsTheTopicsWereMadeFor) {
  options_.max_record_bytes = 4 << 20;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewKafkaBus(options_));
  WISSEL_ASSERT_OK(bus->EnsureTopics(DefaultTopics(1)));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto settings, bus->SettingsOf(Topic::kLog));
  EXPECT_EQ(settings->max_message_bytes, (4 << 20) + 4096);
  const auto appender = bus->NewAppender({.gapless = true});
  std::vector<absl::Status> statuses;
  Outgoing large = Numbered(0);
  large.value = std::string((4 << 20) - 100, 'x');
  for (const Outgoing& record : {Numbered(1), large, Numbered(2)}) {
    appender->Append(record, [&](const auto& offset) { statuses.push_back(offset.status()); });
  }
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  ASSERT_EQ(statuses.size(), 3);
  for (const absl::Status& status : statuses) WISSEL_EXPECT_OK(status);
  // A reader that was told nothing of it.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto reader, bus_->OpenReader(Topic::kLog, 0, {}));
  std::vector<size_t> sizes;
  const absl::Time deadline = absl::Now() + kPatience;
  while (sizes.size() < 3 && absl::Now() < deadline) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto records, reader->Poll(10, absl::Milliseconds(100)));
    for (const Record& record : records) sizes.push_back(record.value.size());
  }
  EXPECT_THAT(sizes, ::testing::ElementsAre(1, large.value.size(), 1));
}

TEST_F(KafkaBusTest, AnAbsentBrokerIsUnavailable) {
  KafkaOptions options = options_;
  options.brokers = "127.0.0.1:1";  // Nobody listens there.
  options.delivery_timeout = absl::Milliseconds(500);
  options.request_timeout = absl::Milliseconds(300);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewKafkaBus(options));
  EXPECT_THAT(bus->Health(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(bus->OpenReader(Topic::kLog, 0, {}), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(CheckTopics(*bus), StatusIs(absl::StatusCode::kUnavailable));

  for (const bool gapless : {false, true}) {
    const auto appender = bus->NewAppender({.gapless = gapless});
    std::vector<absl::Status> failed;
    for (int i = 0; i < 2; ++i) {
      appender->Append(Numbered(i),
                       [&](absl::StatusOr<int64_t> o) { failed.push_back(o.status()); });
    }
    WISSEL_ASSERT_OK(appender->Flush(kPatience));
    ASSERT_EQ(failed.size(), 2);
    EXPECT_THAT(failed[0], StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_FALSE(failed[1].ok());
    EXPECT_THAT(appender->Admit(Numbered(2)),
                StatusIs(gapless ? absl::StatusCode::kAborted : absl::StatusCode::kOk));
  }
}

TEST_F(KafkaBusTest, BadOptionsAreRefused) {
  EXPECT_THAT(NewKafkaBus({}), StatusIs(absl::StatusCode::kInvalidArgument));
  KafkaOptions options = options_;
  options.security.protocol = KafkaSecurity::Protocol::kTls;
  options.security.ca_file = "/nonexistent/ca.pem";
  EXPECT_THAT(NewKafkaBus(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ssl.ca.location")));
}

class KafkaSecurityTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_TEST_ENV(over_tls, "WISSEL_TEST_KAFKA_TLS");
    WISSEL_TEST_ENV(with_login, "WISSEL_TEST_KAFKA_LOGIN");
    WISSEL_TEST_ENV(ca, "WISSEL_TEST_KAFKA_CA");
    WISSEL_TEST_ENV(user, "WISSEL_TEST_KAFKA_USER");
    WISSEL_TEST_ENV(password, "WISSEL_TEST_KAFKA_PASSWORD");
    tls_ = {.brokers = over_tls,
            .topic_prefix = FreshPrefix(),
            .security = {.protocol = KafkaSecurity::Protocol::kTls, .ca_file = ca}};
    login_ = tls_;
    login_.brokers = with_login;
    login_.security.protocol = KafkaSecurity::Protocol::kSaslTls;
    login_.security.username = user;
    login_.security.password = password;
  }

  // A record goes through an appender, a reader and a group of its own.
  static void ExpectWorks(const KafkaOptions& options) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewKafkaBus(options));
    WISSEL_ASSERT_OK(bus->EnsureTopics(DefaultTopics(1)));
    const auto appender = bus->NewAppender({});
    absl::StatusOr<int64_t> offset = absl::UnknownError("");
    appender->Append(Numbered(7), [&](absl::StatusOr<int64_t> o) { offset = o; });
    WISSEL_ASSERT_OK(appender->Flush(kPatience));
    WISSEL_ASSERT_OK(offset);
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto reader, bus->OpenReader(Topic::kLog, 0, {}));
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto records, reader->Poll(1, kPatience));
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].value, "7");
    WISSEL_EXPECT_OK(bus->Health());
  }
  // Why the brokers cannot be had, once the client knows.
  static std::string Trouble(KafkaOptions options) {
    options.request_timeout = absl::Seconds(2);
    const auto bus = NewKafkaBus(options);
    if (!bus.ok()) return bus.status().ToString();
    return (*bus)->Health().ToString();
  }

  KafkaOptions tls_;
  KafkaOptions login_;
};

TEST_F(KafkaSecurityTest, OverTls) { ExpectWorks(tls_); }

TEST_F(KafkaSecurityTest, AnUntrustedCertificateIsNamed) {
  tls_.security.ca_file.clear();
  EXPECT_THAT(Trouble(tls_), AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("certificate verify failed"),
                                   ContainsRegex(absl::StrReplaceAll(tls_.brokers, {{",", "|"}}))));
}

TEST_F(KafkaSecurityTest, WithALogin) {
  for (const char* mechanism : {"SCRAM-SHA-512", "PLAIN"}) {
    SCOPED_TRACE(mechanism);
    login_.security.sasl_mechanism = mechanism;
    login_.topic_prefix = FreshPrefix();
    ExpectWorks(login_);
  }
}

TEST_F(KafkaSecurityTest, AWrongPasswordIsNamedAndNotShown) {
  login_.security.password = "letmein-4711";
  for (const char* mechanism : {"SCRAM-SHA-512", "PLAIN"}) {
    SCOPED_TRACE(mechanism);
    login_.security.sasl_mechanism = mechanism;
    const std::string trouble = Trouble(login_);
    EXPECT_THAT(trouble, AllOf(HasSubstr("UNAVAILABLE"), HasSubstr("SASL authentication error")));
    EXPECT_THAT(trouble, Not(HasSubstr("letmein")));
  }
}

TEST_F(KafkaSecurityTest, AMechanismThatTheBrokerHasNotIsNamed) {
  login_.security.sasl_mechanism = "SCRAM-SHA-256";
  EXPECT_THAT(Trouble(login_), HasSubstr("SCRAM-SHA-256"));
}

// What a SIGSTOP does to a router: the others get its partitions, and it is told when it wakes up.
TEST_F(KafkaBusTest, AMemberThatStallsLosesItsPartitions) {
  WISSEL_ASSERT_OK(bus_->EnsureTopics(DefaultTopics(2)));
  const MemberOptions options{.session_timeout = absl::Seconds(3), .wakeup = nullptr};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto stalled, bus_->Join("g", Topic::kInbound, options));
  size_t has = 0;
  absl::Time deadline = absl::Now() + kPatience;
  while (has < 2 && absl::Now() < deadline) {
    const auto change = stalled->Poll(absl::Milliseconds(100));
    WISSEL_ASSERT_OK(change);
    has += change->assigned.size();
  }
  ASSERT_EQ(has, 2);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto other, bus_->Join("g", Topic::kInbound, options));
  size_t got = 0;
  deadline = absl::Now() + 2 * kPatience;
  while (got < 2 && absl::Now() < deadline) {
    const auto change = other->Poll(absl::Milliseconds(100));
    WISSEL_ASSERT_OK(change);
    got += change->assigned.size();
    got -= change->revoked.size();
  }
  EXPECT_EQ(got, 2);
  size_t lost = 0;
  while (lost < 2 && absl::Now() < deadline) {
    const auto change = stalled->Poll(absl::Milliseconds(100));
    WISSEL_ASSERT_OK(change);
    lost += change->revoked.size();
  }
  EXPECT_EQ(lost, 2);
}

// Numbers appended one behind the other, gapless: of those that an appender took, the first
// `answered` are in the log, those behind them may be.
struct Numbers {
  int first = 0;
  int appended = 0;
  std::atomic<int> answered = 0;
  std::unique_ptr<Appender> appender;
};

// The stream goes on through a broker's restart: nothing lost, doubled or out of order, with
// appends in flight, a reader at the tail and an owner that keeps its partition. A broker that has
// written more than one batch without answering knows only the last of them once it is back, and
// refuses the others' repetition for good: then appender and ownership are at an end, once, and the
// next go on.
TEST_F(KafkaBusTest, ABrokerRestartInTheMiddleOfTheStream) {
  const std::string restart = TestEnv("WISSEL_TEST_KAFKA_RESTART");
  ASSERT_NE(restart, "")
      << "WISSEL_TEST_KAFKA_RESTART is not set: a shell command that restarts the "
         "broker, such as \"scripts/stack restart kafka\"";
  // A busy machine's broker takes its time.
  options_.delivery_timeout = absl::Seconds(120);
  options_.request_timeout = absl::Seconds(30);
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, NewKafkaBus(options_));
  WISSEL_ASSERT_OK(bus_->EnsureTopics(DefaultTopics(2)));
  const auto own = [this] {
    return OwnedLog::Open(*bus_, bus_->NewAppender({.gapless = true}),
                          {.partition = 1, .owner = "owner"});
  };
  WISSEL_ASSERT_OK_AND_ASSIGN(auto log, own());
  int ownerships = 1;
  int64_t decided = 0;
  const auto drive_owner = [&](absl::Duration timeout) {
    if (log->phase() == OwnedLog::Phase::kOwning && log->Append({}, "k").ok()) ++decided;
    const absl::Status polled = log->Poll(1000, timeout).status();
    if (!absl::IsAborted(polled)) return polled;
    auto next = own();
    if (next.ok()) {
      ++ownerships;
      log = *std::move(next);
    }
    return absl::IsUnavailable(next.status()) ? absl::OkStatus() : next.status();
  };

  std::deque<Numbers> streams;
  const auto append = [&] {
    const int next = streams.empty() ? 0 : streams.back().first + streams.back().appended;
    if (streams.empty() || absl::IsAborted(streams.back().appender->Admit(Numbered(next)))) {
      streams.emplace_back().first = next;
      streams.back().appender = bus_->NewAppender({.gapless = true});
    }
    Numbers& stream = streams.back();
    if (!stream.appender->Admit(Numbered(next)).ok()) return;
    ++stream.appended;
    stream.appender->Append(Numbered(next), [&stream](const absl::StatusOr<int64_t>& offset) {
      if (offset.ok()) ++stream.answered;
    });
  };

  WISSEL_ASSERT_OK_AND_ASSIGN(const auto reader, bus_->OpenReader(Topic::kLog, 0, {}));
  std::vector<int> read;
  const auto drive_reader = [&](absl::Duration timeout) -> absl::Status {
    WISSEL_ASSIGN_OR_RETURN(const std::vector<Record> records, reader->Poll(1000, timeout));
    for (const Record& record : records) {
      if (!absl::SimpleAtoi(record.value, &read.emplace_back())) {
        return absl::DataLossError(record.value);
      }
    }
    return absl::OkStatus();
  };

  std::atomic<bool> restarted = false;
  std::atomic<int> exit_code = -1;
  std::jthread restarting([&] {
    exit_code = std::system(restart.c_str());
    restarted = true;
  });
  const absl::Time deadline = absl::Now() + absl::Seconds(150);
  absl::Time stop = absl::InfiniteFuture();
  while (absl::Now() < std::min(deadline, stop)) {
    if (restarted && stop == absl::InfiniteFuture()) stop = absl::Now() + absl::Seconds(1);
    append();
    WISSEL_ASSERT_OK(drive_owner(absl::ZeroDuration()));
    WISSEL_ASSERT_OK(drive_reader(absl::Milliseconds(2)));
  }
  restarting.join();
  ASSERT_EQ(exit_code, 0) << restart;

  std::set<int> answered;
  for (const Numbers& stream : streams) {
    WISSEL_ASSERT_OK(stream.appender->Flush(absl::Seconds(60)));
    for (int i = 0; i < stream.answered; ++i) answered.insert(stream.first + i);
  }
  ASSERT_FALSE(answered.empty());
  while ((read.empty() || read.back() < *answered.rbegin()) && absl::Now() < deadline) {
    WISSEL_ASSERT_OK(drive_reader(absl::Seconds(1)));
  }
  EXPECT_TRUE(std::is_sorted(read.begin(), read.end(), std::less_equal<>()))
      << "each once and in order";
  EXPECT_TRUE(std::includes(read.begin(), read.end(), answered.begin(), answered.end()))
      << "what was answered is there";
  EXPECT_LE(streams.size(), 2) << "more ends than restarts";

  while ((log->phase() != OwnedLog::Phase::kOwning || log->unconfirmed() > 0) &&
         absl::Now() < deadline) {
    WISSEL_ASSERT_OK(log->Poll(1000, absl::Seconds(1)));
  }
  EXPECT_EQ(log->phase(), OwnedLog::Phase::kOwning) << log->loss();
  EXPECT_EQ(log->unconfirmed(), 0);
  EXPECT_GT(decided, 0);
  EXPECT_LE(ownerships, 2) << "more losses than restarts";
}

// On librdkafka's mock cluster, which says what it is told to, for as long as it is told to.
class KafkaMockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char error[512];
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), error, sizeof(error)));
    ASSERT_NE(client_, nullptr) << error;
    cluster_.reset(rd_kafka_mock_cluster_new(client_.get(), 1));
    rd_kafka_mock_topic_create(cluster_.get(), topic_.c_str(), 1, 1);
    WISSEL_ASSERT_OK_AND_ASSIGN(
        bus_, NewKafkaBus({.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get()),
                           .topic_prefix = "mock.",
                           .request_timeout = absl::Seconds(1)}));
    WISSEL_ASSERT_OK(bus_->PartitionCount(Topic::kLog));
  }

  // What the brokers say of the topic from now on.
  void SayOfTopic(rd_kafka_resp_err_t error) {
    rd_kafka_mock_topic_set_error(cluster_.get(), topic_.c_str(), error);
  }
  // What comes of an append; a refusal where it was one.
  static absl::StatusOr<int64_t> AppendNow(Appender& appender) {
    absl::StatusOr<int64_t> answer = absl::UnknownError("not answered");
    appender.Append(Numbered(0), [&](absl::StatusOr<int64_t> offset) { answer = offset; });
    WISSEL_EXPECT_OK(appender.Flush(kPatience));
    return answer;
  }

  const std::string topic_ = TopicName(Topic::kLog, "mock.");
  std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client_{nullptr, &rd_kafka_destroy};
  std::unique_ptr<rd_kafka_mock_cluster_t, decltype(&rd_kafka_mock_cluster_destroy)> cluster_{
      nullptr, &rd_kafka_mock_cluster_destroy};
  std::unique_ptr<Bus> bus_;
};

// What brokers may say of a topic for a moment after they have started.
TEST_F(KafkaMockTest, ATopicThatWasThereAndIsUnknownNowIsUnavailable) {
  SayOfTopic(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto reader, bus_->OpenReader(Topic::kLog, 0, {}));
  EXPECT_THAT(reader->EndOffset(), StatusIs(absl::StatusCode::kUnavailable));
  SayOfTopic(RD_KAFKA_RESP_ERR_NO_ERROR);
  WISSEL_EXPECT_OK(reader->EndOffset());
}

// The client asks again and again, and tells it once.
TEST_F(KafkaMockTest, AMemberThatIsNotLetInSaysWhyForAsLongAsItIsSo) {
  constexpr int16_t kFindCoordinator = 10;
  for (int i = 0; i < 100; ++i) {
    rd_kafka_mock_push_request_errors(cluster_.get(), kFindCoordinator, 1,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto member, bus_->Join("g", Topic::kLog, {}));
  EXPECT_THAT(member->standing(), StatusIs(absl::StatusCode::kUnavailable));
  const auto poll_until = [&](absl::StatusCode code, absl::Duration patience) {
    const absl::Time deadline = absl::Now() + patience;
    int assigned = 0;
    while (member->standing().code() != code && absl::Now() < deadline) {
      const auto change = member->Poll(absl::Milliseconds(20));
      if (change.ok()) assigned += static_cast<int>(change->assigned.size());
    }
    return assigned;
  };
  EXPECT_EQ(poll_until(absl::StatusCode::kPermissionDenied, kPatience), 0);
  EXPECT_EQ(poll_until(absl::StatusCode::kOk, absl::Seconds(1)), 0);
  EXPECT_THAT(member->standing(), StatusIs(absl::StatusCode::kPermissionDenied));
  rd_kafka_mock_clear_request_errors(cluster_.get(), kFindCoordinator);
  EXPECT_EQ(poll_until(absl::StatusCode::kOk, kPatience), 1);
  WISSEL_EXPECT_OK(member->standing());
}

// What brokers say that have lost records, and with them the producer's place. The client can never
// send again; the appender can, but for a gapless one, whose owner has to know.
TEST_F(KafkaMockTest, AProducerThatCanNeverSendAgainIsReplaced) {
  for (const bool gapless : {false, true}) {
    SCOPED_TRACE(gapless);
    const auto appender = bus_->NewAppender({.gapless = gapless});
    WISSEL_ASSERT_OK(AppendNow(*appender));
    rd_kafka_mock_push_request_errors(cluster_.get(), /*ApiKey: Produce*/ 0, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    const absl::Status failed = AppendNow(*appender).status();
    EXPECT_THAT(failed,
                StatusIs(gapless ? absl::StatusCode::kAborted : absl::StatusCode::kUnavailable));
    const absl::Time deadline = absl::Now() + (gapless ? absl::Milliseconds(300) : kPatience);
    absl::Status next = AppendNow(*appender).status();
    while (!next.ok() && absl::Now() < deadline) next = AppendNow(*appender).status();
    EXPECT_THAT(next, StatusIs(gapless ? absl::StatusCode::kAborted : absl::StatusCode::kOk));
  }
}

TEST(KafkaAppender, StartsWithoutAWarning) {
  Mutex mutex;
  std::vector<std::string> lines;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus,
                              NewKafkaBus({.brokers = "127.0.0.1:1",  // nobody's
                                           .request_timeout = absl::Milliseconds(100),
                                           .log = [&](int, absl::string_view text) {
                                             MutexLock lock(mutex);
                                             lines.emplace_back(text);
                                           }}));
  for (const bool gapless : {false, true}) bus->NewAppender({.gapless = gapless});
  MutexLock lock(mutex);
  EXPECT_THAT(lines, ::testing::Each(Not(::testing::StartsWith("CONFWARN"))));
}

}  // namespace
}  // namespace wissel::bus
