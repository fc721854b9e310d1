// The views that a projector wrote, compared with the log that they are of.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/channel/outbox_store.h"
#include "services/projector/projector_fixture.h"

namespace wissel::projector {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class ViewsCompared : public ProjectorTest {
 protected:
  // "key: expected, found: detail", without the keys' prefix.
  std::vector<std::string> Differences() {
    auto comparison = views::CompareViews(*bus_, redis_, keys_);
    EXPECT_THAT(comparison, testing::IsOk());
    EXPECT_EQ(comparison->not_compared, "");
    EXPECT_EQ(comparison->differing, static_cast<int64_t>(comparison->differences.size()));
    std::vector<std::string> texts;
    for (const views::ViewDifference& d : comparison->differences) {
      texts.push_back(absl::StrCat(absl::StripPrefix(d.key, keys_.prefix()), ": ", d.expected, ", ",
                                   d.found, ": ", d.detail));
    }
    return texts;
  }
  void Run(std::vector<std::string> command) { WISSEL_ASSERT_OK(redis_.Run("", command)); }
};

TEST_F(ViewsCompared, WhatIsMissingIsNamed) {
  shop_->Online("anna");
  const std::string c1 = shop_->Open("31611111111", "nl");
  const std::string c2 = shop_->Open("31622222222", "nl");
  shop_->Accept(c1);
  shop_->AddNote("anna", c1, "call back");
  CatchUp(*NewProjector());
  ASSERT_THAT(Differences(), IsEmpty());
  const std::string key =
      absl::StrCat("acme/", shop_->state().FindConversation(c1)->routing_group_id());
  for (const std::string& gone : {keys_.Open(key), keys_.Agents(key), keys_.Messages(c1)}) {
    Run({"DEL", gone});
  }
  EXPECT_THAT(
      Differences(),
      UnorderedElementsAre(
          HasSubstr(absl::StrCat("open:", key, ": 2, 0: 2 missing (", std::min(c1, c2), ", …)")),
          AllOf(HasSubstr(absl::StrCat("agents:", key)), HasSubstr("missing (anna")),
          AllOf(HasSubstr(absl::StrCat("messages:", c1, ": 2, 0: 2 missing")))));
  // The checkpoint knows nothing of it, and a projector begins from it.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
  EXPECT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded);
  EXPECT_THAT(views::ReadConversation(redis_, keys_, "acme", c1, 20),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("log verify")));
  EXPECT_THAT(views::ReadMessages(redis_, keys_, "acme", c1, {}, 20),
              StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(WorkOf("anna").conversations, Not(IsEmpty()));
  EXPECT_THAT(WorkOf("anna").conversations[0].messages, IsEmpty());
}

TEST_F(ViewsCompared, WhatIsTooMuchOrDifferentIsNamed) {
  shop_->Online("anna");
  const std::string c1 = shop_->Open("31611111111", "nl");
  const std::string c2 = shop_->Open("31622222222", "nl");
  CatchUp(*NewProjector());
  const std::string key =
      absl::StrCat("acme/", shop_->state().FindConversation(c1)->routing_group_id());
  const std::string message = Texts(*redis_.Run("", {"ZRANGE", keys_.Order(c1), "0", "-1"}))[0];
  Run({"ZADD", keys_.Open(key), "1", c1, "2", "ghost"});
  Run({"HSET", keys_.Messages(c1), absl::StrCat("b", message), "x"});
  Run({"ZADD", keys_.Order(c2), "17", "nobodys"});
  Run({"HSET", keys_.Messages("ghost"), "bx", "x"});
  Run({"DEL", keys_.Groups("acme")});
  Run({"SET", keys_.Groups("acme"), "x"});
  EXPECT_THAT(
      Differences(),
      UnorderedElementsAre(
          absl::StrCat("open:", key, ": 2, 3: 1 not of the log (ghost), 1 different (", c1, ")"),
          absl::StrCat("messages:", c1, ": 1, 1: 1 different (", message, ")"),
          absl::StrCat("order:", c2, ": 1, 2: 1 not of the log (nobodys)"),
          absl::StrCat("messages:", c2, ": 1, 1: 1 missing (nobodys)"),
          "messages:ghost: 0, 1: 1 not of the log (x)", HasSubstr("groups:acme: 1, 0: 1 missing")));
}

TEST_F(ViewsCompared, TheForgottenAreMissedUntilTheyExpire) {
  settings_.forgotten_kept = absl::Hours(24);
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string id = shop_->Open("31611111111", "nl");
  shop_->Accept(id);
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  CatchUp(*projector);
  ASSERT_THAT(Differences(), IsEmpty());
  Run({"DEL", keys_.Forgotten(), keys_.ForgottenTime(), keys_.Messages(id), keys_.Order(id)});
  EXPECT_THAT(Differences(),
              UnorderedElementsAre(HasSubstr("forgotten: 1, 0"), HasSubstr("forgotten_time: 1, 0"),
                                   HasSubstr(absl::StrCat("messages:", id, ": 1, 0")),
                                   HasSubstr(absl::StrCat("order:", id, ": 1, 0"))));
}

TEST_F(ViewsCompared, AfterACutTheViewsMayHoldMoreThanIsLeftOfTheLog) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string old = shop_->Open("31611111111", "nl");
  const std::string gone = shop_->Open("31622222222", "nl");
  shop_->Accept(gone);
  shop_->Resolve("anna", gone);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  ASSERT_EQ(shop_->state().FindConversation(gone), nullptr);
  const int64_t cut = shop_->end();
  shop_->AddNote("bram", old, "before it is named again");
  shop_->Restate();
  shop_->AddNote("bram", old, "after it");
  CatchUp(*projector);
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  EXPECT_THAT(Differences(), IsEmpty());
  const auto ids = Texts(*redis_.Run("", {"ZRANGE", keys_.Order(old), "0", "-1"}));
  ASSERT_THAT(ids, SizeIs(3));
  Run({"HDEL", keys_.Messages(old), absl::StrCat("b", ids[2])});
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr(absl::StrCat("messages:", old, ": 1, 2"))));
}

TEST_F(ViewsCompared, AViewThatIsBehindIsComparedWhereItStands) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(Differences(), IsEmpty());
  Run({"FLUSHALL"});
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto nothing, views::CompareViews(*bus_, redis_, keys_));
  EXPECT_EQ(nothing.not_compared, "nothing there");
}

TEST_F(ViewsCompared, ADeliverersPlaceIsNotOneOfThem) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  state::v1::OutboxCheckpoint place;
  place.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  place.set_partition(keys_.partition());
  { channel::OutboxStore({.address = server_->address()}, {}).Save(place); }
  ASSERT_EQ(redis_.Run("", {"EXISTS", "wissel:{p0}:outbox:email"})->integer, 1);
  EXPECT_THAT(Differences(), IsEmpty());
}

}  // namespace
}  // namespace wissel::projector
