// `wisselctl log verify` against a real log, a router and Redis, with the log's head in place and
// cut.
#include "services/ctl/log_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/floor.h"

namespace wissel::integration {
namespace {

using conversation::v1::Event;

class LogVerify : public Floor {
 protected:
  // What verify says of the only partition once every witness has something to say.
  ctl::PartitionReport Verify(Running& router) {
    ctl::PartitionReport report;
    const ctl::VerifyFlags flags{.routers = {router.process->Telemetry()},
                                 .redis = {.address = redis_.address()}};
    EXPECT_TRUE(Eventually([&] {
      const auto reports = ctl::AskAndCompare(*bus_, flags);
      if (!reports.ok() || reports->size() != 1) return false;
      report = reports->front();
      return std::all_of(report.testimonies.begin(), report.testimonies.end(), [](const auto& t) {
        return t.agreement != ctl::Agreement::kAbsent &&
               t.agreement != ctl::Agreement::kNotReached &&
               t.agreement != ctl::Agreement::kNotAsked;
      });
    }));
    EXPECT_EQ(report.testimonies.size(), 2u) << "the router and Redis";
    EXPECT_TRUE(report.views.has_value() && report.views->not_compared.empty());
    return report;
  }
  static ::testing::AssertionResult Agrees(const ctl::PartitionReport& report) {
    if (ctl::AllAgree({report}) && report.whole) return ::testing::AssertionSuccess();
    auto result = ::testing::AssertionFailure();
    result << (report.whole ? "whole" : "not whole") << ", "
           << absl::StrCat(absl::Hex(report.state_hash));
    for (const auto& t : report.testimonies) {
      result << "; " << t.witness.who << " " << absl::StrCat(absl::Hex(t.witness.state_hash))
             << " at epoch " << t.witness.epoch << " sequence " << t.witness.sequence << " offset "
             << t.witness.next_offset.value_or(-1) << ": " << static_cast<int>(t.agreement) << " "
             << absl::StrCat(absl::Hex(t.state_hash)) << " " << t.witness.absent;
    }
    if (report.views.has_value()) {
      for (const auto& d : report.views->differences) result << "; " << d.key << " " << d.detail;
    }
    return result;
  }
  void FlushRedis() {
    store::Redis redis(redis_options_);
    WISSEL_ASSERT_OK(redis.Run("", {"FLUSHALL"}));
  }
};

TEST_F(LogVerify, AgreesAfterFlushallAndAfterTheHeadWasCut) {
  router::RouterSettings settings;
  settings.restate_interval = absl::Seconds(1);
  settings.restate_step_bytes = 1 << 10;
  Running router = StartRouter(settings);
  Running projector = StartProjector();
  ASSERT_TRUE(Await(Event::kConfigApplied));
  for (int i = 0; i < 30; ++i) Write(absl::StrCat("316000000", 10 + i), 1);
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(Await(Event::kMessageReceived));

  const ctl::PartitionReport whole = Verify(router);
  EXPECT_TRUE(Agrees(whole));
  EXPECT_EQ(whole.conversations, 30u);
  {
    store::Redis redis(redis_options_);
    const views::PartitionKeys keys(0);
    WISSEL_ASSERT_OK_AND_ASSIGN(const store::Reply open, redis.Run("", {"KEYS", keys.Open("*")}));
    for (const store::Reply& key : open.elements) {
      WISSEL_ASSERT_OK(redis.Run("", {"DEL", key.text}));
    }
    const ctl::PartitionReport damaged = Verify(router);
    EXPECT_FALSE(ctl::AllAgree({damaged})) << "an index is gone";
    EXPECT_EQ(damaged.views->differing, 1);
  }
  FlushRedis();
  EXPECT_TRUE(Agrees(Verify(router))) << "after FLUSHALL";

  // As retention does it: all that goes before a round of restating that has since been completed.
  ASSERT_TRUE(Await(Event::kRestateStarted));
  ASSERT_TRUE(Await(Event::kRestateCompleted));
  const std::optional<int64_t> cut = Await(Event::kRestateStarted);
  ASSERT_TRUE(cut);
  ASSERT_TRUE(Await(Event::kRestateCompleted));
  // The claim that the round stands behind is the record before it.
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, *cut - 1));
  Write("31600000099", 1);
  ASSERT_TRUE(Await(Event::kMessageReceived));
  const ctl::PartitionReport cut_report = Verify(router);
  EXPECT_TRUE(Agrees(cut_report)) << "after the cut";
  EXPECT_EQ(cut_report.conversations, 31u);
  EXPECT_LT(cut_report.decisions, whole.decisions + 200) << "it was not read from the beginning";
  FlushRedis();
  EXPECT_TRUE(Agrees(Verify(router))) << "after the cut and FLUSHALL";

  // A router that begins on what is left, without Redis, comes to the same state.
  WISSEL_ASSERT_OK(router.app->Drain(kPatience));
  WISSEL_ASSERT_OK(projector.app->Drain(kPatience));
  router.app.reset();
  projector.app.reset();
  FlushRedis();
  Running successor = StartRouter();
  Running next_projector = StartProjector();
  Write("31600000010", 1);
  ASSERT_TRUE(Await(Event::kDuplicateSkipped)) << "what was seen before the cut is known";
  const ctl::PartitionReport last = Verify(successor);
  EXPECT_TRUE(Agrees(last)) << "a successor on the cut log";
  EXPECT_EQ(last.conversations, 31u);
}

TEST_F(LogVerify, AHeadThatWasNeverRestatedIsNotTakenForTheWhole) {
  Running router = StartRouter();
  ASSERT_TRUE(Await(Event::kConfigApplied));
  Write("31600000001", 1);
  const std::optional<int64_t> first = Await(Event::kMessageReceived);
  ASSERT_TRUE(first);
  Write("31600000002", 1);
  ASSERT_TRUE(Await(Event::kMessageReceived));
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, *first + 1));
  const auto reports =
      ctl::AskAndCompare(*bus_, {.routers = {router.process->Telemetry()}, .redis = {}});
  ASSERT_THAT(reports, testing::IsOk());
  EXPECT_FALSE(ctl::AllAgree(*reports));
  EXPECT_FALSE(reports->front().whole);
}

}  // namespace
}  // namespace wissel::integration
