#include "libs/rpc/jwt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/rpc/test_keys.h"

namespace wissel::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr absl::string_view kHs256 = R"({"alg":"HS256","typ":"JWT"})";
const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

std::string Payload(absl::string_view extra = "") {
  return absl::StrCat(
      R"({"sub":"anna","wissel_ws":"shop","wissel_roles":["agent"],"exp":1700000600)", extra, "}");
}

JwtKeySet SecretKeys() { return *JwtKeySet::FromSecret(kSecret); }

absl::Status Verify(absl::string_view token, const JwtKeySet& keys = SecretKeys(),
                    const JwtVerifyOptions& options = {}, absl::Time now = kNow) {
  return VerifyJwt(token, keys, options, now).status();
}

MATCHER_P(IsRefused, reason, "") {
  return arg.code() == absl::StatusCode::kUnauthenticated &&
         testing::Matches(HasSubstr(reason))(std::string(arg.message()));
}

TEST(Jwt, MintedTokenComesBackWithAllItsClaims) {
  const Claims claims{.subject = "anna",
                      .issuer = "wisselctl",
                      .audience = {"wissel"},
                      .workspace = "shop",
                      .routing_group = "nl",
                      .agent = "a-1",
                      .roles = {"agent", "supervisor"},
                      .expires_at = kNow + absl::Hours(1),
                      .not_before = kNow};
  const auto token = MintJwt(claims, kSecret, "k1", kNow);
  ASSERT_TRUE(token.ok());
  const auto keys = JwtKeySet::FromSecret(kSecret, "k1");
  const auto read = VerifyJwt(*token, *keys, {.issuer = "wisselctl", .audience = "wissel"}, kNow);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->subject, "anna");
  EXPECT_EQ(read->workspace, "shop");
  EXPECT_EQ(read->routing_group, "nl");
  EXPECT_EQ(read->agent, "a-1");
  EXPECT_THAT(read->roles, ElementsAre("agent", "supervisor"));
  EXPECT_EQ(read->expires_at, claims.expires_at);
  EXPECT_EQ(read->not_before, claims.not_before);
}

// The example of RFC 7515, appendix A.1, up to the claims that we require beyond it.
TEST(Jwt, AcceptsTheSignatureOfTheRfcsExample) {
  const std::string key =
      "\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f\x5a\xb3\x28\xe6\xf0\x54"
      "\xc9\x28\xa9\x0f\x84\xb2\xd2\x50\x2e\xbf\xd3\xfb\x5a\x92\xd2\x06\x47\xef\x96\x8a\xb4\xc3"
      "\x77\x62\x3d\x22\x3d\x2e\x21\x72\x05\x2e\x4f\x08\xc0\xcd\x9a\xf5\x67\xd0\x80\xa3";
  constexpr absl::string_view kToken =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0"
      "cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  EXPECT_THAT(Verify(kToken, *JwtKeySet::FromSecret(key), {}, absl::FromUnixSeconds(1300819379)),
              IsRefused("no subject"));
  EXPECT_THAT(Verify(kToken, SecretKeys(), {}, absl::FromUnixSeconds(1300819379)),
              IsRefused("signature"));
}

