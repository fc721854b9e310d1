#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hash.h"
#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/channel/ack_group.h"
#include "libs/channel/blob.h"
#include "libs/channel/ids.h"
#include "libs/channel/publisher.h"
#include "libs/channel/text.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::channel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;

TEST(TextTest, MakesUtf8OfAnything) {
  EXPECT_EQ(ToUtf8("h\xC3\xA9 \xF0\x9F\x98\x80"), "h\xC3\xA9 \xF0\x9F\x98\x80");
  EXPECT_EQ(ToUtf8("caf\xE9"), "caf\xEF\xBF\xBD");
  EXPECT_EQ(ToUtf8(std::string("a\0b", 3)), "ab");
  EXPECT_EQ(ToUtf8("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD") << "overlong";
  EXPECT_EQ(ToUtf8("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD") << "surrogate";
  EXPECT_EQ(ToUtf8("\xF4\x90\x80\x80").find("\xEF\xBF\xBD"), 0u) << "above U+10FFFF";
}

TEST(TextTest, MakesFileNamesSafe) {
  EXPECT_EQ(SafeFileName("../../etc/passwd"), "passwd");
  EXPECT_EQ(SafeFileName("C:\\temp\\invoice 3.pdf"), "invoice 3.pdf");
  EXPECT_EQ(SafeFileName("..bash\nrc"), "bashrc");
  EXPECT_EQ(SafeFileName(std::string(400, 'x')).size(), kMaxFileNameBytes);
}

class BlobTest : public ::testing::Test {
 protected:
  std::unique_ptr<BlobStore> Open(int64_t max = 1000) {
    auto store = NewFolderBlobStore({.folder = dir_.Join("blobs"), .max_blob_bytes = max});
    EXPECT_THAT(store, IsOk());
    return *std::move(store);
  }

  int Files() const {
    int files = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
      files += static_cast<int>(entry.is_regular_file());
    }
    return files;
  }

  const wissel::testing::TempDir dir_;
};

TEST_F(BlobTest, KeepsBytesByTheirHash) {
  auto store = Open();
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto ref, store->Put("hello", {.content_type = "text/plain", .file_name = "a.txt"}));
  EXPECT_EQ(ref.blob_id(), Sha256Hex("hello"));
  EXPECT_EQ(ref.size_bytes(), 5);
  EXPECT_EQ(ref.content_type(), "text/plain");
  EXPECT_EQ(ref.file_name(), "a.txt");
  EXPECT_EQ(Open()->Get(ref.blob_id()).value(), "hello");
  EXPECT_THAT(store->Put("hello", {}), IsOk());
  EXPECT_EQ(Files(), 1);
}

TEST_F(BlobTest, TakesAFileOver) {
  auto store = Open();
  const std::string path = store->NewTempPath();
  std::ofstream(path) << "from a file";
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto ref, store->PutFile(path, {}));
  EXPECT_EQ(ref.blob_id(), Sha256Hex("from a file"));
  EXPECT_EQ(store->Get(ref.blob_id()).value(), "from a file");
  EXPECT_EQ(Files(), 1);
}

