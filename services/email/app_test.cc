#include "services/email/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::email {
namespace {

using ::testing::HasSubstr;
using wissel::testing::StatusIs;

class AppTest : public ::testing::Test {
 protected:
  AppTest() {
    settings_.state_folder = dir_.Join("state");
    settings_.blobs.folder = dir_.Join("blobs");
    settings_.thread_keys.resize(1);
    settings_.thread_keys[0].key = config::Secret("0123456789abcdef", "test");
    settings_.role = channel::Role::kDeliver;
    settings_.accounts.resize(1);
    settings_.accounts[0].workspace_id = "shop";
    settings_.accounts[0].routing_group_id = "nl";
    settings_.accounts[0].account_id = "mail-nl";
    settings_.accounts[0].address = "shop@example.com";
  }

  absl::Status Start(const EmailSettings& settings) {
    return StartOn(*bus_, std::nullopt, settings,
                   {.clock = clock_,
                    .log = telemetry::Logger(),
                    .metrics = metrics_,
                    .readiness = readiness_,
                    .endpoint = endpoint_,
                    .fail = [](absl::Status status) { ADD_FAILURE() << status; }})
        .status();
  }

  const SystemClock clock_;
  const wissel::testing::TempDir dir_;
  telemetry::Registry metrics_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{metrics_, readiness_};
  const std::unique_ptr<bus::Bus> bus_ = bus::NewEmbeddedBus({.partitions = 1}).value();
  EmailSettings settings_;
};

// Every message of such an account would be refused later.
TEST_F(AppTest, RefusesAccountsOutOfTheContractsBounds) {
  WISSEL_EXPECT_OK(Start(settings_));
  const auto refusal = [this](auto change) {
    EmailSettings settings = settings_;
    change(settings.accounts[0]);
    return Start(settings);
  };
  EXPECT_THAT(refusal([](AccountSettings& a) { a.workspace_id = "Web_Shop"; }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workspace_id")));
  EXPECT_THAT(refusal([](AccountSettings& a) { a.routing_group_id = ""; }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("routing_group_id")));
  EXPECT_THAT(refusal([](AccountSettings& a) { a.account_id = std::string(129, 'a'); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("account_id")));
}

}  // namespace
}  // namespace wissel::email
