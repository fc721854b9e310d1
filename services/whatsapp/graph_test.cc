#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "services/whatsapp/graph.h"
#include "services/whatsapp/graph_error.h"
#include "services/whatsapp/graph_sender.h"
#include "services/whatsapp/outbound.h"
#include "services/whatsapp/signature.h"

namespace wissel::whatsapp {
namespace {

using ::testing::HasSubstr;
using Kind = channel::SendOutcome::Kind;

TEST(SignatureTest, IsHmacSha256OfTheRawBody) {
  // RFC 4231, test case 2.
  EXPECT_EQ(Sign("Jefe", "what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_TRUE(SignatureMatches("s", "body", Sign("s", "body")));
  EXPECT_FALSE(SignatureMatches("s", "body", Sign("t", "body")));
  EXPECT_FALSE(SignatureMatches("s", "body!", Sign("s", "body")));
  EXPECT_FALSE(SignatureMatches("s", "body", ""));
  EXPECT_FALSE(SecretsEqual("", "")) << "a secret that is not set matches nothing";
}

http::FetchResult Answered(int status, std::string body) {
  http::FetchResult result;
  result.fate = http::Fate::kAnswered;
  result.status = status;
  result.body = std::move(body);
  return result;
}

std::string ErrorBody(int code) {
  return R"({"error":{"message":"(#x) title","type":"OAuthException","code":)" +
         std::to_string(code) +
         R"(,"error_data":{"messaging_product":"whatsapp","details":"what to know"}}})";
}

Kind KindOf(int status, int code) {
  return OutcomeOf(Answered(status, ErrorBody(code)), absl::UnixEpoch()).kind;
}

TEST(GraphErrorTest, EachCodeHasItsConsequence) {
  for (const int code : {1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056}) {
    EXPECT_EQ(KindOf(400, code), Kind::kRetry) << code;
  }
  for (const int code : {0, 3, 10, 190, 200, 299, 368, 131005, 131031, 131042}) {
    EXPECT_EQ(KindOf(400, code), Kind::kReauthorise) << code;
  }
  for (const int code :
       {100, 131008, 131009, 131026, 131047, 131051, 131053, 131062, 132001, 132015}) {
    EXPECT_EQ(KindOf(400, code), Kind::kFailed) << code;
  }
}

TEST(GraphErrorTest, AccessThatWasLostIsNoFaultOfTheMessage) {
  const channel::SendOutcome outcome = OutcomeOf(
      Answered(
          400,
          R"({"error":{"message":"Unsupported post request. Object with ID '1060001' does not )"
          R"(exist, cannot be loaded due to missing permissions, or does not support this )"
          R"(operation.","type":"GraphMethodException","code":100,"error_subcode":33,)"
          R"("fbtrace_id":"A1"}})"),
      absl::UnixEpoch());
  EXPECT_EQ(outcome.kind, Kind::kReauthorise);
  EXPECT_EQ(outcome.error.provider_code(), "100/33");
  EXPECT_EQ(KindOf(400, 131037), Kind::kReauthorise) << "the display name is not approved";
}

TEST(GraphErrorTest, UnknownErrorsGoByWhatCanBeKnown) {
  EXPECT_EQ(KindOf(400, 999999), Kind::kFailed);
  EXPECT_EQ(KindOf(500, 999999), Kind::kUncertain);
  const auto plain = [](int status) {
    return OutcomeOf(Answered(status, "<html>"), absl::UnixEpoch()).kind;
  };
  EXPECT_EQ(plain(502), Kind::kUncertain) << "a proxy may have lost the answer";
  EXPECT_EQ(plain(429), Kind::kRetry);
  EXPECT_EQ(plain(503), Kind::kRetry);
  EXPECT_EQ(plain(401), Kind::kReauthorise);
  EXPECT_EQ(plain(404), Kind::kFailed);
  EXPECT_EQ(plain(200), Kind::kUncertain) << "taken, as it seems, but under which name?";
}

TEST(GraphErrorTest, KeepsCodeDetailAndTheTimeToWait) {
  http::FetchResult result = Answered(429, ErrorBody(130429));
  result.headers = {{"Retry-After", "7"}};
  const channel::SendOutcome outcome = OutcomeOf(result, absl::UnixEpoch());
  EXPECT_EQ(outcome.error.provider_code(), "130429");
  EXPECT_EQ(outcome.error.detail(), "what to know");
  EXPECT_EQ(outcome.retry_after, absl::Seconds(7));
}

TEST(GraphErrorTest, FatesBeforeAnAnswer) {
  http::FetchResult result;
  result.fate = http::Fate::kNotSent;
  EXPECT_EQ(OutcomeOf(result, absl::UnixEpoch()).kind, Kind::kRetry);
  result.fate = http::Fate::kUnknown;
  EXPECT_EQ(OutcomeOf(result, absl::UnixEpoch()).kind, Kind::kUncertain);
  const channel::SendOutcome accepted =
      OutcomeOf(Answered(200, R"({"messages":[{"id":"wamid.1"}]})"), absl::UnixEpoch());
  EXPECT_EQ(accepted.kind, Kind::kAccepted);
  EXPECT_EQ(accepted.provider_message_id, "wamid.1");
}

TEST(GraphErrorTest, SurvivesAnyBody) {
  for (const char* body : {"", "[]", "{}", "{\"error\":1}", "{\"error\":{}}",
                           "{\"error\":{\"code\":\"x\"}}", "{\"error\":{\"code\":1e300}}"}) {
    EXPECT_FALSE(ParseGraphError(body).has_value()) << body;
  }
}

class OutboundTest : public ::testing::Test {
 protected:
  boost::json::object Build(absl::string_view media_id = "") {
    absl::StatusOr<std::string> body = BuildOutbound(delivery_, media_id);
    EXPECT_TRUE(body.ok()) << body.status();
    return body.ok() ? boost::json::parse(*body).get_object() : boost::json::object();
  }
  std::string Refusal() {
    const absl::StatusOr<std::string> body = BuildOutbound(delivery_, "1");
    EXPECT_FALSE(body.ok());
    return std::string(body.status().message());
  }
  message::v1::Media* AddMedia(message::v1::Media::Kind kind, const std::string& type) {
    message::v1::Media* media = delivery_.message.add_contents()->mutable_media();
    media->set_kind(kind);
    media->mutable_blob()->set_content_type(type);
    media->mutable_blob()->set_file_name("a.bin");
    return media;
  }

  channel::OutboundDelivery delivery_{.outbound_id = "out-1"};
};

TEST_F(OutboundTest, Text) {
  delivery_.message.mutable_recipient()->set_address("31612345678");
  delivery_.message.add_contents()->mutable_text()->set_text("hoi \"jij\"\n\xF0\x9F\x98\x80");
  delivery_.message.set_in_reply_to_provider_message_id("wamid.Q");
  const boost::json::object expected{
      {"messaging_product", "whatsapp"},
      {"recipient_type", "individual"},
      {"to", "31612345678"},
      {"biz_opaque_callback_data", "out-1"},
      {"context", {{"message_id", "wamid.Q"}}},
      {"type", "text"},
      {"text", {{"body", "hoi \"jij\"\n\xF0\x9F\x98\x80"}, {"preview_url", false}}}};
  EXPECT_EQ(Build(), expected);
}

// Customers with a user name may have no number: Meta's business-scoped user id stands for it.
TEST_F(OutboundTest, ANumberAndAUserIdHaveFieldsOfTheirOwn) {
  delivery_.message.add_contents()->mutable_text()->set_text("hoi");
  for (const char* number : {"31612345678", "+31612345678"}) {
    delivery_.message.mutable_recipient()->set_address(number);
    EXPECT_EQ(Build().at("to"), number);
    EXPECT_FALSE(Build().contains("recipient"));
  }
  for (const char* id : {"US.123", "US.ENT.11815799212886844830"}) {
    delivery_.message.mutable_recipient()->set_address(id);
    EXPECT_EQ(Build().at("recipient"), id);
    EXPECT_FALSE(Build().contains("to"));
  }
}

TEST_F(OutboundTest, MediaByItsKindOrType) {
  AddMedia(message::v1::Media::KIND_UNSPECIFIED, "image/png");
  EXPECT_EQ(Build("77").at("type"), "image");
  EXPECT_EQ(Build("77").at("image").at("id"), "77");
  delivery_.message.clear_contents();
  AddMedia(message::v1::Media::KIND_UNSPECIFIED, "image/tiff");
  EXPECT_EQ(Build("77").at("type"), "document") << "WhatsApp shows no TIFF";
  EXPECT_EQ(Build("77").at("document").at("filename"), "a.bin");
}

TEST_F(OutboundTest, ATextBesideAMediaIsItsCaption) {
  AddMedia(message::v1::Media::KIND_IMAGE, "image/png");
  delivery_.message.add_contents()->mutable_text()->set_text("kijk");
  EXPECT_EQ(Build("1").at("image").at("caption"), "kijk");
  delivery_.message.mutable_contents(0)->mutable_media()->set_kind(message::v1::Media::KIND_AUDIO);
  EXPECT_THAT(Refusal(), HasSubstr("no text with this kind of media"));
}

TEST_F(OutboundTest, Template) {
  message::v1::Template* value = delivery_.message.add_contents()->mutable_template_();
  value->set_name("order_update");
  value->set_language("nl");
  value->add_parameters("10023");
  const boost::json::object body = Build();
  EXPECT_EQ(body.at("type"), "template");
  EXPECT_EQ(body.at("template").at("language").at("code"), "nl");
  EXPECT_EQ(body.at("template").at("components").at(0).at("parameters").at(0).at("text"), "10023");
}

TEST_F(OutboundTest, RefusesWhatIsNoSingleMessage) {
  EXPECT_THAT(Refusal(), HasSubstr("nothing in it"));
  delivery_.message.add_contents()->mutable_text()->set_text("a");
  delivery_.message.add_contents()->mutable_text()->set_text("b");
  EXPECT_THAT(Refusal(), HasSubstr("one text, media or template"));
  delivery_.message.clear_contents();
  delivery_.message.add_contents()->mutable_location();
  EXPECT_THAT(Refusal(), HasSubstr("one text, media or template"));
}

TEST(NumberPaceTest, GivesASecondsWorthAtOnceAndThenItsRate) {
  absl::Time now = absl::UnixEpoch();
  NumberPace pace(10, now);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(pace.Take(now), absl::ZeroDuration()) << i;
  const absl::Duration wait = pace.Take(now);
  EXPECT_GT(wait, absl::Milliseconds(90));
  EXPECT_LE(wait, absl::Milliseconds(100));
  now += absl::Milliseconds(101);
  EXPECT_EQ(pace.Take(now), absl::ZeroDuration());
  EXPECT_GT(pace.Take(now), absl::ZeroDuration());
}

TEST(NumberPaceTest, PausesLongerEachTimeAndAsLongAsAsked) {
  absl::Time now = absl::UnixEpoch();
  NumberPace pace(1000, now);
  pace.SlowDown(now, absl::ZeroDuration());
  EXPECT_EQ(pace.Take(now), absl::Seconds(2));
  pace.SlowDown(now, absl::ZeroDuration());
  EXPECT_EQ(pace.Take(now), absl::Seconds(2)) << "said by a call of the same time";
  now += absl::Seconds(2);
  EXPECT_EQ(pace.Take(now), absl::ZeroDuration());
  pace.SlowDown(now, absl::ZeroDuration());
  EXPECT_EQ(pace.Take(now), absl::Seconds(4));
  now += absl::Seconds(4);
  pace.SlowDown(now, absl::Minutes(1));
  EXPECT_EQ(pace.Take(now), absl::Minutes(1));
  now += absl::Minutes(1);
  pace.Succeeded();
  pace.SlowDown(now, absl::ZeroDuration());
  EXPECT_EQ(pace.Take(now), absl::Seconds(2));
}

TEST(MediaTypeTest, MatchesTypesAndFamilies) {
  const std::vector<std::string> allowed = {"image/*", "application/pdf"};
  EXPECT_TRUE(MediaTypeAllowed(allowed, "image/jpeg"));
  EXPECT_TRUE(MediaTypeAllowed(allowed, "Application/PDF; x=y"));
  EXPECT_FALSE(MediaTypeAllowed(allowed, "application/pdfx"));
  EXPECT_FALSE(MediaTypeAllowed(allowed, "imagery/jpeg"));
  EXPECT_FALSE(MediaTypeAllowed({}, "image/jpeg"));
}

}  // namespace
}  // namespace wissel::whatsapp
