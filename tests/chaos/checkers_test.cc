#include "tests/chaos/checkers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/state.h"
#include "tests/chaos/checkers_fixture.h"

// A good history passes; each way in which one can be bad is planted and must be found.
namespace wissel::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// --- messages

TEST_F(CheckersTest, PassesMessagesThatArrivedOnceAndInOrder) {
  Decide({Opened("c"), Received("c", "m1")});
  Decide({Received("c", "m3")});
  Decide({Received("c", "m2")});
  Wrote("m1", 1);
  Wrote("m2", 2);
  Wrote("m3", 2);  // Under way together with m2: either order will do.
  Wrote("given up", 3, false);
  EXPECT_THAT(CheckMessages(history_), IsEmpty());
}

TEST_F(CheckersTest, FindsALostMessage) {
  Wrote("m1", 1);
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kLost));
}

TEST_F(CheckersTest, FindsAMessageReceivedTwice) {
  Decide({Received("c", "m1")});
  Decide({Received("c", "m1")});
  Wrote("m1", 1);
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(CheckersTest, FindsMessagesOutOfOrder) {
  Decide({Received("c", "m2")});
  Decide({Received("c", "m1")});
  Wrote("m1", 1);
  Wrote("m2", 2);
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kOutOfOrder));
}

TEST_F(CheckersTest, FindsOneOfTwoTogetherBehindALaterOne) {
  Decide({Received("c", "m1a")});
  Decide({Received("c", "m2")});
  Decide({Received("c", "m1b")});
  Wrote("m1a", 1);
  Wrote("m1b", 1);
  Wrote("m2", 2);
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kOutOfOrder));
}

TEST_F(CheckersTest, FindsTimeGoingBackwards) {
  Decide({});
  Decide({});
  *decision(2).mutable_time() = ToProto(absl::FromUnixSeconds(0));
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kOutOfOrder));
}

// --- replies

TEST_F(CheckersTest, PassesAnswersThatWereSentOnceOrReported) {
  Decide({Replied("c", "sent")}, "command-1");
  Decide({Delivery("c", "sent", DeliveryState::DELIVERY_STATE_SENT)});
  Decide({Replied("c", "failed")}, "command-2");
  Decide({Delivery("c", "failed", DeliveryState::DELIVERY_STATE_FAILED)});
  Decide({Replied("c", "held")}, "command-3");
  Decide({Delivery("c", "held", DeliveryState::DELIVERY_STATE_HELD)});
  history_.book = {"sent", "held"};
  TranscriptOf("anna").replies_done = {"command-1", "command-2", "command-3"};
  EXPECT_THAT(CheckReplies(history_), IsEmpty());
}

TEST_F(CheckersTest, FindsAnAnswerThatWasSaidToBeDone) {
  TranscriptOf("anna").replies_done = {"command-1"};
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kLost));
}

TEST_F(CheckersTest, FindsAnAnswerThatWasNeverSent) {
  Decide({Replied("c", "o1")});
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kLost));
}

TEST_F(CheckersTest, FindsAnAnswerThatTheLogWronglySaysIsSent) {
  Decide({Replied("c", "o1")});
  Decide({Delivery("c", "o1", DeliveryState::DELIVERY_STATE_DELIVERED)});
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kLost));
}

TEST_F(CheckersTest, FindsAnAnswerSentTwice) {
  Decide({Replied("c", "o1")});
  history_.book = {"o1", "o1"};
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(CheckersTest, FindsAnAnswerDecidedTwice) {
  Decide({Replied("c", "o1")}, "command-1");
  Decide({Replied("c", "o1")}, "command-1");
  history_.book = {"o1"};
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(CheckersTest, FindsAnAnswerThatNobodyDecided) {
  history_.book = {"o1"};
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kDoubled));
}

// --- waiting

TEST_F(CheckersTest, PassesConversationsThatSomebodyGot) {
  Decide({Opened("c"), Queued("c"), Offered("c", "anna")});
  Decide({Assigned("c", "anna")});
  Decide({Opened("d"), Queued("d")});
  Decide({Resolved("d")});
  EXPECT_THAT(CheckServed(history_), IsEmpty());
}

