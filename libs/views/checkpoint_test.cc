#include "libs/views/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"

namespace wissel::views {
namespace {

using store::Redis;
using store::RedisOptions;
using store::Reply;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RedisServer;
using ::testing::SizeIs;
using testing::StatusIs;
using Outcome = CheckpointLoad::Outcome;

class CheckpointTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override { WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"})); }

  domain::Piece Piece(domain::PieceKind kind, const std::string& key, const std::string& bytes) {
    return {{kind, key}, bytes};
  }
  uint64_t Hash(const std::vector<domain::Piece>& pieces) {
    uint64_t sum = 0;
    for (const auto& piece : pieces) sum += domain::PieceHash(piece.key, *piece.bytes);
    return sum;
  }
  // What stands in Redis is exactly `pieces`, at `next_offset`.
  CheckpointMeta Write(const std::string& incarnation, std::optional<int64_t> from, int64_t to,
                       const std::vector<domain::Piece>& pieces, uint64_t hash) {
    Batch batch(keys_);
    for (const auto& piece : pieces) batch.Put(piece);
    CheckpointMeta meta;
    meta.incarnation = incarnation;
    meta.position.emplace();
    meta.position->offset = to;
    meta.position->rule = {.footing = bus::Footing::kFirm,
                           .epoch = 4,
                           .claim_offset = 17,
                           .next_sequence = 12,
                           .epoch_bound = 5,
                           .owner = "router-1"};
    meta.time = absl::FromUnixNanos(1'700'000'000'123'456'789);
    meta.state_hash = hash;
    const auto found = WriteBatch(redis_, keys_, {incarnation, from}, meta, std::move(batch));
    EXPECT_THAT(found, testing::IsOk());
    EXPECT_EQ(*found, std::nullopt);
    return meta;
  }
  CheckpointLoad Load() {
    auto load = LoadCheckpoint(redis_, keys_);
    EXPECT_THAT(load, testing::IsOk());
    return *std::move(load);
  }

  static RedisServer* server_;
  Redis redis_{RedisOptions{.address = server_->address()}};
  const PartitionKeys keys_{3};
  const std::vector<domain::Piece> pieces_ = {
      Piece(domain::PieceKind::kConversation, "c1", std::string("\0\r\nx", 4)),
      Piece(domain::PieceKind::kAgent, "shop/anna", "a"),
      Piece(domain::PieceKind::kPartition, "", "p"),
  };
};
RedisServer* CheckpointTest::server_ = nullptr;

TEST_F(CheckpointTest, NothingIsNotAnError) { EXPECT_EQ(Load().outcome, Outcome::kNone); }

TEST_F(CheckpointTest, JustBegunIsNothing) {
  WISSEL_ASSERT_OK(BeginAnew(redis_, keys_));
  EXPECT_EQ(Load().outcome, Outcome::kNone);
}

TEST_F(CheckpointTest, GivesBackWhatWasWritten) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  const CheckpointMeta meta = Write(incarnation, std::nullopt, 42, pieces_, Hash(pieces_));
  const CheckpointLoad load = Load();
  ASSERT_EQ(load.outcome, Outcome::kLoaded) << load.detail;
  EXPECT_EQ(load.checkpoint.meta.incarnation, incarnation);
  EXPECT_EQ(load.checkpoint.meta.position, meta.position);
  EXPECT_EQ(load.checkpoint.meta.position->offset, 42);
  EXPECT_EQ(load.checkpoint.meta.time, meta.time);
  EXPECT_TRUE(load.checkpoint.meta.whole);
  EXPECT_THAT(load.checkpoint.pieces, SizeIs(3));
  EXPECT_EQ(Hash(load.checkpoint.pieces), Hash(pieces_));
}

TEST_F(CheckpointTest, APieceThatIsGoneIsGone) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  domain::Piece gone = pieces_[0];
  gone.bytes.reset();
  const std::vector<domain::Piece> left = {pieces_[1], pieces_[2]};
  Write(incarnation, 1, 2, {gone}, Hash(left));
  const CheckpointLoad load = Load();
  ASSERT_EQ(load.outcome, Outcome::kLoaded) << load.detail;
  EXPECT_THAT(load.checkpoint.pieces, SizeIs(2));
}

TEST_F(CheckpointTest, OfTwoWritersTheSecondChangesNothingAndLearnsTheOthersPlace) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 10, pieces_, Hash(pieces_));

  Batch batch(keys_);
  batch.Put(Piece(domain::PieceKind::kConversation, "c2", "late"));
  CheckpointMeta meta;
  meta.incarnation = incarnation;
  meta.position = bus::LogPosition{.offset = 7, .rule = {}};
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto found,
      WriteBatch(redis_, keys_, {incarnation, std::nullopt}, meta, std::move(batch)));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, (Expected{incarnation, 10}));
  EXPECT_EQ(Load().outcome, Outcome::kLoaded);
}

