#include "libs/telemetry/trace.h"

#include <gtest/gtest.h>

namespace wissel::telemetry {
namespace {

// The example of the specification, section 3.2.2.
constexpr char kExample[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, RoundTripsTheSpecificationsExample) {
  const absl::StatusOr<TraceContext> context = TraceContext::Parse(kExample);
  ASSERT_TRUE(context.ok());
  EXPECT_TRUE(context->sampled());
  EXPECT_EQ(context->TraceIdText(), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->ToHeader(), kExample);
}

TEST(TraceContext, OfWhatIsNoHeaderThereIsNoTraceId) {
  EXPECT_EQ(TraceIdOf(kExample), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(TraceIdOf("00-4bf92f3577b34da6a3ce929d0e0e4736"), "");
  EXPECT_EQ(TraceIdOf(""), "");
}

TEST(TraceContext, RefusesWhatAReceiverMustIgnore) {
  for (const char* header : {
           "",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
       }) {
    EXPECT_FALSE(TraceContext::Parse(header).ok()) << header;
  }
}

TEST(TraceContext, ReadsLaterVersionsAndWritesItsOwn) {
  const absl::StatusOr<TraceContext> context = TraceContext::Parse(
      "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-the-future-holds");
  ASSERT_TRUE(context.ok());
  EXPECT_EQ(context->ToHeader(), kExample);
}

TEST(TraceContext, AChildStaysInItsTrace) {
  const TraceContext parent = *TraceContext::Parse(kExample);
  const TraceContext child = parent.NewChild();
  EXPECT_EQ(child.trace_id, parent.trace_id);
  EXPECT_NE(child.parent_id, parent.parent_id);
  EXPECT_TRUE(child.sampled());
}

TEST(TraceContext, ABadHeaderStartsANewTrace) {
  EXPECT_EQ(TraceContext::FromHeaderOrNew(kExample).ToHeader(), kExample);
  const TraceContext fresh = TraceContext::FromHeaderOrNew("nonsense");
  EXPECT_TRUE(TraceContext::Parse(fresh.ToHeader()).ok());
  EXPECT_NE(fresh, TraceContext::NewRoot());
  EXPECT_FALSE(TraceContext::NewRoot(false).sampled());
}

}  // namespace
}  // namespace wissel::telemetry
