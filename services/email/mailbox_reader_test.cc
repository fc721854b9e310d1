#include "services/email/mailbox_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/timeout.h"
#include "libs/testing/temp_dir.h"
#include "services/email/scripted_server.h"

namespace wissel::email {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr int kAlways = 1'000'000;

// An IMAP server with what real ones do seldom: no keywords, marks refused, a message that breaks
// it.
struct FakeMailbox {
  std::map<uint32_t, std::string> mails;
  uint32_t uid_validity = 17;
  bool offers_keywords = true;
  bool offers_ours = false;          // $WisselDone among the flags that it keeps, but no others
  int refuses_store = 0;             // so often
  bool backwards = false;            // FETCH answers the newest first
  std::set<uint32_t> garbled;        // the answer to FETCH is nonsense
  std::map<uint32_t, int> left_out;  // so often FETCH says OK and nothing of the mail
  std::set<uint32_t> vanishing;      // somebody removes it between its size and its body
  std::set<uint32_t> done;           // has $WisselDone
  int polls = 0;
};

std::set<uint32_t> ParseSet(absl::string_view text) {
  std::set<uint32_t> uids;
  for (const absl::string_view range : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> bounds = absl::StrSplit(range, ':');
    uint32_t first = 0;
    uint32_t last = 0;
    EXPECT_TRUE(absl::SimpleAtoi(bounds.front(), &first)) << text;
    EXPECT_TRUE(absl::SimpleAtoi(bounds.back(), &last)) << text;
    for (uint32_t uid = first; uid <= last; ++uid) uids.insert(uid);
  }
  return uids;
}

class MailboxReaderTest : public ::testing::Test, public MailTaker {
 protected:
  void ServeImap(ScriptedPeer& peer) {
    peer.WriteLine("* OK test");
    {
      MutexLock lock(mutex_);
      ++connections_;
    }
    const absl::Cleanup gone = [this] {
      MutexLock lock(mutex_);
      ++disconnects_;
      changed_.NotifyAll();
    };
    while (const auto line = peer.ReadLine()) {
      const std::vector<std::string> words = absl::StrSplit(*line, ' ');
      if (words.size() < 2) return;
      const std::string ok = words[0] + " OK done";
      MutexLock lock(mutex_);
      if (words[1] == "CAPABILITY") {
        peer.WriteLine("* CAPABILITY IMAP4rev1");
      } else if (words[1] == "SELECT") {
        peer.WriteLine(absl::StrCat("* ", box_.mails.size(), " EXISTS"));
        peer.WriteLine("* FLAGS (\\Seen)");
        peer.WriteLine(absl::StrCat("* OK [PERMANENTFLAGS (\\Seen",
                                    box_.offers_keywords ? " \\*" : "",
                                    box_.offers_ours ? " $WisselDone" : "", ")] ok"));
        peer.WriteLine(absl::StrCat("* OK [UIDVALIDITY ", box_.uid_validity, "] ok"));
      } else if (words[1] == "NOOP") {
        ++box_.polls;
        changed_.NotifyAll();
      } else if (absl::StrContains(*line, "UID SEARCH")) {
        std::string found = "* SEARCH";
        const bool unmarked = absl::StrContains(*line, "UNKEYWORD $WisselDone");
        for (const auto& [uid, mail] : box_.mails) {
          if (!unmarked || !box_.done.contains(uid)) absl::StrAppend(&found, " ", uid);
        }
        peer.WriteLine(found);
      } else if (absl::StrContains(*line, "UID FETCH")) {
        int number = 0;
        const std::set<uint32_t> set = ParseSet(words[3]);
        std::vector<uint32_t> uids(set.begin(), set.end());
        if (box_.backwards) std::reverse(uids.begin(), uids.end());
        for (const uint32_t uid : uids) {
          ++number;
          if (!box_.mails.contains(uid)) continue;
          const std::string& mail = box_.mails[uid];
          if (absl::StrContains(*line, "RFC822.SIZE")) {
            peer.WriteLine(
                absl::StrCat("* ", number, " FETCH (UID ", uid, " RFC822.SIZE ", mail.size(), ")"));
            continue;
          }
          if (box_.garbled.contains(uid)) {
            peer.WriteLine("* 1 FETCH (((");
            continue;
          }
          if (box_.left_out[uid] > 0) {
            --box_.left_out[uid];
            continue;
          }
          if (box_.vanishing.contains(uid)) {
            box_.mails.erase(uid);
            continue;
          }
          const bool header = absl::StrContains(*line, "HEADER");
          const std::string body = header ? mail.substr(0, mail.find("\n\n") + 2) : mail;
          peer.WriteLine(absl::StrCat("* ", number, " FETCH (UID ", uid,
                                      " INTERNALDATE \" 3-Nov-2025 10:11:12 +0130\" BODY[",
                                      header ? "HEADER" : "", "] {", body.size(), "}\r\n", body,
                                      ")"));
        }
      } else if (absl::StrContains(*line, "UID STORE")) {
        if (box_.refuses_store > 0) {
          --box_.refuses_store;
          peer.WriteLine(words[0] + " NO read-only");
          continue;
        }
        EXPECT_TRUE(absl::StrContains(*line, "+FLAGS.SILENT ($WisselDone)")) << *line;
        for (const uint32_t uid : ParseSet(words[3])) box_.done.insert(uid);
        changed_.NotifyAll();
      }
      peer.WriteLine(ok);
    }
  }

