#include "libs/routing/flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include "libs/base/proto_time.h"
#include "libs/routing/testing/flow.h"

namespace wissel::routing {
namespace {

using state::v1::FlowBucket;
using state::v1::QueueState;
using ::testing::ElementsAre;
using testing::flow::At;
using testing::flow::kStart;
using testing::flow::Random;

TEST(FlowFold, CountsTheTimeThatAnybodyWaited) {
  QueueState queue;
  NoteWaiting(queue, 1, At(10));
  NoteWaiting(queue, 1, At(20));
  EXPECT_EQ(queue.waiting(), 2);
  NoteDeparture(queue, absl::Seconds(50), At(60));
  NoteWaiting(queue, -1, At(60));
  NoteWaiting(queue, -1, At(70));
  NoteLeft(queue, At(70));
  NoteAnswered(queue, absl::Seconds(8), At(200));
  NoteHandled(queue, absl::Seconds(120), At(250));
  ASSERT_EQ(queue.buckets_size(), 1);
  const FlowBucket& bucket = queue.buckets(0);
  EXPECT_EQ(absl::FromUnixSeconds(bucket.minute() * 60), kStart);
  EXPECT_EQ(bucket.departures(), 1);
  EXPECT_EQ(bucket.busy_ms(), 60'000);
  EXPECT_EQ(bucket.waiting_ms(), 10'000 + 2 * 40'000 + 10'000);
  EXPECT_EQ(bucket.left(), 1);
  EXPECT_THAT(bucket.answers(), ElementsAre(0, 1));
  EXPECT_EQ(bucket.handled(), 1);
  EXPECT_EQ(bucket.handle_ms(), 120'000);
  EXPECT_EQ(queue.waiting(), 0);
  EXPECT_FALSE(queue.has_busy_since());
}

TEST(FlowFold, WhoIsGivenAtOnceIsNoDeparture) {
  QueueState queue;
  NoteWaiting(queue, 1, At(1));
  NoteDeparture(queue, absl::ZeroDuration(), At(1));
  NoteWaiting(queue, -1, At(1));
  EXPECT_EQ(queue.buckets_size(), 0);
}

TEST(FlowFold, AnswersAreCountedByDoublingTimes) {
  QueueState queue;
  for (const double seconds : {-1.0, 0.0, 7.999, 8.0, 15.9, 16.0, 100.0}) {
    NoteAnswered(queue, absl::Seconds(seconds), At(0));
  }
  EXPECT_THAT(queue.buckets(0).answers(), ElementsAre(3, 2, 1, 0, 1));
  NoteAnswered(queue, absl::Hours(24 * 3'650), At(1));
  EXPECT_EQ(queue.buckets(0).answers_size(), 20);
}

TEST(FlowFold, WaitingIsNeverBelowNone) {
  QueueState queue;
  NoteWaiting(queue, -1, At(1));
  EXPECT_EQ(queue.waiting(), 0);
  NoteWaiting(queue, 1, At(2));
  EXPECT_EQ(queue.waiting(), 1);
  EXPECT_EQ(FromProto(queue.busy_since()), At(2));
}

TEST(FlowFold, TimeNeverGoesBackwards) {
  QueueState queue;
  NoteWaiting(queue, 1, At(400));
  NoteDeparture(queue, absl::Seconds(1), At(100));
  NoteWaiting(queue, -1, At(50));
  ASSERT_EQ(queue.buckets_size(), 1);
  EXPECT_EQ(absl::FromUnixSeconds(queue.buckets(0).minute() * 60), At(300));
  EXPECT_EQ(queue.buckets(0).departures(), 1);
  EXPECT_EQ(queue.buckets(0).busy_ms(), 0);
  NoteHandled(queue, absl::Seconds(-5), At(0));
  ASSERT_EQ(queue.buckets_size(), 1);
  EXPECT_EQ(queue.buckets(0).handle_ms(), 0);
  NoteWaiting(queue, 1, At(0));
  EXPECT_EQ(FromProto(queue.busy_since()), At(300));
}

TEST(FlowFold, KeepsAnHourHoweverLongNobodyLooked) {
  QueueState queue;
  NoteWaiting(queue, 1, At(0));
  NoteDeparture(queue, absl::Seconds(1), At(1));
  NoteWaiting(queue, 1, kStart + absl::Hours(24 * 400) + absl::Seconds(1));
  ASSERT_EQ(queue.buckets_size(), 12);
  int64_t busy_ms = 0;
  for (const FlowBucket& bucket : queue.buckets()) {
    busy_ms += bucket.busy_ms();
    EXPECT_EQ(bucket.departures(), 0);
  }
  EXPECT_EQ(busy_ms, (55 * 60 + 1) * 1'000);
}

// Against a model that keeps the whole history and counts millisecond by millisecond of its steps.
TEST(FlowFold, IsWhatCountingTheWholeHistoryGives) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    QueueState queue;
    std::map<int64_t, FlowBucket> model;  // by minute
    int waiting = 0;
    int64_t now_ms = absl::ToUnixMillis(kStart);
    for (int step = 0; step < 300; ++step) {
      const int64_t then = now_ms;
      now_ms += random.Below(4) == 0 ? 0 : random.Below(random.Below(20) == 0 ? 900'000 : 40'000);
      for (int64_t ms = then; waiting > 0 && ms < now_ms;) {
        const int64_t end = std::min(now_ms, (ms / 300'000 + 1) * 300'000);
        FlowBucket& bucket = model[ms / 300'000 * 5];
        bucket.set_busy_ms(bucket.busy_ms() + end - ms);
        bucket.set_waiting_ms(bucket.waiting_ms() + waiting * (end - ms));
        ms = end;
      }
      const absl::Time now = absl::FromUnixMillis(now_ms);
      FlowBucket& bucket = model[now_ms / 300'000 * 5];
      switch (random.Below(4)) {
        case 0:
          NoteWaiting(queue, 1, now);
          ++waiting;
          break;
        case 1:
          if (waiting == 0) break;
          NoteDeparture(queue, absl::Seconds(1), now);
          NoteWaiting(queue, -1, now);
          bucket.set_departures(bucket.departures() + 1);
          --waiting;
          break;
        case 2:
          NoteHandled(queue, absl::Milliseconds(step), now);
          bucket.set_handled(bucket.handled() + 1);
          bucket.set_handle_ms(bucket.handle_ms() + step);
          break;
        case 3:
          NoteAnswered(queue, absl::Milliseconds(step), now);
          if (bucket.answers().empty()) bucket.add_answers(0);
          bucket.set_answers(0, bucket.answers(0) + 1);
          break;
      }
    }
    NoteHandled(queue, absl::ZeroDuration(), absl::FromUnixMillis(now_ms));
    FlowBucket& last = model[now_ms / 300'000 * 5];
    last.set_handled(last.handled() + 1);
    EXPECT_EQ(queue.waiting(), waiting);
    EXPECT_LE(queue.buckets_size(), 12);
    // The model may have empty buckets, in which nothing happened.
    std::map<int64_t, std::string> expected;
    for (auto& [minute, bucket] : model) {
      if (minute <= now_ms / 300'000 * 5 - 60) continue;
      bucket.set_minute(0);
      if (!bucket.SerializeAsString().empty()) expected[minute] = bucket.ShortDebugString();
    }
    std::map<int64_t, std::string> kept;
    for (FlowBucket bucket : queue.buckets()) {
      const int64_t minute = bucket.minute();
      bucket.set_minute(0);
      kept[minute] = bucket.ShortDebugString();
    }
    EXPECT_EQ(kept, expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace wissel::routing