TEST_F(CheckpointTest, AfterAFlushTheWriterFindsNothing) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 10, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  CheckpointMeta meta;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto found,
                              WriteBatch(redis_, keys_, {incarnation, 10}, meta, Batch(keys_)));
  EXPECT_EQ(found, (Expected{"", std::nullopt}));
  WISSEL_ASSERT_OK_AND_ASSIGN(const Reply size, redis_.Run("", {"DBSIZE"}));
  EXPECT_EQ(size.integer, 0);
}

TEST_F(CheckpointTest, BeginningAnewTakesEverythingOfThePartitionAndNothingElse) {
  WISSEL_ASSERT_OK(redis_.Run("", {"SET", "wissel:{p33}:meta", "x"}));
  WISSEL_ASSERT_OK(redis_.Run("", {"SET", "other", "x"}));
  for (int i = 0; i < 3000; ++i) {
    WISSEL_ASSERT_OK(redis_.Run("", {"SET", keys_.Messages(absl::StrCat(i)), "x"}));
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string first, BeginAnew(redis_, keys_));
  WISSEL_ASSERT_OK_AND_ASSIGN(const Reply size, redis_.Run("", {"DBSIZE"}));
  EXPECT_EQ(size.integer, 3);  // the two others, and meta
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string second, BeginAnew(redis_, keys_));
  EXPECT_NE(first, second);
}

TEST_F(CheckpointTest, ACorruptPieceIsNoticed) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Pieces("agent"), "shop/anna", "b"}));
  EXPECT_EQ(Load().outcome, Outcome::kDamaged);
}

TEST_F(CheckpointTest, AMissingPieceIsNoticed) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"DEL", keys_.Pieces("agent")}));
  EXPECT_EQ(Load().outcome, Outcome::kDamaged);
}

TEST_F(CheckpointTest, AKeyOfAnotherTypeIsDamage) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"SET", keys_.Pieces("agent"), "text"}));
  EXPECT_EQ(Load().outcome, Outcome::kDamaged);
}

TEST_F(CheckpointTest, AnUnreadablePlaceIsDamage) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Meta(), "epoch", "many"}));
  EXPECT_EQ(Load().outcome, Outcome::kDamaged);
}

TEST_F(CheckpointTest, AnotherFormatIsNotRead) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Meta(), "format", "999"}));
  const CheckpointLoad load = Load();
  EXPECT_EQ(load.outcome, Outcome::kOtherFormat);
  EXPECT_THAT(load.detail, HasSubstr("999"));
}

TEST_F(CheckpointTest, ABatchThatRedisRefusesHalfwayLeavesDamageThatIsNoticed) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"SET", keys_.Open("shop/nl"), "text"}));
  Batch batch(keys_);
  batch.Put(Piece(domain::PieceKind::kConversation, "c2", "new"));
  batch.Run({"ZADD", keys_.Open("shop/nl"), "1", "c2"});
  CheckpointMeta meta;
  meta.incarnation = incarnation;
  meta.position = bus::LogPosition{.offset = 2, .rule = {}};
  EXPECT_THAT(WriteBatch(redis_, keys_, {incarnation, 1}, meta, std::move(batch)),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(Load().outcome, Outcome::kDamaged);
}

TEST_F(CheckpointTest, AServerWithoutMemoryRefusesTheWholeBatch) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Write(incarnation, std::nullopt, 1, pieces_, Hash(pieces_));
  WISSEL_ASSERT_OK(redis_.Run("", {"CONFIG", "SET", "maxmemory", "1"}));
  Batch batch(keys_);
  batch.Put(Piece(domain::PieceKind::kConversation, "c2", "new"));
  CheckpointMeta meta;
  meta.incarnation = incarnation;
  meta.position = bus::LogPosition{.offset = 2, .rule = {}};
  const auto written = WriteBatch(redis_, keys_, {incarnation, 1}, meta, std::move(batch));
  WISSEL_ASSERT_OK(redis_.Run("", {"CONFIG", "SET", "maxmemory", "0"}));
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Load().outcome, Outcome::kLoaded);
}

TEST_F(CheckpointTest, KeepsTheLatestMessagesOnly) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
  Batch batch(keys_);
  for (int i = 0; i < 10; ++i) {
    batch.AddMessage("c1", absl::StrCat("m", i), i, absl::StrCat("body", i), 3);
  }
  batch.MarkMessage("c1", "m9", "e");
  batch.MarkMessage("c1", "m1", "e");
  CheckpointMeta meta;
  meta.incarnation = incarnation;
  meta.position = bus::LogPosition{.offset = 1, .rule = {}};
  WISSEL_ASSERT_OK(WriteBatch(redis_, keys_, {incarnation, std::nullopt}, meta, std::move(batch)));
  WISSEL_ASSERT_OK_AND_ASSIGN(const Reply order,
                              redis_.Run("", {"ZRANGE", keys_.Order("c1"), "0", "-1"}));
  ASSERT_THAT(order.elements, SizeIs(3));
  EXPECT_EQ(order.elements[0].text, "m7");
  WISSEL_ASSERT_OK_AND_ASSIGN(const Reply fields, redis_.Run("", {"HLEN", keys_.Messages("c1")}));
  EXPECT_EQ(fields.integer, 4);  // three bodies and one mark
}

}  // namespace
}  // namespace wissel::views