TEST_F(CheckersTest, FindsAConversationThatNobodyGot) {
  Decide({Opened("c"), Queued("c"), Offered("c", "anna")});
  Decide({Assigned("c", "anna")});
  Decide({Queued("c"), Offered("c", "bram")});
  EXPECT_THAT(Faults(CheckServed(history_)), ElementsAre(Fault::kLost));
}

// --- assignments

TEST_F(CheckersTest, PassesAConversationThatGoesFromHandToHand) {
  Decide({Opened("c"), Queued("c"), Offered("c", "anna")});
  Decide({Assigned("c", "anna")});
  Decide({Queued("c"), Offered("c", "bram")});
  Decide({Assigned("c", "bram")});
  Decide({Resolved("c")});
  Decide({Offered("c", "anna")});
  EXPECT_THAT(CheckAssignments(history_), IsEmpty());
}

TEST_F(CheckersTest, FindsAConversationOfTwoAgentsInTheLog) {
  Decide({Assigned("c", "anna")});
  Decide({Offered("c", "bram")});
  EXPECT_THAT(Faults(CheckAssignments(history_)), ElementsAre(Fault::kDoublyAssigned));
}

TEST_F(CheckersTest, FindsAConversationOfTwoAgentsInTheStreams) {
  Decide({Assigned("c", "anna")});
  Decide({Queued("c")});
  Decide({Assigned("c", "bram")});
  Show("anna", 1, {0});
  Show("anna", 2, {0});
  Show("bram", 3, {0});
  EXPECT_THAT(CheckAssignments(history_), IsEmpty());
  TranscriptOf("anna").stretches[0].shown.pop_back();  // Anna believes that it is still hers.
  const Violations found = CheckAssignments(history_);
  ASSERT_THAT(Faults(found), ElementsAre(Fault::kDoublyAssigned));
  EXPECT_THAT(found[0].detail, HasSubstr("streams"));
}

// --- streams

class StreamsTest : public CheckersTest {
 protected:
  StreamsTest() {
    Decide({Opened("c"), Received("c", "m1"), Queued("c"), Offered("c", "anna")});
    Decide({Assigned("c", "anna")});
    Decide({Received("d", "other")});
    Decide({Received("c", "m2")});
    Decide({Queued("c"), Offered("c", "bram")});
    Decide({Assigned("c", "bram"), Received("c", "m3")});
    Show("anna", 1, {3});
    Show("anna", 2, {0});
    Show("anna", 4, {0});
    Show("anna", 5, {0});
    Show("bram", 5, {1});
    Show("bram", 6, {0, 1});
    history_.streams_reach = {7, 0};
  }
  std::vector<Shown>& annas() { return TranscriptOf("anna").stretches[0].shown; }
};

TEST_F(StreamsTest, PassesWhatTheLogSays) { EXPECT_THAT(CheckStreams(history_), IsEmpty()); }

TEST_F(StreamsTest, PassesAStreamThatBeganLater) {
  annas().erase(annas().begin());
  TranscriptOf("anna").stretches[0].from = 2;
  EXPECT_THAT(CheckStreams(history_), IsEmpty());
}

TEST_F(StreamsTest, FindsAMissingMessage) {
  annas().erase(annas().begin() + 1);
  EXPECT_THAT(CheckStreams(history_), Not(IsEmpty()));
}

TEST_F(StreamsTest, FindsAMissingLastMessage) {
  annas().pop_back();
  EXPECT_THAT(Faults(CheckStreams(history_)), ElementsAre(Fault::kStreamGap));
}

TEST_F(StreamsTest, FindsARepeatedMessage) {
  annas().insert(annas().begin() + 1, annas()[0]);
  EXPECT_THAT(CheckStreams(history_), Not(IsEmpty()));
}

TEST_F(StreamsTest, FindsAMissingEvent) {
  TranscriptOf("bram").stretches[0].shown[1].events.mutable_events()->RemoveLast();
  EXPECT_THAT(Faults(CheckStreams(history_)), ElementsAre(Fault::kStreamGap));
}

TEST_F(StreamsTest, FindsWhatTheAgentMayNotSee) {
  Show("bram", 3, {0});
  EXPECT_THAT(CheckStreams(history_), Not(IsEmpty()));
}

