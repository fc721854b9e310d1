#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/testing.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "libs/telemetry/endpoint.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"
#include "services/projector/app.h"
#include "services/router/app.h"

namespace wissel::integration {

inline constexpr absl::Duration kPatience = absl::Seconds(60);
inline constexpr absl::Duration kSessionTimeout = absl::Seconds(6);

inline bool Eventually(const std::function<bool()>& holds, absl::Duration patience = kPatience) {
  for (const absl::Time until = absl::Now() + patience; absl::Now() < until;
       absl::SleepFor(absl::Milliseconds(20))) {
    if (holds()) return true;
  }
  return holds();
}

// What an app gets from its process.
class Process {
 public:
  service::Context context() {
    return {.clock = clock_,
            .log = telemetry::Logger(),
            .metrics = metrics_,
            .readiness = readiness_,
            .endpoint = endpoint_,
            .fail = [](const absl::Status& status) { ADD_FAILURE() << status; }};
  }
  bool Ready() const { return readiness_.Ready(); }
  // Of the operators' pages.
  std::string Telemetry() {
    if (endpoint_.port() == 0) {
      WISSEL_EXPECT_OK(endpoint_.Start("127.0.0.1:0"));
    }
    return absl::StrCat("127.0.0.1:", endpoint_.port());
  }

 private:
  const SystemClock clock_;
  telemetry::Registry metrics_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{metrics_, readiness_};
};

// A shop (domain/testing.h) on topics of its own, of one partition, and a Redis of its own.
class Floor : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
    WISSEL_ASSERT_OK_AND_ASSIGN(
        bus_, bus::NewKafkaBus(
                  {.brokers = brokers, .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")}));
    WISSEL_ASSERT_OK(bus_->EnsureTopics(bus::DefaultTopics(1)));
    appender_ = bus_->NewAppender({});
    Append(bus::Topic::kConfig, domain::testing::ShopConfig());
  }

  template <class Message>
  void Append(bus::Topic topic, const Message& message) {
    appender_->Append(
        {.topic = topic,
         .partition = 0,
         .key = absl::StrCat(domain::testing::kWorkspace, "/", domain::testing::kGroup),
         .value = message.SerializeAsString()},
        [](const absl::StatusOr<int64_t>& offset) { WISSEL_EXPECT_OK(offset); });
  }
  void Write(absl::string_view customer, int n, absl::string_view language = "nl") {
    Append(bus::Topic::kInbound, domain::testing::Text(customer, n, language));
  }

  struct Running {
    std::unique_ptr<Process> process = std::make_unique<Process>();
    std::unique_ptr<service::App> app;  // before its process
  };
  Running StartRouter(router::RouterSettings settings = {}) {
    Running r;
    settings.session_timeout = kSessionTimeout;
    r.app = router::NewApp(settings, *bus_, redis_options_, r.process->context());
    EXPECT_TRUE(Eventually([&] { return r.process->Ready(); })) << "no router";
    return r;
  }
  Running StartProjector() {
    Running r;
    projector::ProjectorSettings settings;
    settings.session_timeout = kSessionTimeout;
    r.app = projector::NewApp(*bus_, redis_options_, settings, r.process->context());
    return r;
  }

  // Reads the log on until `wanted` was true of an event; its place, or nothing.
  std::optional<int64_t> Await(const std::function<bool(const conversation::v1::Event&)>& wanted) {
    if (log_ == nullptr) log_ = *bus::LogReader::Open(*bus_, 0, {});
    for (const absl::Time until = absl::Now() + kPatience; absl::Now() < until;) {
      const auto entries = log_->Poll(1, absl::Milliseconds(100));
      if (!entries.ok()) continue;
      for (const bus::LogEntry& entry : *entries) {
        for (const auto& event : entry.record.decision().events()) {
          if (wanted(event)) return entry.offset;
        }
      }
    }
    return std::nullopt;
  }
  std::optional<int64_t> Await(conversation::v1::Event::KindCase kind) {
    return Await([kind](const auto& event) { return event.kind_case() == kind; });
  }

  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<bus::Appender> appender_;
  testing::RedisServer redis_;
  const store::RedisOptions redis_options_{.address = redis_.address()};
  std::unique_ptr<bus::LogReader> log_;
};

}  // namespace wissel::integration
