// Runs our reader over the contract's test vectors (proto/wissel/log/v1/testdata).
#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "libs/base/base64.h"
#include "libs/bus/log_reader.h"
#include "libs/testing/status_matchers.h"

namespace wissel::bus {
namespace {

class LogVectorsTest : public ::testing::TestWithParam<std::string> {};

TEST_P(LogVectorsTest, EveryRecordGetsItsVerdict) {
  std::ifstream file("proto/wissel/log/v1/testdata/" + GetParam() + ".jsonl");
  ASSERT_TRUE(file.good()) << "tests run in the repository's root";
  std::optional<LogPosition> position;
  int records = 0;
  int valid = 0;
  for (std::string line; std::getline(file, line); ++records) {
    google::protobuf::Struct json;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(line, &json).ok()) << line;
    const auto& fields = json.fields();
    const auto offset = static_cast<int64_t>(fields.at("offset").number_value());
    WISSEL_ASSERT_OK_AND_ASSIGN(const std::string value,
                                Base64Decode(fields.at("value").string_value()));
    if (!position) position = UnknownPosition(offset);
    wissel::log::v1::LogRecord record;
    const Verdict verdict = ApplyRule(ReadStamp(value, record), offset, position->rule);
    EXPECT_EQ(VerdictName(verdict), fields.at("verdict").string_value()) << line;
    EXPECT_EQ(verdict == Verdict::kValid, fields.at("valid").bool_value()) << line;
    if (verdict == Verdict::kValid) ++valid;
  }
  EXPECT_GT(records, 5);
  EXPECT_GT(valid, 2);
}

INSTANTIATE_TEST_SUITE_P(Contract, LogVectorsTest,
                         ::testing::Values("whole_log", "cut_head", "cut_head_no_claim"));

}  // namespace
}  // namespace wissel::bus