  absl::Status Take(absl::Span<const FoundMail> mails) override {
    MutexLock lock(mutex_);
    holding_ = holds_;
    changed_.NotifyAll();
    while (holds_) changed_.Wait(mutex_);
    if (refusals_ > 0) {
      --refusals_;
      return absl::UnavailableError("the bus is away");
    }
    if (mails.size() > most_at_once_) return absl::ResourceExhaustedError("too much in flight");
    for (const FoundMail& mail : mails) {
      taken_.push_back(absl::StrCat(mail.reference.substr(mail.reference.rfind('=') + 1), ":",
                                    mail.kind == FoundMail::Kind::kWhole ? mail.bytes
                                    : mail.kind == FoundMail::Kind::kTooLarge
                                        ? "(" + mail.bytes + ")"
                                        : "unreadable"));
      last_ = mail;
    }
    changed_.NotifyAll();
    return absl::OkStatus();
  }

  std::unique_ptr<MailboxReader> StartReader() {
    MailboxReaderOptions options{
        .account_id = "support",
        .login = {.host = "127.0.0.1",
                  .port = server_.port(),
                  .security = Security::kNone,
                  .ca_file = "",
                  .user = "support",
                  .password = "secret",
                  .timeout = absl::Seconds(2)},
        .state_file = folder_.Join("support.done"),
        .since = std::nullopt,
        .max_mail_bytes = 100,
        .poll_interval = absl::Milliseconds(5),
        .unreadable_after = unreadable_after_,
        .backoff = {.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5)}};
    return MailboxReader::Start(options, this, telemetry::Logger(), IngestMetrics());
  }

  // Waits until so many were taken, then for two more looks into the mailbox, in which nothing
  // came.
  std::vector<std::string> Taken(size_t count) {
    MutexLock lock(mutex_);
    const Timeout timeout(absl::Seconds(10));
    while (taken_.size() < count && !timeout.Expired()) {
      changed_.WaitFor(mutex_, timeout.Remaining());
    }
    const int polls = box_.polls + 2;
    while (box_.polls < polls && !timeout.Expired()) {
      changed_.WaitFor(mutex_, timeout.Remaining());
    }
    EXPECT_GE(box_.polls, polls);
    return taken_;
  }

  template <class Change>
  void WithBox(Change change) {
    MutexLock lock(mutex_);
    change(box_);
  }

  Mutex mutex_;
  CondVar changed_;
  FakeMailbox box_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> taken_ ABSL_GUARDED_BY(mutex_);
  FoundMail last_ ABSL_GUARDED_BY(mutex_);
  int connections_ ABSL_GUARDED_BY(mutex_) = 0;
  int disconnects_ ABSL_GUARDED_BY(mutex_) = 0;
  bool holds_ ABSL_GUARDED_BY(mutex_) = false;  // Take waits for it to be false
  bool holding_ ABSL_GUARDED_BY(mutex_) = false;
  int refusals_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t most_at_once_ ABSL_GUARDED_BY(mutex_) = 1000;
  absl::Duration unreadable_after_ = absl::ZeroDuration();
  const wissel::testing::TempDir folder_;
  ScriptedServer server_{[this](ScriptedPeer& peer) { ServeImap(peer); }};
};