TEST_F(BlobTest, HasALimitAndLeavesNothingBehind) {
  auto store = Open(4);
  EXPECT_THAT(store->Put("hello", {}), StatusIs(absl::StatusCode::kOutOfRange));
  const std::string path = store->NewTempPath();
  std::ofstream(path) << "hello";
  EXPECT_THAT(store->PutFile(path, {}), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(Files(), 0);
}

TEST_F(BlobTest, RefusesWhatIsNoIdAndSaysWhatIsNotThere) {
  auto store = Open();
  EXPECT_THAT(store->Get("../../../../etc/passwd"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store->Get(std::string(64, 'A')), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(store->Get(std::string(64, 'a')), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BlobTest, RepairsABlobThatWasCutShort) {
  auto store = Open();
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto ref, store->Put("hello", {}));
  std::ofstream(store->PathOf(ref.blob_id()).value(), std::ios::trunc) << "he";
  WISSEL_ASSERT_OK(store->Put("hello", {}));
  EXPECT_EQ(store->Get(ref.blob_id()).value(), "hello");
}

TEST_F(BlobTest, WhatIsPutAgainIsYoungAgain) {
  auto store = Open();
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto ref, store->Put("a shop's logo", {}));
  const std::string path = store->PathOf(ref.blob_id()).value();
  const utimbuf long_ago{.actime = 0, .modtime = 0};
  const auto age = [&] {
    struct stat found {};
    EXPECT_EQ(stat(path.c_str(), &found), 0);
    return absl::Now() - absl::FromTimeT(found.st_mtime);
  };
  ASSERT_EQ(utime(path.c_str(), &long_ago), 0);
  WISSEL_ASSERT_OK(store->Put("a shop's logo", {}));
  EXPECT_LT(age(), absl::Hours(1));
  ASSERT_EQ(utime(path.c_str(), &long_ago), 0);
  const std::string temp = store->NewTempPath();
  std::ofstream(temp) << "a shop's logo";
  WISSEL_ASSERT_OK(store->PutFile(temp, {}));
  EXPECT_LT(age(), absl::Hours(1));
}

TEST_F(BlobTest, RemovesOldLeftovers) {
  const std::string old_file = Open()->NewTempPath();
  const std::string new_file = Open()->NewTempPath();
  std::ofstream(old_file) << "x";
  std::ofstream(new_file) << "x";
  const utimbuf long_ago{.actime = 0, .modtime = 0};
  ASSERT_EQ(utime(old_file.c_str(), &long_ago), 0);
  Open();
  EXPECT_FALSE(std::filesystem::exists(old_file));
  EXPECT_TRUE(std::filesystem::exists(new_file));
}

TEST_F(BlobTest, SaysWhyItDoesNotOpen) {
  std::ofstream(dir_.Join("file")) << "x";
  EXPECT_THAT(NewFolderBlobStore({.folder = dir_.Join("file")}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("cannot make")));
}

TEST(AckGroupTest, AnswersOnceWithTheFirstError) {
  std::vector<absl::Status> answers;
  AckGroup::Done first;
  AckGroup::Done second;
  {
    AckGroup group([&](absl::Status status) { answers.push_back(status); });
    first = group.Add();
    second = group.Add();
  }
  std::move(first)(absl::UnavailableError("bus"));
  EXPECT_THAT(answers, IsEmpty());
  std::move(second)(absl::OkStatus());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_THAT(answers[0], StatusIs(absl::StatusCode::kUnavailable));
}

TEST(AckGroupTest, AnswersForAnEmptyBatchAndForADroppedPart) {
  std::vector<absl::Status> answers;
  const auto note = [&](absl::Status status) { answers.push_back(status); };
  { AckGroup group(note); }
  { AckGroup(note).Add(); }
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_THAT(answers[0], IsOk());
  EXPECT_THAT(answers[1], StatusIs(absl::StatusCode::kInternal));
}

message::v1::InboundMessage Message() {
  message::v1::InboundMessage message;
  message.mutable_envelope()->set_workspace_id("shop");
  message.mutable_envelope()->set_routing_group_id("nl");
  message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  message.mutable_account()->set_account_id("wa-nl");
  message.set_provider_message_id("wamid.1");
  message.mutable_sender()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  message.mutable_sender()->set_address("31612345678");
  message.add_contents()->mutable_text()->set_text("waar is mijn pakje?");
  return message;
}

TEST(IdsTest, TheSameMessageHasTheSameIdsAndAnotherAccountsHasOthers) {
  message::v1::InboundMessage one = Message();
  message::v1::InboundMessage two = Message();
  two.mutable_contents(0)->mutable_text()->set_text("as told by another pod");
  message::v1::InboundMessage other = Message();
  other.mutable_account()->set_account_id("wa-be");
  for (auto* message : {&one, &two, &other}) DeriveIds(message);
  EXPECT_EQ(one.envelope().id(), two.envelope().id());
  EXPECT_EQ(one.sender().contact_id(), two.sender().contact_id());
  EXPECT_NE(one.envelope().id(), other.envelope().id());
  EXPECT_EQ(one.sender().contact_id(), other.sender().contact_id());
}

// Whoever makes an id, or looks for a group's partition, in another language goes by this file.
TEST(IdsTest, TheContractsVectorsAreOurs) {
  std::ifstream file("proto/wissel/common/v1/common.proto");
  const std::string contract((std::istreambuf_iterator<char>(file)), {});
  const auto says = [&](std::string line) {
    return ::testing::Value(contract, HasSubstr(absl::StrCat("//   ", line, "\n")));
  };
  message::v1::InboundMessage mail = Message();
  mail.mutable_envelope()->set_workspace_id("web-shop");
  mail.mutable_account()->set_account_id("support-mail");
  mail.set_provider_message_id("1@customer.example");
  common::v1::ContactPoint& recipient = *mail.add_recipients();
  recipient.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  recipient.set_address("pieter@customer.example");
  DeriveIds(&mail);
  EXPECT_TRUE(says(absl::StrCat(R"("message", "web-shop", "support-mail", "1@customer.example"  )",
                                mail.envelope().id())));
  EXPECT_TRUE(says(absl::StrCat(R"("contact", "web-shop", "email", "pieter@customer.example"  )",
                                recipient.contact_id())));
  EXPECT_TRUE(says(absl::StrCat(R"("contact", "web-shop", "whatsapp", "31612345678"  )",
                                mail.sender().contact_id())));
  for (const char* key : {"web-shop/desk", "web-shop/nl", "shop/desk"}) {
    EXPECT_TRUE(says(absl::StrCat("\"", key, "\"  ", bus::PartitionOf(key, 4), " of 4, ",
                                  bus::PartitionOf(key, 16), " of 16")))
        << key;
  }
}

TEST(IdsTest, ValidatesWhoseAnAccountIs) {
  EXPECT_THAT(
      ValidateAccount({.workspace_id = "shop", .routing_group_id = "nl", .account_id = "WA:nl"}),
      IsOk());
  for (const char* account : {"WA nl", "wa\n", "caf\xC3\xA9"}) {
    EXPECT_THAT(
        ValidateAccount({.workspace_id = "shop", .routing_group_id = "nl", .account_id = account}),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("account_id: expected visible")))
        << account;
  }
  EXPECT_THAT(
      ValidateAccount({.workspace_id = "shop", .routing_group_id = "n l", .account_id = "wa"}),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("routing_group_id")));
  EXPECT_THAT(ValidateAccount({.workspace_id = "shop", .routing_group_id = "nl", .account_id = ""}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("account_id")));
}