TEST_F(StreamsTest, FindsAStreamThatStoodStill) {
  TranscriptOf("bram").stretches[0].until = 6;
  TranscriptOf("bram").stretches[0].shown.pop_back();
  const Violations found = CheckStreams(history_);
  ASSERT_THAT(Faults(found), ElementsAre(Fault::kStreamGap));
  EXPECT_THAT(found[0].detail, HasSubstr("did not reach"));
}

// --- states

TEST_F(CheckersTest, ComparesStatesAtTheirPlaces) {
  domain::State state;
  std::vector<uint64_t> hashes = {state.Hash()};
  for (int i = 1; i <= 3; ++i) {
    Decide({Opened(absl::StrCat("c", i))});
    state.Apply(decision(static_cast<size_t>(i)));
    hashes.push_back(state.Hash());
  }
  ASSERT_NE(hashes[1], hashes[2]);
  const std::vector<HeldState> good = {
      {.holder = "claimed", .hash = hashes[0], .epoch = 1, .sequence = 0},
      {.holder = "router", .hash = hashes[2], .epoch = 1, .sequence = 2},
      {.holder = "middle", .hash = hashes[2], .next_offset = 3},
      {.holder = "end", .hash = hashes[3], .next_offset = 4},
      {.holder = "empty", .partition = 1, .hash = hashes[0], .next_offset = 0}};
  EXPECT_THAT(CheckStates(history_, good), IsEmpty());
  for (HeldState bad : good) {
    ++bad.hash;
    EXPECT_THAT(Faults(CheckStates(history_, {bad})), ElementsAre(Fault::kStateDiffers))
        << bad.holder;
  }
}

TEST_F(CheckersTest, FindsAStateOfAPlaceThatTheLogDoesNotHave) {
  Decide({Opened("c")});
  EXPECT_THAT(Faults(CheckStates(history_, {{.holder = "r", .epoch = 2, .sequence = 1}})),
              ElementsAre(Fault::kStateDiffers));
}

// --- history

class ToldTest : public CheckersTest {
 protected:
  ToldTest() {
    Decide({Opened("c"), Received("c", "m1")});
    Decide({Replied("c", "o1")});
    Decide({Delivery("c", "o1", DeliveryState::DELIVERY_STATE_SENT)});
    Decide({Received("c", "m2")});
    history_.told = {
        {.conversation_id = "c", .messages = {Message("m1", 1)}, .offset = 1},
        {.conversation_id = "c", .messages = {Message("m1", 1), Answer("o1", 2)}, .offset = 3},
        {.conversation_id = "c",
         .whole = true,
         .messages = {Message("m1", 1), Answer("o1", 2), Message("m2", 4)}}};
  }

  history::v1::Message Line(size_t offset) {
    history::v1::Message line;
    *line.mutable_time() = decision(offset).time();
    line.set_log_offset(static_cast<int64_t>(offset));
    return line;
  }
  history::v1::Message Message(const std::string& id, size_t offset) {
    history::v1::Message line = Line(offset);
    line.mutable_inbound()->set_provider_message_id(id);
    return line;
  }
  history::v1::Message Answer(const std::string& id, size_t offset) {
    history::v1::Message line = Line(offset);
    line.set_id(id);
    line.mutable_outbound();
    line.mutable_actor();
    line.set_delivery_state(DeliveryState::DELIVERY_STATE_SENT);
    return line;
  }
  Told& first() { return history_.told[0]; }
  Told& second() { return history_.told[1]; }
  Told& whole() { return history_.told[2]; }
  std::vector<Fault> Found() { return Faults(CheckTold(history_)); }
};

TEST_F(ToldTest, PassesWhatTheLogSays) { EXPECT_THAT(CheckTold(history_), IsEmpty()); }