TEST_F(MailboxReaderTest, BringsWhatHasNoMarkAndMarksIt) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {5, "five"}};
    box.done = {2};
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:one", "5:five"));
  EXPECT_TRUE(reader->health().ok());
  WithBox([](FakeMailbox& box) {
    EXPECT_THAT(box.done, ElementsAre(1, 2, 5));
    box.mails[6] = "six";
  });
  EXPECT_THAT(Taken(3), ElementsAre("1:one", "5:five", "6:six"));
  MutexLock lock(mutex_);
  EXPECT_EQ(last_.received, absl::FromUnixSeconds(1'762'159'272));
  EXPECT_EQ(last_.reference, "INBOX;uidvalidity=17;uid=6");
}

TEST_F(MailboxReaderTest, DoesNotMarkWhatWasNotTaken) {
  WithBox([this](FakeMailbox& box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    box.mails = {{1, "one"}};
    refusals_ = 3;
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(1), ElementsAre("1:one"));
}

// The same batch would be too much for ever.
TEST_F(MailboxReaderTest, BringsOneByOneWhatIsTooMuchTogether) {
  WithBox([this](FakeMailbox& box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    most_at_once_ = 1;
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(3), ElementsAre("1:one", "2:two", "3:three"));
}

TEST_F(MailboxReaderTest, KeepsItsMarksInAFileWhereTheServerKeepsNone) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}};
    box.offers_keywords = false;
  });
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(2), ElementsAre("1:one", "2:two"));
  }
  WithBox([](FakeMailbox& box) { box.mails[3] = "three"; });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(3), ElementsAre("1:one", "2:two", "3:three"));
}

TEST_F(MailboxReaderTest, KeepsItsMarksInAFileWhereTheServerRefusesThem) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}};
    box.refuses_store = kAlways;
  });
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(2), ElementsAre("1:one", "2:two"));
  }
  WithBox([](FakeMailbox& box) { box.offers_keywords = false; });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:one", "2:two"));
}

TEST_F(MailboxReaderTest, SetsAMarkAgainThatWasRefusedOnce) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.done = {1, 2};
    box.refuses_store = 1;
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(1), ElementsAre("3:three"));
  WithBox([](FakeMailbox& box) { EXPECT_THAT(box.done, ElementsAre(1, 2, 3)); });
}

TEST_F(MailboxReaderTest, BringsNothingMarkedAgainWhereMarksAreRefusedFromSomeDayOn) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.done = {1, 2};
    box.refuses_store = kAlways;
  });
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(1), ElementsAre("3:three"));
    WithBox([](FakeMailbox& box) { box.mails[4] = "four"; });
    EXPECT_THAT(Taken(2), ElementsAre("3:three", "4:four"));
  }
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(2), ElementsAre("3:three", "4:four"));
  }
  // The keyword is set for those that have their mark in the file only, as soon as it can be.
  WithBox([](FakeMailbox& box) { box.refuses_store = 0; });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("3:three", "4:four"));
  WithBox([](FakeMailbox& box) { EXPECT_THAT(box.done, ElementsAre(1, 2, 3, 4)); });
}

TEST_F(MailboxReaderTest, UsesTheKeywordWhereTheServerListsNoOther) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}};
    box.offers_keywords = false;
    box.offers_ours = true;
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(1), ElementsAre("1:one"));
  WithBox([](FakeMailbox& box) { EXPECT_THAT(box.done, ElementsAre(1)); });
}

TEST_F(MailboxReaderTest, ReadsAgainAfterANewUidValidity) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}};
    box.offers_keywords = false;
  });
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(1), ElementsAre("1:one"));
  }
  WithBox([](FakeMailbox& box) {
    box.uid_validity = 18;
    box.mails = {{1, "another"}};
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:one", "1:another"));
}

// Dovecot makes something else of NUL bytes. RFC 3501 forbids them in literals, which not every
// server knows.
TEST_F(MailboxReaderTest, BringsNulBytesAsTheyAre) {
  const std::string mail("before\0behind\0", 14);
  WithBox([&](FakeMailbox& box) { box.mails = {{1, mail}, {2, "two"}}; });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:" + mail, "2:two"));
}

// The disk with the file of marks is full: mails come all the same, and once more after a restart.
TEST_F(MailboxReaderTest, BringsMailsWhileItsMarksHaveNoRoomAndMarksThemLater) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}};
    box.offers_keywords = false;
  });
  const std::string marks = folder_.Join("support.done");
  const std::string fresh = marks + ".new";
  ASSERT_EQ(symlink("/dev/full", fresh.c_str()), 0);
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(1), ElementsAre("1:one"));
    WithBox([](FakeMailbox& box) { box.mails[2] = "two"; });
    EXPECT_THAT(Taken(2), ElementsAre("1:one", "2:two"));
  }
  EXPECT_FALSE(std::filesystem::exists(marks));
  {
    const auto reader = StartReader();
    EXPECT_THAT(Taken(4), ElementsAre("1:one", "2:two", "1:one", "2:two"));
    ASSERT_EQ(unlink(fresh.c_str()), 0);
    WithBox([](FakeMailbox& box) { box.mails[3] = "three"; });
    EXPECT_THAT(Taken(5), SizeIs(5));
  }
  EXPECT_TRUE(std::filesystem::exists(marks));
  const auto reader = StartReader();
  EXPECT_THAT(Taken(5), ElementsAre("1:one", "2:two", "1:one", "2:two", "3:three"));
}

