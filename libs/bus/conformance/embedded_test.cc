#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/clock.h"
#include "libs/bus/conformance/suite.h"
#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::bus {
namespace {

using ::testing::HasSubstr;
using wissel::testing::StatusIs;

absl::StatusOr<std::unique_ptr<Bus>> InMemory(const BackendOptions& options) {
  return NewEmbeddedBus(
      {.partitions = options.partitions, .max_record_bytes = options.max_record_bytes});
}

// The folders are kept until the program ends.
absl::StatusOr<std::unique_ptr<Bus>> InFile(const BackendOptions& options) {
  static std::vector<std::unique_ptr<wissel::testing::TempDir>> folders;
  folders.push_back(std::make_unique<wissel::testing::TempDir>());
  return NewEmbeddedBus({.path = folders.back()->Join("log.db"),
                         .partitions = options.partitions,
                         .max_record_bytes = options.max_record_bytes});
}

INSTANTIATE_TEST_SUITE_P(Embedded, BusConformance,
                         ::testing::Values(Backend{"memory", InMemory}, Backend{"file", InFile}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace wissel::bus
