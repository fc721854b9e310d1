#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/bus/conformance/suite.h"
#include "libs/bus/kafka.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"

namespace wissel::bus {
namespace {

using ::testing::HasSubstr;
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

absl::StatusOr<std::unique_ptr<Bus>> OnBroker(const BackendOptions& options) {
  WISSEL_ASSIGN_OR_RETURN(KafkaOptions kafka, TestOptions());
  kafka.max_record_bytes = options.max_record_bytes;
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<Bus> bus, NewKafkaBus(std::move(kafka)));
  WISSEL_RETURN_IF_ERROR(bus->EnsureTopics(DefaultTopics(options.partitions)));
  return bus;
}

INSTANTIATE_TEST_SUITE_P(Kafka, BusConformance, ::testing::Values(Backend{"broker", OnBroker}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace wissel::bus
