#include "services/whatsapp/normalise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/channel/ids.h"

namespace wissel::whatsapp {
namespace {

using message::v1::Content;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

const AccountRef kNl{.workspace_id = "shop", .routing_group_id = "nl", .account_id = "wa-nl"};
const AccountRef kBe{.workspace_id = "shop", .routing_group_id = "be", .account_id = "wa-be"};

const AccountRef* Lookup(absl::string_view number) {
  if (number == "1060001") return &kNl;
  if (number == "1060002") return &kBe;
  return nullptr;
}

std::string ReadFile(const std::string& name) {
  std::stringstream text;
  text << std::ifstream("services/whatsapp/testdata/corpus/" + name + ".json").rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

Normalised FromFile(const std::string& name) { return Normalise(ReadFile(name), Lookup); }

// The one message of a file, which the contract must take.
NormalisedMessage TheMessage(const std::string& name) {
  Normalised out = FromFile(name);
  EXPECT_THAT(out.messages, SizeIs(1)) << name;
  EXPECT_THAT(out.dead_letters, IsEmpty()) << name;
  if (out.messages.size() != 1) return {};
  message::v1::InboundMessage checked = out.messages[0].message;
  channel::DeriveIds(&checked);
  EXPECT_TRUE(channel::Validate(checked).ok()) << channel::Validate(checked);
  return std::move(out.messages[0]);
}

TEST(NormaliseTest, Text) {
  const message::v1::InboundMessage message = TheMessage("text").message;
  EXPECT_EQ(message.envelope().workspace_id(), "shop");
  EXPECT_EQ(message.envelope().routing_group_id(), "nl");
  EXPECT_EQ(message.account().kind(), common::v1::CHANNEL_KIND_WHATSAPP);
  EXPECT_EQ(message.account().account_id(), "wa-nl");
  EXPECT_EQ(message.provider_message_id(), "wamid.TEST001");
  EXPECT_EQ(message.sender().address(), "31612345678");
  EXPECT_EQ(message.sender().display_name(), "Saskia de Boer");
  EXPECT_EQ(FromProto(message.sent_time()), absl::FromUnixSeconds(1763900000));
  ASSERT_EQ(message.contents_size(), 1);
  EXPECT_EQ(message.contents(0).text().text(),
            "Waar blijft mijn bestelling 10023? \xF0\x9F\x98\x80");
}

TEST(NormaliseTest, ReplyKeepsWhatItAnswers) {
  EXPECT_EQ(TheMessage("reply").message.thread().in_reply_to_provider_message_id(), "wamid.OURS1");
}

TEST(NormaliseTest, Media) {
  const std::vector<std::pair<std::string, message::v1::Media::Kind>> kinds = {
      {"image", message::v1::Media::KIND_IMAGE},
      {"audio", message::v1::Media::KIND_AUDIO},
      {"video", message::v1::Media::KIND_VIDEO},
      {"document", message::v1::Media::KIND_DOCUMENT},
      {"sticker", message::v1::Media::KIND_STICKER}};
  for (const auto& [name, kind] : kinds) {
    const NormalisedMessage normalised = TheMessage(name);
    ASSERT_THAT(normalised.media, SizeIs(1)) << name;
    EXPECT_EQ(normalised.message.contents(0).media().kind(), kind) << name;
    EXPECT_EQ(normalised.message.contents(0).media().provider_media_id(),
              normalised.media[0].media_id);
  }
  EXPECT_EQ(TheMessage("image").message.contents(0).media().caption(), "kapot");
  EXPECT_EQ(TheMessage("image").media[0].content_type, "image/jpeg");
  EXPECT_EQ(TheMessage("document").media[0].file_name, "factuur 7.pdf");
}

TEST(NormaliseTest, OtherKindsThatHaveAForm) {
  const auto location = TheMessage("location").message.contents(0).location();
  EXPECT_DOUBLE_EQ(location.latitude_degrees(), 52.3702);
  EXPECT_DOUBLE_EQ(location.longitude_degrees(), 4.8952);
  EXPECT_EQ(location.address(), "Dam 1");

  const auto button = TheMessage("button_reply").message.contents(0).interactive_reply();
  EXPECT_EQ(button.choice_id(), "yes-1");
  EXPECT_EQ(button.title(), "Ja");
  EXPECT_EQ(TheMessage("list_reply").message.contents(0).interactive_reply().description(),
            "Binnen 30 dagen");
  EXPECT_EQ(TheMessage("button").message.contents(0).interactive_reply().choice_id(), "STOP_1");

  const auto reaction = TheMessage("reaction").message.contents(0).reaction();
  EXPECT_EQ(reaction.to_provider_message_id(), "wamid.OURS1");
  EXPECT_EQ(reaction.emoji(), "\xF0\x9F\x91\x8D");
  EXPECT_EQ(TheMessage("reaction_removed").message.contents(0).reaction().emoji(), "");
}

TEST(NormaliseTest, ContactCardsWithWhatHasNoFieldBeside) {
  const message::v1::InboundMessage message = TheMessage("contacts").message;
  ASSERT_EQ(message.contents_size(), 2);
  const auto& card = message.contents(0).contact_card();
  EXPECT_EQ(card.formatted_name(), "Jan Smit");
  EXPECT_THAT(card.phone_numbers(), ElementsAre("+31 6 1111"));
  EXPECT_THAT(card.email_addresses(), ElementsAre("jan@example.com"));
  EXPECT_EQ(card.organisation(), "Smit BV");
  EXPECT_THAT(message.contents(1).unsupported().raw(), HasSubstr("1980-01-01"));
}

TEST(NormaliseTest, TypesWithoutAFormLoseNothing) {
  for (const auto& [name, type, part] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"order", "order", "lamp-3"},
           {"system", "system", "31687654321"},
           {"unsupported", "unsupported", "131051"},
           {"flow_reply", "interactive", "response_json"}}) {
    const message::v1::InboundMessage message = TheMessage(name).message;
    ASSERT_EQ(message.contents_size(), 1) << name;
    EXPECT_EQ(message.contents(0).unsupported().provider_type(), type);
    EXPECT_EQ(message.contents(0).unsupported().content_type(), "application/json");
    EXPECT_THAT(message.contents(0).unsupported().raw(), HasSubstr(part));
    EXPECT_THAT(message.contents(0).unsupported().raw(), HasSubstr("wamid.TEST001"));
  }
}

TEST(NormaliseTest, WhatComesAlongIsKept) {
  const message::v1::InboundMessage ad = TheMessage("referral").message;
  ASSERT_EQ(ad.contents_size(), 2);
  EXPECT_EQ(ad.contents(0).text().text(), "Is deze er nog?");
  EXPECT_EQ(ad.contents(1).unsupported().provider_type(), "referral");
  EXPECT_THAT(ad.contents(1).unsupported().raw(), HasSubstr("Fietslamp"));
  const message::v1::InboundMessage product = TheMessage("product").message;
  ASSERT_EQ(product.contents_size(), 2);
  EXPECT_THAT(product.contents(1).unsupported().raw(), HasSubstr("lamp-3"));
}

TEST(NormaliseTest, RawTooLongForTheLogGoesBeside) {
  const std::string long_text(100'000, 'x');
  const Normalised out = Normalise(
      absl::StrCat(
          R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",)",
          R"("value":{"metadata":{"phone_number_id":"1060001"},"messages":[)",
          R"({"id":"a","from":"1","type":"new","new":{"x":")", long_text, R"("}}]}}]}]})"),
      Lookup);
  ASSERT_THAT(out.messages, SizeIs(1));
  EXPECT_EQ(out.messages[0].message.contents(0).unsupported().raw(), "");
  EXPECT_THAT(out.messages[0].raw, HasSubstr(long_text));
}

TEST(NormaliseTest, Statuses) {
  const Normalised out = FromFile("statuses");
  ASSERT_THAT(out.receipts, SizeIs(4));
  const auto& sent = out.receipts[0].provider_status();
  EXPECT_EQ(sent.state(), receipt::v1::DELIVERY_STATE_SENT);
  EXPECT_EQ(sent.outbound_id(), "0c6f0a52-1111-5222-8333-444455556666");
  EXPECT_EQ(sent.provider_message_id(), "wamid.OURS1");
  EXPECT_EQ(out.receipts[0].envelope().routing_group_id(), "nl");
  EXPECT_EQ(out.receipts[1].provider_status().state(), receipt::v1::DELIVERY_STATE_DELIVERED);
  EXPECT_EQ(out.receipts[2].provider_status().state(), receipt::v1::DELIVERY_STATE_READ);
  const auto& failed = out.receipts[3].provider_status();
  EXPECT_EQ(failed.state(), receipt::v1::DELIVERY_STATE_FAILED);
  EXPECT_EQ(failed.error().provider_code(), "131047");
  EXPECT_EQ(failed.error().detail(), "More than 24 hours have passed");
  // Different reports have different ids, the same report the same.
  EXPECT_NE(out.receipts[0].envelope().id(), out.receipts[1].envelope().id());
  EXPECT_EQ(out.receipts[0].envelope().id(), FromFile("statuses").receipts[0].envelope().id());
  // One of an unknown kind is not lost.
  ASSERT_THAT(out.dead_letters, SizeIs(1));
  EXPECT_THAT(out.dead_letters[0].detail(), HasSubstr("warning"));
}

TEST(NormaliseTest, AStatusWithAnIdOutOfBoundsIsADeadLetter) {
  const auto status = [](size_t id_bytes) {
    return Normalise(
        absl::StrCat(
            R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",)",
            R"("value":{"metadata":{"phone_number_id":"1060001"},"statuses":[{"id":")",
            std::string(id_bytes, 'x'), R"(","status":"sent"}]}}]}]})"),
        Lookup);
  };
  EXPECT_THAT(status(998).receipts, SizeIs(1));
  for (const size_t bytes : {size_t{999}, size_t{300} << 10, size_t{2} << 20}) {
    const Normalised out = status(bytes);
    EXPECT_THAT(out.receipts, IsEmpty());
    ASSERT_THAT(out.dead_letters, SizeIs(1));
    EXPECT_THAT(out.dead_letters[0].detail(), HasSubstr("id"));
  }
}