TEST_F(MailboxReaderTest, TakesTheHeaderOfWhatIsTooLarge) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "Subject: film\n\n" + std::string(200, 'x')}, {2, "two"}};
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("2:two", "1:(Subject: film\n\n)"));
}

TEST_F(MailboxReaderTest, GivesUpAMessageThatTheServerCannotHandOut) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.garbled = {2};
  });
  const auto reader = StartReader();
  // Between the others, or behind them.
  EXPECT_THAT(Taken(3), UnorderedElementsAre("1:one", "2:unreadable", "3:three"));
  WithBox([](FakeMailbox& box) { EXPECT_THAT(box.done, ElementsAre(1, 2, 3)); });
}

TEST_F(MailboxReaderTest, DoesNotMarkWhatTheServerLeftOut) {
  WithBox([](FakeMailbox& box) {
    box.mails = {
        {1, "one"}, {2, "two"}, {3, "three"}, {4, "Subject: film\n\n" + std::string(200, 'x')}};
    box.left_out = {{2, 1}, {4, 1}};
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(4), ElementsAre("1:one", "2:two", "3:three", "4:(Subject: film\n\n)"));
}

TEST_F(MailboxReaderTest, ReadsAnswersInAnyOrder) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.backwards = true;
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(3), UnorderedElementsAre("1:one", "2:two", "3:three"));
  MutexLock lock(mutex_);
  EXPECT_EQ(connections_, 1);
}

TEST_F(MailboxReaderTest, GivesUpAMessageThatTheServerAlwaysLeavesOut) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.left_out = {{2, 1000}};
  });
  const auto reader = StartReader();
  // Between the others, or behind them.
  EXPECT_THAT(Taken(3), UnorderedElementsAre("1:one", "2:unreadable", "3:three"));
}

TEST_F(MailboxReaderTest, DoesNotMindAMessageThatIsRemovedMeanwhile) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.vanishing = {2};
  });
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:one", "3:three"));
}

TEST_F(MailboxReaderTest, ReadsPastAMessageThatItHasNotGivenUpYet) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}, {2, "two"}, {3, "three"}};
    box.garbled = {2};
  });
  unreadable_after_ = absl::Hours(1);
  const auto reader = StartReader();
  EXPECT_THAT(Taken(2), ElementsAre("1:one", "3:three"));
  WithBox([](FakeMailbox& box) {
    EXPECT_THAT(box.done, ElementsAre(1, 3));
    box.garbled.clear();
  });
  EXPECT_THAT(Taken(3), ElementsAre("1:one", "3:three", "2:two"));
}

TEST_F(MailboxReaderTest, DoesNotGiveUpAMessageForAFaultThatPasses) {
  WithBox([](FakeMailbox& box) {
    box.mails = {{1, "one"}};
    box.left_out = {{1, 5}};
  });
  unreadable_after_ = absl::Hours(1);
  const auto reader = StartReader();
  EXPECT_THAT(Taken(1), ElementsAre("1:one"));
}

TEST_F(MailboxReaderTest, StopsWhenAskedWithTheBatchInHand) {
  WithBox([this](FakeMailbox& box) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    box.mails = {{1, "one"}};
    holds_ = true;
  });
  const auto reader = StartReader();
  MutexLock lock(mutex_);
  const Timeout timeout(absl::Seconds(10));
  while (!holding_ && !timeout.Expired()) changed_.WaitFor(mutex_, timeout.Remaining());
  reader->RequestStop();
  holds_ = false;
  changed_.NotifyAll();
  while (disconnects_ == 0 && !timeout.Expired()) changed_.WaitFor(mutex_, timeout.Remaining());
  EXPECT_EQ(disconnects_, 1);
  EXPECT_THAT(box_.done, ElementsAre(1));
}

TEST_F(MailboxReaderTest, StopsAtOnceWhereverItIs) {
  { const auto reader = StartReader(); }
  const auto reader = StartReader();
  EXPECT_THAT(Taken(0), IsEmpty());
}

}  // namespace
}  // namespace wissel::email
