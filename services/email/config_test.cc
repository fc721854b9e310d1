#include "services/email/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/config/config.h"
#include "libs/testing/status_matchers.h"

namespace wissel::email {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;

absl::Status LoadServer(const std::string& host, const std::string& security) {
  setenv("WISSEL_CONFIG_TEST", "password", 1);
  ServerSettings server;
  return config::LoadText([&](config::Binder& b) { server.Describe(b); },
                          absl::StrCat("host: \"", host, "\"\nsecurity: ", security,
                                       "\nuser: shop\npassword: {env: WISSEL_CONFIG_TEST}\n"),
                          "email.yaml");
}

TEST(ServerSettingsTest, NoPasswordInPlainTextBeyondLoopback) {
  for (const char* host : {"localhost", "LOCALHOST", "127.0.0.1", "127.9.8.7", "::1"}) {
    EXPECT_THAT(LoadServer(host, "none"), IsOk()) << host;
  }
  for (const char* host : {"mail.example.org", "localhost.example.org", "127.example.org",
                           "192.168.1.2", "128.0.0.1", "0.0.0.0", "::", "2001:db8::1"}) {
    EXPECT_THAT(LoadServer(host, "none"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("plain text")))
        << host;
    EXPECT_THAT(LoadServer(host, "tls"), IsOk()) << host;
    EXPECT_THAT(LoadServer(host, "starttls"), IsOk()) << host;
  }
}

TEST(AccountSettingsTest, MarksStandInOneFileForEachAccountWhateverItsId) {
  AccountSettings account;
  account.workspace_id = "acme";
  std::set<std::string> names;
  for (const char* id : {"support", "shop/nl", "shop%2Fnl", "../support"}) {
    account.account_id = id;
    const std::string name = account.StateFileName();
    EXPECT_THAT(name, Not(HasSubstr("/")));
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_THAT(names, Contains("acme.support.done"));
}

// A record that never had room would come back for ever.
TEST(SettingsTest, TheLargestRecordHasRoomOnItsWay) {
  const auto load = [](const std::string& record, const std::string& in_flight) {
    Settings settings;
    return config::LoadText([&](config::Binder& b) { settings.Describe(b); },
                            absl::StrCat("kafka: {max_record_bytes: ", record,
                                         "}\npublish: {max_in_flight_bytes: ", in_flight, "}\n"),
                            "email.yaml");
  };
  EXPECT_THAT(load("32MiB", "32MiB"), IsOk());
  EXPECT_THAT(load("33MiB", "32MiB"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_in_flight_bytes")));
  EXPECT_THAT(load("528KiB", "32MiB"), IsOk());
  EXPECT_THAT(load("527KiB", "32MiB"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("dead letter")));
}

}  // namespace
}  // namespace wissel::email