TEST(NormaliseTest, ABatchIsTakenApartOneByOne) {
  const Normalised out = FromFile("batch");
  ASSERT_THAT(out.messages, SizeIs(3));
  EXPECT_EQ(out.messages[0].message.contents(0).text().text(), "een");
  EXPECT_EQ(out.messages[1].message.contents(0).text().text(), "twee");
  EXPECT_EQ(out.messages[2].message.account().account_id(), "wa-be");
  EXPECT_THAT(out.receipts, SizeIs(1));
  ASSERT_THAT(out.dead_letters, SizeIs(1));
  EXPECT_EQ(out.dead_letters[0].reason(), deadletter::v1::REASON_UNKNOWN_ACCOUNT);
  EXPECT_THAT(out.dead_letters[0].raw(), HasSubstr("verdwaald"));
  EXPECT_THAT(out.dead_letters[0].detail(), HasSubstr("\"999\""));
}

TEST(NormaliseTest, WhatIsNotUnderstoodIsADeadLetterWithItsBytes) {
  const std::vector<std::pair<std::string, deadletter::v1::Reason>> files = {
      {"not_json", deadletter::v1::REASON_UNPARSABLE},
      {"truncated", deadletter::v1::REASON_UNPARSABLE},
      {"deep", deadletter::v1::REASON_UNPARSABLE},
      {"surrogate", deadletter::v1::REASON_UNPARSABLE},
      {"array", deadletter::v1::REASON_INVALID},
      {"other_object", deadletter::v1::REASON_INVALID},
      {"other_field", deadletter::v1::REASON_INVALID},
      {"account_error", deadletter::v1::REASON_INVALID},
      {"no_from", deadletter::v1::REASON_INVALID}};
  for (const auto& [name, reason] : files) {
    const Normalised out = FromFile(name);
    EXPECT_THAT(out.messages, IsEmpty()) << name;
    ASSERT_THAT(out.dead_letters, SizeIs(1)) << name;
    EXPECT_EQ(out.dead_letters[0].reason(), reason) << name;
    EXPECT_FALSE(out.dead_letters[0].raw().empty()) << name;
    EXPECT_FALSE(out.dead_letters[0].detail().empty()) << name;
  }
  EXPECT_EQ(FromFile("not_json").dead_letters[0].raw(), ReadFile("not_json"));
}