TEST(IdsTest, ValidatesTheContractsBounds) {
  message::v1::InboundMessage good = Message();
  DeriveIds(&good);
  EXPECT_THAT(Validate(good), IsOk());
  const auto broken = [&](auto change) {
    message::v1::InboundMessage message = good;
    change(message);
    return Validate(message);
  };
  using M = message::v1::InboundMessage;
  EXPECT_THAT(broken([](M& m) { m.clear_contents(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("contents")));
  EXPECT_THAT(broken([](M& m) { m.clear_provider_message_id(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("provider_message_id")));
  EXPECT_THAT(broken([](M& m) { m.mutable_envelope()->set_workspace_id("Shop!"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workspace_id")));
  EXPECT_THAT(broken([](M& m) { m.mutable_account()->clear_kind(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("account.kind")));
  EXPECT_THAT(
      broken([](M& m) {
        m.mutable_contents(0)->mutable_text()->set_text(std::string(kMaxTextBytes + 1, 'x'));
      }),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("text.text")));
  EXPECT_THAT(broken([](M& m) { m.add_contents()->mutable_media(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("media: expected one of")));
  EXPECT_THAT(broken([](M& m) {
                message::v1::Media& media = *m.add_contents()->mutable_media();
                media.mutable_blob();
                media.set_unavailable_reason("both");
              }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("media: expected one of")));
  EXPECT_THAT(
      broken([](M& m) {
        m.mutable_contents(0)->mutable_text()->set_html(std::string(kMaxTextBytes + 1, 'x'));
      }),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("text.html")));
  EXPECT_THAT(
      broken([](M& m) {
        m.mutable_contents(0)->mutable_text()->set_quoted(std::string(kMaxQuotedBytes + 1, 'x'));
      }),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("text.quoted")));
  const auto media = [&](size_t name, size_t caption) {
    return broken([&](M& m) {
      message::v1::Media& media = *m.add_contents()->mutable_media();
      media.mutable_blob()->set_file_name(std::string(name, 'x'));
      media.set_caption(std::string(caption, 'x'));
    });
  };
  EXPECT_THAT(media(kMaxFileNameBytes, kMaxTextBytes), IsOk());
  EXPECT_THAT(media(kMaxFileNameBytes + 1, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("media.blob.file_name")));
  EXPECT_THAT(media(0, kMaxTextBytes + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("media.caption")));
  const auto recipient = [&](size_t address, size_t name) {
    return broken([&](M& m) {
      common::v1::ContactPoint& to = *m.add_recipients();
      to.set_address(std::string(address, 'x'));
      to.set_display_name(std::string(name, 'x'));
    });
  };
  EXPECT_THAT(recipient(kMaxAddressBytes, kMaxDisplayNameBytes), IsOk());
  EXPECT_THAT(recipient(0, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("recipients.address")));
  EXPECT_THAT(recipient(kMaxAddressBytes + 1, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("recipients.address")));
  EXPECT_THAT(recipient(1, kMaxDisplayNameBytes + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("recipients.display_name")));
  EXPECT_THAT(broken([](M& m) { m.add_contents(); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no kind")));
  const std::string long_text(65, 'x');
  EXPECT_THAT(broken([&](M& m) { m.mutable_facts()->set_tier(long_text); }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("facts.tier: 65 bytes, expected at most 64")));
  EXPECT_THAT(broken([&](M& m) { m.mutable_facts()->set_order_state(long_text); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("facts.order_state")));
  EXPECT_THAT(broken([&](M& m) { m.mutable_facts()->add_tags(long_text); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("facts.tags: 65 bytes")));
  EXPECT_THAT(broken([&](M& m) { m.mutable_facts()->set_language("nederlands"); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("facts.language")));
  const auto tags = [&](int count) {
    return broken([&](M& m) {
      for (int i = 0; i < count; ++i) m.mutable_facts()->add_tags(std::string(64, 'x'));
    });
  };
  EXPECT_THAT(tags(50), IsOk());
  EXPECT_THAT(tags(51), StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("facts.tags: 51, expected at most 50")));
}

class PublisherTest : public ::testing::Test {
 protected:
  PublisherTest() {
    auto bus = bus::NewEmbeddedBus({.partitions = 4, .max_record_bytes = 64 << 10});
    EXPECT_THAT(bus, IsOk());
    bus_ = *std::move(bus);
    publisher_ = std::make_unique<Publisher>(
        bus_.get(), &clock_,
        PublisherOptions{.on_diverted = [this](const deadletter::v1::DeadLetter& letter,
                                               absl::string_view /*traceparent*/) {
          diverted_.push_back(letter.dead_letter_id());
        }});
    WISSEL_EXPECT_OK(publisher_->Connect());
  }

  template <typename Message>
  absl::Status Publish(Message message) {
    Notification done;
    absl::Status status;
    publisher_->Publish(std::move(message),
                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                        [&](absl::Status s) {
                          status = std::move(s);
                          done.Notify();
                        });
    done.Wait();
    return status;
  }

  std::vector<bus::Record> ReadAll(bus::Topic topic) {
    std::vector<bus::Record> all;
    for (int32_t i = 0; i < bus_->PartitionCount(topic).value(); ++i) {
      auto reader = bus_->OpenReader(topic, i, {}).value();
      const auto records = reader->Poll(100, absl::ZeroDuration()).value();
      for (const bus::Record& record : records) {
        EXPECT_EQ(record.partition, bus::PartitionOf(record.key, 4));
        all.push_back(record);
      }
    }
    return all;
  }

  ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  std::unique_ptr<bus::Bus> bus_;
  std::vector<std::string> diverted_;
  std::unique_ptr<Publisher> publisher_;
};

TEST_F(PublisherTest, PublishesByRoutingGroupWithHeaders) {
  WISSEL_EXPECT_OK(Publish(Message()));
  const auto records = ReadAll(bus::Topic::kInbound);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].key, "shop/nl");
  EXPECT_THAT(
      records[0].headers,
      ElementsAre(Pair("content-type",
                       "application/x-protobuf; "
                       "messageType=\"wissel.message.v1.InboundMessage\""),
                  Pair("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
  message::v1::InboundMessage read;
  ASSERT_TRUE(read.ParseFromString(records[0].value));
  EXPECT_EQ(read.envelope().id().size(), 36u);
}

TEST_F(PublisherTest, TellsTheLanguageOfWhatIsNew) {
  message::v1::InboundMessage message = Message();
  message::v1::Text& text = *message.mutable_contents(0)->mutable_text();
  text.set_text("Waar blijft mijn bestelling van vorige week?");
  text.set_quoted("Thank you for your order, it will be delivered as soon as we have it.");
  WISSEL_EXPECT_OK(Publish(message));
  text.set_text("ok");
  WISSEL_EXPECT_OK(Publish(message));
  message.set_language("fy");
  WISSEL_EXPECT_OK(Publish(message));
  std::vector<std::string> languages;
  for (const bus::Record& record : ReadAll(bus::Topic::kInbound)) {
    message::v1::InboundMessage read;
    ASSERT_TRUE(read.ParseFromString(record.value));
    languages.push_back(read.language());
  }
  EXPECT_THAT(languages, ElementsAre("nl", "", "fy"));
}

TEST_F(PublisherTest, AMessageOutOfBoundsBecomesADeadLetter) {
  message::v1::InboundMessage message = Message();
  message.clear_contents();
  WISSEL_EXPECT_OK(Publish(message));
  EXPECT_THAT(ReadAll(bus::Topic::kInbound), IsEmpty());
  const auto records = ReadAll(bus::Topic::kDeadLetter);
  ASSERT_EQ(records.size(), 1u);
  deadletter::v1::DeadLetter letter;
  ASSERT_TRUE(letter.ParseFromString(records[0].value));
  EXPECT_EQ(letter.reason(), deadletter::v1::REASON_INVALID);
  EXPECT_THAT(letter.detail(), HasSubstr("contents"));
  EXPECT_EQ(letter.origin().provider().reference(), "wamid.1");
  EXPECT_EQ(letter.dead_letter_id().size(), 36u);
  EXPECT_THAT(diverted_, ElementsAre(letter.dead_letter_id()));
  message::v1::InboundMessage raw;
  EXPECT_TRUE(raw.ParseFromString(letter.raw()));
}

TEST_F(PublisherTest, AMessageTooLargeForARecordBecomesACutDeadLetter) {
  publisher_ = std::make_unique<Publisher>(bus_.get(), &clock_,
                                           PublisherOptions{.max_dead_letter_raw_bytes = 1000});
  WISSEL_EXPECT_OK(publisher_->Connect());
  message::v1::InboundMessage message = Message();
  message.mutable_contents(0)->mutable_text()->set_text(std::string(100'000, 'x'));
  WISSEL_EXPECT_OK(Publish(message));
  const auto records = ReadAll(bus::Topic::kDeadLetter);
  ASSERT_EQ(records.size(), 1u);
  deadletter::v1::DeadLetter letter;
  ASSERT_TRUE(letter.ParseFromString(records[0].value));
  EXPECT_EQ(letter.reason(), deadletter::v1::REASON_TOO_LARGE);
  EXPECT_EQ(letter.raw().size(), 1000u);
  EXPECT_TRUE(letter.truncated());
}

// A provider would repeat what is refused for ever.
TEST_F(PublisherTest, AMessageOfAnySizeEndsSomewhere) {
  publisher_ = std::make_unique<Publisher>(bus_.get(), &clock_,
                                           PublisherOptions{.max_dead_letter_raw_bytes = 1000});
  WISSEL_ASSERT_OK(publisher_->Connect());
  message::v1::InboundMessage message = Message();
  message.set_language("nl");
  constexpr size_t kMaxRecord = 64 << 10;
  for (size_t text = kMaxRecord - 1000; text < kMaxRecord; text += 20) {
    message.mutable_contents(0)->mutable_text()->set_text(std::string(text, 'x'));
    EXPECT_THAT(Publish(message), IsOk()) << text;
  }
  EXPECT_THAT(ReadAll(bus::Topic::kInbound), Not(IsEmpty()));
  EXPECT_THAT(ReadAll(bus::Topic::kDeadLetter), Not(IsEmpty()));
}

TEST_F(PublisherTest, AReferenceOfAnyLengthIsCut) {
  publisher_ = std::make_unique<Publisher>(bus_.get(), &clock_,
                                           PublisherOptions{.max_dead_letter_raw_bytes = 1000});
  WISSEL_ASSERT_OK(publisher_->Connect());
  message::v1::InboundMessage message = Message();
  message.set_provider_message_id(std::string(300 << 10, 'x'));
  EXPECT_THAT(Publish(message), IsOk());
  message.set_provider_message_id(std::string(2 << 20, 'x'));
  EXPECT_THAT(Publish(message), IsOk());
  std::set<std::string> ids;
  for (const bus::Record& record : ReadAll(bus::Topic::kDeadLetter)) {
    deadletter::v1::DeadLetter letter;
    ASSERT_TRUE(letter.ParseFromString(record.value));
    ids.insert(letter.dead_letter_id());
    EXPECT_EQ(letter.origin().provider().reference(), std::string(998, 'x'));
    EXPECT_LT(record.key.size(), 1200u);
  }
  EXPECT_EQ(ids.size(), 2u) << "they are two, though they begin alike";
}

// An account's id, and what its provider calls a mail, are unique within a workspace only.
TEST_F(PublisherTest, TwoWorkspacesDeadLettersOfOneNameAreTwo) {
  for (const char* workspace : {"shop", "rival"}) {
    message::v1::InboundMessage message = Message();
    message.mutable_envelope()->set_workspace_id(workspace);
    message.clear_contents();
    WISSEL_EXPECT_OK(Publish(message));
  }
  std::set<std::string> ids;
  for (const bus::Record& record : ReadAll(bus::Topic::kDeadLetter)) {
    deadletter::v1::DeadLetter letter;
    ASSERT_TRUE(letter.ParseFromString(record.value));
    EXPECT_EQ(letter.origin().provider().workspace_id(), letter.workspace_id());
    EXPECT_EQ(record.key, letter.dead_letter_id());
    ids.insert(letter.dead_letter_id());
  }
  EXPECT_EQ(ids.size(), 2u);
}

TEST_F(PublisherTest, TheSameOriginIsTheSameDeadLetter) {
  deadletter::v1::DeadLetter letter;
  letter.mutable_origin()->mutable_provider()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  letter.mutable_origin()->mutable_provider()->set_reference("r1");
  WISSEL_EXPECT_OK(Publish(letter));
  WISSEL_EXPECT_OK(Publish(letter));
  const auto records = ReadAll(bus::Topic::kDeadLetter);
  ASSERT_EQ(records.size(), 2u);
  deadletter::v1::DeadLetter one;
  deadletter::v1::DeadLetter two;
  ASSERT_TRUE(one.ParseFromString(records[0].value));
  ASSERT_TRUE(two.ParseFromString(records[1].value));
  EXPECT_EQ(one.dead_letter_id(), two.dead_letter_id());
  EXPECT_EQ(records[0].key, one.dead_letter_id());
  EXPECT_EQ(records[0].partition, records[1].partition);
}

TEST_F(PublisherTest, IsUnavailableUntilConnected) {
  Publisher fresh(bus_.get(), &clock_, {});
  absl::Status status;
  fresh.Publish(Message(), "", [&](absl::Status s) { status = std::move(s); });
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(PublisherTest, RefusesWhatIsTooMuchTogetherUntilThereIsRoom) {
  publisher_ = std::make_unique<Publisher>(bus_.get(), &clock_,
                                           PublisherOptions{.max_in_flight_bytes = 10'000});
  WISSEL_ASSERT_OK(publisher_->Connect());
  Notification entered;
  Notification release;
  publisher_->Publish(Message(), "", [&](const absl::Status&) {
    entered.Notify();
    release.Wait();
  });
  entered.Wait();  // Until it returns, nothing else is answered.
  message::v1::InboundMessage large = Message();
  large.mutable_contents(0)->mutable_text()->set_text(std::string(6'000, 'x'));
  absl::Status first;
  absl::Status second;
  publisher_->Publish(large, "", [&](absl::Status s) { first = std::move(s); });
  publisher_->Publish(large, "", [&](absl::Status s) { second = std::move(s); });
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kResourceExhausted));
  release.Notify();
  WISSEL_ASSERT_OK(publisher_->Flush(absl::Seconds(20)));
  WISSEL_EXPECT_OK(first);
  WISSEL_EXPECT_OK(Publish(large));
}

}  // namespace
}  // namespace wissel::channel
