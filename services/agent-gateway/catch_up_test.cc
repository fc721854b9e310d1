#include "services/agent-gateway/catch_up.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/log_writer.h"
#include "services/agent-gateway/testing/random_day.h"

namespace wissel::agent_gateway {
namespace {

using testing::StatusIs;

class CatchUpTest : public ::testing::Test {
 protected:
  // Writes a random day, with a change of owner and void records in it, and folds it.
  void WriteDay(uint32_t seed, int steps) {
    RandomDay day(seed);
    day.Run(steps);
    LogWriter writer(*bus_);
    int n = 0;
    for (const log::v1::Decision& decision : day.decisions()) {
      if (++n % 97 == 0) writer.Claim();
      if (n % 31 == 0) writer.WriteVoid(decision);
      writer.Write(decision);
    }
    auto reader = *bus::LogReader::Open(*bus_, 0, {});
    const int64_t end = *reader->EndOffset();
    view_ = std::make_unique<PartitionView>(0, PartitionView::Limits{}, domain::State(),
                                            bus::LogPosition{});
    while (reader->position().offset < end) {
      const auto reader_records = *reader->Poll(100, absl::Seconds(1));
      for (const bus::LogEntry& record : reader_records) {
        if (EntryPtr entry = view_->Apply(record)) entries_.push_back(entry);
      }
    }
  }

  CatchUp::AskOwners Ask() {
    return [this](const std::vector<std::string>& conversations, int64_t offset) {
      std::vector<PartitionView::Owners> owners;
      for (const std::string& id : conversations) owners.push_back(view_->OwnersAt(id, offset));
      return absl::StatusOr<std::vector<PartitionView::Owners>>(std::move(owners));
    };
  }

  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = 1});
  std::unique_ptr<PartitionView> view_;
  std::vector<EntryPtr> entries_;
};

// The heart of resuming: whoever reads a stretch of the log without its past says of every event
// exactly what those say who folded all of it.
class CatchUpPropertyTest : public CatchUpTest, public ::testing::WithParamInterface<uint32_t> {};

INSTANTIATE_TEST_SUITE_P(Seeds, CatchUpPropertyTest, ::testing::Range(1u, 6u));

TEST_P(CatchUpPropertyTest, SaysOfEveryEventWhatTheFoldSays) {
  WriteDay(GetParam(), 400);
  std::mt19937 random(GetParam());
  const auto pick = [&](size_t below) {
    return std::uniform_int_distribution<size_t>(0, below - 1)(random);
  };
  int compared = 0;
  int company = 0;
  for (int round = 0; round < 20; ++round) {
    const size_t first = pick(entries_.size() - 1);
    const size_t last = first + pick(entries_.size() - first);
    const Position from = first == 0 ? Position() : *ParseCursor(entries_[first - 1]->cursor);
    const auto catch_up =
        CatchUp::Open(*bus_, {.from = from, .until = entries_[last]->offset + 1}, Ask());
    WISSEL_ASSERT_OK(catch_up);
    size_t next = first;
    while (!(*catch_up)->done()) {
      WISSEL_ASSERT_OK_AND_ASSIGN(const auto entries, (*catch_up)->Next(1 + pick(50)));
      for (const EntryPtr& entry : entries) {
        const EntryPtr& expected = entries_[next++];
        ASSERT_EQ(entry->offset, expected->offset);
        ASSERT_EQ(entry->cursor, expected->cursor);
        ASSERT_EQ(entry->command_id, expected->command_id);
        for (size_t i = 0; i < expected->facts.size(); ++i) {
          const auto& event = expected->decision.events(static_cast<int>(i));
          const EventFacts& a = entry->facts[i];
          const EventFacts& b = expected->facts[i];
          ASSERT_EQ(a.workspace, b.workspace) << event.ShortDebugString();
          ASSERT_EQ(a.routing_group, b.routing_group) << event.ShortDebugString();
          ASSERT_EQ(a.agents, b.agents) << event.ShortDebugString() << " at " << entry->offset;
          const auto change = PartyChangeOf(event);
          company += change.has_value() && change->company.has_value() ? 1 : 0;
          ++compared;
        }
      }
    }
    EXPECT_EQ(next, last + 1);
    EXPECT_EQ((*catch_up)->position().next_offset, entries_[last]->offset + 1);
  }
  EXPECT_GT(compared, 1000);
  EXPECT_GT(company, 100) << "the day hardly had consults";
}

TEST_F(CatchUpTest, SaysSoWhenTheLogNoLongerHasThePlace) {
  WriteDay(1, 50);
  ASSERT_GT(entries_.size(), 10u);
  const Position from = *ParseCursor(entries_[2]->cursor);
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, entries_[5]->offset));
  EXPECT_THAT(
      CatchUp::Open(*bus_, {.from = from, .until = entries_[8]->offset + 1}, Ask()).status(),
      StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(CatchUpTest, RefusesAStretchThatIsTooLong) {
  WriteDay(1, 50);
  EXPECT_THAT(
      CatchUp::Open(*bus_, {.from = Position(), .until = 30, .max_records = 20}, Ask()).status(),
      StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace wissel::agent_gateway