TEST(NormaliseTest, ADeadLettersBytesAreAWebhookThatIsTakenOnceItsAccountIsKnown) {
  const Normalised stray = FromFile("batch");
  ASSERT_THAT(stray.dead_letters, SizeIs(1));
  const Normalised again = Normalise(stray.dead_letters[0].raw(), [](absl::string_view number) {
    return number == "999" ? &kBe : nullptr;
  });
  EXPECT_THAT(again.dead_letters, IsEmpty());
  ASSERT_THAT(again.messages, SizeIs(1));
  EXPECT_EQ(again.messages[0].message.account().account_id(), "wa-be");
  EXPECT_THAT(again.messages[0].message.contents(0).text().text(), HasSubstr("verdwaald"));
}

TEST(NormaliseTest, ADeadLetterHandedInUnchangedIsTheSameDeadLetter) {
  int letters = 0;
  for (const auto& file :
       std::filesystem::directory_iterator("services/whatsapp/testdata/corpus")) {
    if (file.file_size() == 0) continue;
    const std::string name = file.path().stem();
    for (const deadletter::v1::DeadLetter& letter : FromFile(name).dead_letters) {
      ++letters;
      const Normalised again = Normalise(letter.raw(), Lookup);
      EXPECT_THAT(again.messages, IsEmpty()) << name;
      EXPECT_THAT(again.receipts, IsEmpty()) << name;
      ASSERT_THAT(again.dead_letters, SizeIs(1)) << name << ": " << letter.raw();
      EXPECT_EQ(again.dead_letters[0].SerializeAsString(), letter.SerializeAsString()) << name;
    }
  }
  EXPECT_GT(letters, 10);
}