TEST(Jwt, ExpiryCountsWithLeeway) {
  const std::string token = HmacJws(kHs256, Payload(), kSecret);
  const absl::Time expiry = absl::FromUnixSeconds(1'700'000'600);
  const JwtVerifyOptions options{.leeway = absl::Seconds(30)};
  EXPECT_TRUE(Verify(token, SecretKeys(), options, expiry + absl::Seconds(29)).ok());
  EXPECT_THAT(Verify(token, SecretKeys(), options, expiry + absl::Seconds(30)),
              IsRefused("expired"));
}

TEST(Jwt, NotBeforeCountsWithLeeway) {
  const std::string token = HmacJws(kHs256, Payload(R"(,"nbf":1700000100)"), kSecret);
  const JwtVerifyOptions options{.leeway = absl::Seconds(30)};
  const absl::Time not_before = absl::FromUnixSeconds(1'700'000'100);
  EXPECT_TRUE(Verify(token, SecretKeys(), options, not_before - absl::Seconds(30)).ok());
  EXPECT_THAT(Verify(token, SecretKeys(), options, not_before - absl::Seconds(31)),
              IsRefused("not valid yet"));
}

TEST(Jwt, RefusesWhatIsNotThere) {
  const auto token = [](absl::string_view payload) { return HmacJws(kHs256, payload, kSecret); };
  EXPECT_THAT(Verify(token(R"({"sub":"a","wissel_ws":"w"})")), IsRefused("no expiry"));
  EXPECT_THAT(Verify(token(R"({"sub":"a","wissel_ws":"w","exp":"soon"})")), IsRefused("no expiry"));
  EXPECT_THAT(Verify(token(R"({"sub":"a","wissel_ws":"w","exp":1e300})")), IsRefused("no expiry"));
  EXPECT_THAT(Verify(token(R"({"wissel_ws":"w","exp":1800000000})")), IsRefused("no subject"));
  EXPECT_THAT(Verify(token(R"({"sub":"a","exp":1800000000})")), IsRefused("no workspace"));
  EXPECT_THAT(Verify(token(Payload(R"(,"nbf":"x")"))), IsRefused("nbf"));
  EXPECT_THAT(Verify(token(Payload(R"(,"aud":[1])"))), IsRefused("malformed"));
  EXPECT_THAT(Verify(token("[1]")), IsRefused("malformed"));
}

TEST(Jwt, ChecksIssuerAndAudienceWhereConfigured) {
  const std::string token =
      HmacJws(kHs256, Payload(R"(,"iss":"idp","aud":["x","wissel"])"), kSecret);
  EXPECT_TRUE(Verify(token, SecretKeys(), {.issuer = "idp", .audience = "wissel"}).ok());
  EXPECT_THAT(Verify(token, SecretKeys(), {.issuer = "other"}), IsRefused("issuer"));
  EXPECT_THAT(Verify(token, SecretKeys(), {.audience = "other"}), IsRefused("audience"));
  const std::string single = HmacJws(kHs256, Payload(R"(,"aud":"wissel")"), kSecret);
  EXPECT_TRUE(Verify(single, SecretKeys(), {.audience = "wissel"}).ok());
  EXPECT_THAT(Verify(HmacJws(kHs256, Payload(), kSecret), SecretKeys(), {.audience = "wissel"}),
              IsRefused("audience"));
}

TEST(Jwt, RefusesNoneInEverySpelling) {
  for (absl::string_view name : {"none", "None", "NONE", ""}) {
    const std::string header = absl::StrCat(R"({"alg":")", name, R"("})");
    const std::string with_signature = HmacJws(header, Payload(), kSecret);
    EXPECT_THAT(Verify(with_signature), IsRefused("algorithm"));
    const std::string unsigned_token = with_signature.substr(0, with_signature.rfind('.') + 1);
    EXPECT_THAT(Verify(unsigned_token), IsRefused("algorithm"));
  }
  EXPECT_THAT(Verify(HmacJws(R"({"typ":"JWT"})", Payload(), kSecret)), IsRefused("algorithm"));
}

TEST(Jwt, VerifiesRs256AndEs256ByKeyId) {
  const TestKey rsa = MakeRsaKey();
  const TestKey ec = MakeEcKey();
  const auto keys = JwtKeySet::FromJwks(
      absl::StrCat(R"({"keys":[)", RsaJwk(rsa, "r"), ",", EcJwk(ec, "e"), "]}"));
  ASSERT_TRUE(keys.ok()) << keys.status();
  const std::string rs = SignJws(R"({"alg":"RS256","kid":"r"})", Payload(), rsa);
  const std::string es = SignJws(R"({"alg":"ES256","kid":"e"})", Payload(), ec);
  EXPECT_TRUE(Verify(rs, *keys).ok());
  EXPECT_TRUE(Verify(es, *keys).ok());
  EXPECT_TRUE(Verify(SignJws(R"({"alg":"RS256"})", Payload(), rsa), *keys).ok())
      << "without kid there is only one RS256 key it can be";
  EXPECT_EQ(Verify(SignJws(R"({"alg":"RS256","kid":"x"})", Payload(), rsa), *keys).code(),
            absl::StatusCode::kNotFound);
  EXPECT_THAT(Verify(SignJws(R"({"alg":"RS256","kid":"r"})", Payload(), MakeRsaKey()), *keys),
              IsRefused("signature"));
  EXPECT_THAT(Verify(SignJws(R"({"alg":"ES256","kid":"e"})", Payload(), MakeEcKey()), *keys),
              IsRefused("signature"));
}

TEST(Jwt, WithoutKeyIdAChoiceBetweenKeysIsNotMade) {
  const TestKey a = MakeEcKey();
  const auto keys = JwtKeySet::FromJwks(
      absl::StrCat(R"({"keys":[)", EcJwk(a, "a"), ",", EcJwk(MakeEcKey(), "b"), "]}"));
  EXPECT_EQ(Verify(SignJws(R"({"alg":"ES256"})", Payload(), a), *keys).code(),
            absl::StatusCode::kNotFound);
}

// The classic forgery: the public key, which anyone may fetch, used as an HMAC secret.
TEST(Jwt, APublicKeyIsNeverAnHmacSecret) {
  const TestKey rsa = MakeRsaKey();
  const auto keys = JwtKeySet::FromJwks(absl::StrCat(R"({"keys":[)", RsaJwk(rsa, "r"), "]}"));
  const std::string forged = HmacJws(R"({"alg":"HS256","kid":"r"})", Payload(), PublicKeyPem(rsa));
  EXPECT_EQ(Verify(forged, *keys).code(), absl::StatusCode::kNotFound);
  const JwtKeySet both = JwtKeySet::Merge(*keys, *JwtKeySet::FromSecret(kSecret, "s"));
  EXPECT_EQ(Verify(forged, both).code(), absl::StatusCode::kNotFound);
  // And a header that claims RS256 over an HMAC signature.
  EXPECT_THAT(Verify(HmacJws(R"({"alg":"RS256","kid":"r"})", Payload(), kSecret), both),
              IsRefused("signature"));
  EXPECT_EQ(Verify(SignJws(R"({"alg":"ES256","kid":"r"})", Payload(), MakeEcKey()), both).code(),
            absl::StatusCode::kNotFound);
}

TEST(Jwt, RefusesChangedTokens) {
  const std::string token = HmacJws(kHs256, Payload(), kSecret);
  ASSERT_TRUE(Verify(token).ok());
  for (size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (changed == token) continue;
    EXPECT_FALSE(Verify(changed).ok()) << "at " << i;
  }
  for (size_t size = 0; size < token.size(); ++size) {
    EXPECT_FALSE(Verify(absl::string_view(token).substr(0, size)).ok()) << size;
  }
  EXPECT_THAT(Verify(absl::StrCat(token, ".x")), IsRefused("not a JWT"));
  EXPECT_THAT(Verify(absl::StrCat(token, "=")), IsRefused("not a JWT"));
  EXPECT_THAT(Verify(absl::StrCat(token, "\n")), IsRefused("not a JWT"));
}

TEST(Jwt, RefusesOversizedAndDeeplyNestedTokens) {
  const std::string large =
      HmacJws(kHs256, Payload(absl::StrCat(R"(,"x":")", std::string(9000, 'a'), R"(")")), kSecret);
  EXPECT_THAT(Verify(large), IsRefused("too large"));
  const std::string deep = HmacJws(
      kHs256, Payload(absl::StrCat(",\"x\":", std::string(500, '['), std::string(500, ']'))),
      kSecret);
  EXPECT_THAT(Verify(deep), IsRefused("malformed"));
}

TEST(Jwt, RefusesCriticalExtensions) {
  EXPECT_THAT(Verify(HmacJws(R"({"alg":"HS256","crit":["b64"],"b64":false})", Payload(), kSecret)),
              IsRefused("extension"));
}

TEST(Jwks, LeavesOutKeysThatMustNotVerifyTokens) {
  const std::string small = RsaJwk(MakeRsaKey(1024), "small");
  const std::string symmetric = R"({"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZg","kid":"o"})";
  const std::string for_encryption =
      absl::StrReplaceAll(EcJwk(MakeEcKey(), "enc"), {{R"("kty")", R"("use":"enc","kty")"}});
  const std::string other_alg = RsaJwk(MakeRsaKey(), "ps", "PS256");
  for (const std::string& key : {small, symmetric, for_encryption, other_alg}) {
    const auto keys = JwtKeySet::FromJwks(absl::StrCat(R"({"keys":[)", key, "]}"));
    EXPECT_EQ(keys.status().code(), absl::StatusCode::kInvalidArgument) << key;
  }
  const TestKey good = MakeEcKey();
  const auto keys = JwtKeySet::FromJwks(
      absl::StrCat(R"({"keys":[1,)", small, ",", symmetric, ",", EcJwk(good, "g"), "]}"));
  ASSERT_TRUE(keys.ok());
  EXPECT_TRUE(Verify(SignJws(R"({"alg":"ES256","kid":"g"})", Payload(), good), *keys).ok());
}

TEST(Jwks, RefusesAPointThatIsNotOnTheCurve) {
  const std::string off_curve =
      absl::StrCat(R"({"keys":[{"kty":"EC","crv":"P-256","kid":"x","x":")", std::string(43, 'A'),
                   R"(","y":")", std::string(43, 'A'), R"("}]})");
  EXPECT_EQ(JwtKeySet::FromJwks(off_curve).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Jwks, RefusesWhatIsNotAKeySet) {
  for (absl::string_view text : {"", "{", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})"}) {
    EXPECT_EQ(JwtKeySet::FromJwks(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(Jwt, ShortSecretsAreRefused) {
  EXPECT_EQ(JwtKeySet::FromSecret("short").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MintJwt({}, "short", "", kNow).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace wissel::rpc