TEST_F(ToldTest, FindsAMessageThatTheLogDoesNotHaveYet) {
  first().messages = second().messages;
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAMessageOfNobody) {
  second().messages[0].mutable_inbound()->set_provider_message_id("other");
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAMissingMessage) {
  second().messages.pop_back();
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsARepeatedMessage) {
  second().messages = {Message("m1", 1), Message("m1", 1)};
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsADeliveryThatIsBehind) {
  second().messages[1].set_delivery_state(DeliveryState::DELIVERY_STATE_PENDING);
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
  second().offset = 2;
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ToldTest, FindsAMessageMissingAtTheEnd) {
  whole().messages.erase(whole().messages.begin());
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, OfALongConversationTheLatestAreDue) {
  std::vector<history::v1::Message> all = whole().messages;
  for (size_t offset = 5; offset < 250; ++offset) {
    Decide({Received("c", absl::StrCat("m", offset))});
    all.push_back(Message(absl::StrCat("m", offset), offset));
  }
  whole().messages.assign(all.end() - 200, all.end());
  second().messages.assign(all.end() - 20, all.end());
  second().offset = 249;
  EXPECT_THAT(Found(), IsEmpty());
  whole().messages.assign(all.end() - 199, all.end());
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAConversationThatIsNotToldOf) {
  Decide({Opened("d")});
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAConversationThatIsNotInTheLog) {
  history_.told.push_back({.conversation_id = "d", .whole = true});
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAConversationOfAnotherPartition) {
  second().partition = 1;
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

TEST_F(ToldTest, FindsAnAnswerThatNobodyShouldGet) {
  second().status = absl::DataLossError("gone");
  EXPECT_THAT(Found(), ElementsAre(Fault::kHistoryWrong));
}

// --- configurations

class ConfigsTest : public CheckersTest {
 protected:
  ConfigsTest() {
    for (size_t partition : {0, 1}) {
      Apply(partition, 1, "");
      Apply(partition, 2, "a");
      Apply(partition, 3, "open end");
      Apply(partition, 4, "b");
    }
    history_.config_attempts = {{"a", 2, absl::OkStatus()},
                                {"too late", 2, absl::FailedPreconditionError("version 2")},
                                {"open end", 3, absl::UnavailableError("")},
                                {"b", 4, absl::OkStatus()},
                                {"never came", 5, absl::UnavailableError("")}};
    SayInForce(4, "b");
  }

  void Apply(size_t partition, int64_t version, const std::string& label) {
    bus::LogEntry entry;
    entry.offset = static_cast<int64_t>(history_.log[partition].size());
    Event& event = *entry.record.mutable_decision()->add_events();
    event.mutable_config_applied()->mutable_config()->set_version(version);
    event.mutable_config_applied()->mutable_config()->set_display_name(label);
    history_.log[partition].push_back(std::move(entry));
  }
  void SayInForce(int64_t version, const std::string& label) {
    history_.config_in_force.set_version(version);
    history_.config_in_force.set_display_name(label);
  }
  void Attempted(const std::string& label, int64_t version, absl::Status status) {
    history_.config_attempts.push_back({label, version, std::move(status)});
  }
  std::vector<Fault> Found() { return Faults(CheckConfigs(history_)); }
};

TEST_F(ConfigsTest, PassesVersionsThatFollowEachOther) {
  EXPECT_THAT(CheckConfigs(history_), IsEmpty());
}

TEST_F(ConfigsTest, FindsOneThatWasAcceptedAndIsNotInForce) {
  Attempted("c", 5, absl::OkStatus());
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsOneThatWasAcceptedUnderAnothersVersion) {
  Attempted("c", 4, absl::OkStatus());
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsOneThatWasRefusedAndIsInForce) {
  history_.config_attempts[0].status = absl::FailedPreconditionError("version 2");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsOneThatIsInForceTwice) {
  for (size_t partition : {0, 1}) Apply(partition, 5, "open end");
  SayInForce(5, "open end");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsAVersionAppliedAgain) {
  Apply(1, 4, "b");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsAVersionLeftOut) {
  for (size_t partition : {0, 1}) Apply(partition, 6, "c");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong, Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsAPartitionThatStaysBehind) {
  Apply(0, 5, "c");
  SayInForce(5, "c");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsAnAdminThatSaysSomethingElse) {
  SayInForce(4, "other");
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong));
}

TEST_F(ConfigsTest, FindsAnAnswerThatNobodyShouldGet) {
  Attempted("c", 5, absl::InternalError("oops"));
  Attempted("", 0, absl::UnavailableError("to the end"));
  EXPECT_THAT(Found(), ElementsAre(Fault::kConfigWrong, Fault::kConfigWrong));
}

}  // namespace
}  // namespace wissel::chaos
