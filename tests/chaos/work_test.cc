#include "tests/chaos/work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/chaos/checkers_fixture.h"

// A run that did its work lacks nothing; each part left out is missed.
namespace wissel::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WorkTest : public CheckersTest {
 protected:
  WorkTest() {
    Wrote("m1", 1);
    Wrote("m2", 2);
    Decide({Received("c", "m1"), Received("c", "m2")});
    Decide({Replied("c", "out")}, "command");
    history_.book = {"out"};
    history_.arrived = {{.outbound_id = "mail"}};
    TranscriptOf("anna").replies_done = {"command"};
    Show("anna", 2, {0});
    history_.told = {{.conversation_id = "c"},
                     {.conversation_id = "c", .whole = true, .in_peace = true},
                     {.conversation_id = "c", .in_peace = true}};
    history_.config_attempts = {{"a", 2, absl::OkStatus()}};
    held_ = {{.holder = "router-1", .epoch = 1, .sequence = 2},
             {.holder = kCheckpoint, .next_offset = 3},
             {.holder = kCheckpointAfterFlush, .next_offset = 3}};
  }

  std::vector<std::string> Missing() {
    return MissingWork(history_, held_, {.messages = 2, .mail = true});
  }

  std::vector<HeldState> held_;
};

TEST_F(WorkTest, ARunThatDidItsWorkLacksNothing) { EXPECT_THAT(Missing(), IsEmpty()); }

TEST_F(WorkTest, AnIdleRunLacksEverything) {
  EXPECT_EQ(MissingWork({}, {}, {.messages = 2, .mail = true}).size(), 10);
}

TEST_F(WorkTest, MissesMessagesThatNobodyWrote) {
  history_.messages.pop_back();
  EXPECT_THAT(Missing(), ElementsAre("customers wrote 1 of 2 messages"));
}

TEST_F(WorkTest, MissesWhatWasNeverAcknowledged) {
  history_.messages[1].acknowledged = false;
  EXPECT_THAT(Missing(), ElementsAre("1 of 2 messages were never acknowledged, as m2"));
}

TEST_F(WorkTest, MissesAnswers) {
  decision(2).clear_events();
  history_.book.clear();
  history_.arrived.clear();
  history_.transcripts[0].replies_done.clear();
  EXPECT_THAT(Missing(),
              ElementsAre("no answer is in the log", "the provider accepted no answer",
                          "no answer by mail arrived", "no agent was told that an answer is done"));
  EXPECT_EQ(MissingWork(history_, held_, {.messages = 2}).size(), 3) << "no mail, none to arrive";
}

TEST_F(WorkTest, MissesWhatStreamsHistoryAndAdminTell) {
  history_.transcripts[0].stretches[0].shown.clear();
  history_.told[0].status = absl::UnavailableError("away");
  history_.told[1].status = absl::UnavailableError("away");
  history_.config_attempts[0].status = absl::UnavailableError("away");
  EXPECT_THAT(Missing(), ElementsAre("no stream showed anything", HasSubstr("while things broke"),
                                     HasSubstr("at the end"), "no configuration was accepted"));
}

TEST_F(WorkTest, MissesStatesOfAPartitionThatWasUsed) {
  held_.resize(2);
  EXPECT_THAT(Missing(), ElementsAre("partition 0: no checkpoint after FLUSHALL was compared"));
  held_ = {held_[1]};
  EXPECT_THAT(Missing(), ElementsAre("partition 0: no router's state was compared",
                                     "partition 0: no checkpoint after FLUSHALL was compared"));
  // Nothing is compared of one that nobody wrote to.
  history_.log[0].clear();
  EXPECT_THAT(Missing(), Not(testing::Contains(HasSubstr("partition"))));
}

}  // namespace
}  // namespace wissel::chaos