// A webhook of one change whose `member` holds `count` items that nobody understands, with contacts
// and other members of the entry beside them.
std::string Stuffed(const std::string& member, int count, size_t contacts, size_t beside) {
  std::string items = "0";
  for (int i = 1; i < count; ++i) absl::StrAppend(&items, ",", i);
  return absl::StrCat(
      R"({"object":"whatsapp_business_account","entry":[{"id":"1","beside":")",
      std::string(beside, 'x'),
      R"(","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1060001"},)",
      R"("contacts":[{"wa_id":"1","profile":{"name":")", std::string(contacts, 'x'), R"("}}],")",
      member, R"(":[)", items, "]}}]}]}");
}

TEST(NormaliseTest, DeadLettersAreNoMoreThanAFewTimesTheirWebhook) {
  for (const std::string& body :
       {Stuffed("statuses", 1'000, 1'500'000, 0), Stuffed("errors", 50, 0, 1'500'000),
        Stuffed("messages", 50, 1'500'000, 0), Stuffed("statuses", 100'000, 0, 0)}) {
    const Normalised out = Normalise(body, Lookup);
    size_t bytes = 0;
    for (const deadletter::v1::DeadLetter& letter : out.dead_letters) bytes += letter.raw().size();
    EXPECT_LE(bytes, MaxDeadLetterBytes(body.size()));
    EXPECT_LE(out.dead_letters.size(), kMaxDeadLetters);
    // Past the bounds the webhook is one, and nothing of it is missing.
    if (out.dead_letters.size() == 1) {
      EXPECT_EQ(out.dead_letters[0].raw(), body);
      EXPECT_EQ(Normalise(body, Lookup).dead_letters[0].SerializeAsString(),
                out.dead_letters[0].SerializeAsString());
    }
  }
}

TEST(NormaliseTest, ManyDeadLettersDoNotHideTheMessagesBesideThem) {
  std::string body = Stuffed("statuses", 1'000, 10, 10);
  body.insert(body.find(R"("statuses")"),
              R"("messages":[{"id":"a","from":"1","type":"text","text":{"body":"x"}}],)");
  const Normalised out = Normalise(body, Lookup);
  ASSERT_THAT(out.messages, SizeIs(1));
  ASSERT_THAT(out.dead_letters, SizeIs(1));
  EXPECT_EQ(out.dead_letters[0].raw(), body);
}

TEST(NormaliseTest, ADeadLetterHoldsTheContactsOfItsMessageOnly) {
  const Normalised out = Normalise(
      R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{)"
      R"("metadata":{"phone_number_id":"1060001"},)"
      R"("contacts":[{"wa_id":"1","profile":{"name":"Saskia"}},)"
      R"({"wa_id":"2","profile":{"name":"Joost"}}],)"
      R"("messages":[{"from":"2"},{"type":"text"}],"statuses":[{"id":"s"}],"errors":[{}]}}]}]})",
      Lookup);
  ASSERT_THAT(out.dead_letters, SizeIs(4));
  EXPECT_THAT(out.dead_letters[0].raw(), AllOf(HasSubstr("Joost"), Not(HasSubstr("Saskia"))));
  // Whose it is, nobody knows.
  EXPECT_THAT(out.dead_letters[1].raw(), AllOf(HasSubstr("Joost"), HasSubstr("Saskia")));
  EXPECT_THAT(out.dead_letters[2].raw(), Not(HasSubstr("contacts")));
  EXPECT_THAT(out.dead_letters[3].raw(), Not(HasSubstr("contacts")));
}

TEST(NormaliseTest, WrongTypesDoNotHideTheirNeighbours) {
  const Normalised out = FromFile("wrong_types");
  // Two that have an id and a sender, but not what their type promises: kept as they are.
  ASSERT_THAT(out.messages, SizeIs(2));
  EXPECT_EQ(out.messages[0].message.contents(0).unsupported().provider_type(), "text");
  EXPECT_EQ(out.messages[1].message.contents(0).unsupported().provider_type(), "image");
  EXPECT_THAT(out.dead_letters, SizeIs(4));
}

TEST(NormaliseTest, NulAndFarTimesAreTamed) {
  const message::v1::InboundMessage message = TheMessage("nul").message;
  EXPECT_EQ(message.contents(0).text().text(), "ab");
  EXPECT_EQ(FromProto(message.sent_time()), absl::FromUnixSeconds(253402300799));
}

TEST(NormaliseTest, TheOrderOfKeysDoesNotMatter) {
  const Normalised one = Normalise(
      R"({"entry":[{"changes":[{"field":"messages","value":{"messages":[{"text":{"body":"x"},)"
      R"("type":"text","timestamp":1763900000,"from":"1","id":"a"}],"metadata":{"phone_number_id":"1060001"}}}]}],)"
      R"("object":"whatsapp_business_account"})",
      Lookup);
  ASSERT_THAT(one.messages, SizeIs(1));
  EXPECT_EQ(one.messages[0].message.contents(0).text().text(), "x");
}

}  // namespace
}  // namespace wissel::whatsapp
