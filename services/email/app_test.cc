#include "services/email/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"
#include "libs/bus/embedded.h"
#include "libs/testing/away_bus.h"
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

  absl::StatusOr<std::unique_ptr<service::App>> Run(const EmailSettings& settings) {
    return RunOn(*bus_, settings);
  }
  absl::StatusOr<std::unique_ptr<service::App>> RunOn(bus::Bus& bus,
                                                      const EmailSettings& settings) {
    return StartOn(bus, std::nullopt, settings,
                   {.clock = clock_,
                    .log = log_,
                    .metrics = metrics_,
                    .readiness = readiness_,
                    .endpoint = endpoint_,
                    .fail = [](absl::Status status) { ADD_FAILURE() << status; }});
  }
  absl::Status Start(const EmailSettings& settings) { return Run(settings).status(); }

  // Waits until readiness says that.
  bool Says(const std::string& text) const {
    const Timeout limit(absl::Seconds(20));
    while (!absl::StrContains(readiness_.ToJson(), text) && !limit.Expired()) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    return absl::StrContains(readiness_.ToJson(), text);
  }

  // Waits for a line with all of that.
  bool Logged(const std::vector<std::string>& parts) {
    const Timeout limit(absl::Seconds(20));
    MutexLock lock(mutex_);
    while (!limit.Expired()) {
      for (const std::string& line : lines_) {
        if (std::all_of(parts.begin(), parts.end(),
                        [&](const std::string& part) { return absl::StrContains(line, part); })) {
          return true;
        }
      }
      logged_.WaitFor(mutex_, limit.Remaining());
    }
    return false;
  }

  const SystemClock clock_;
  Mutex mutex_;
  CondVar logged_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  const telemetry::Logger log_{{.write = [this](absl::string_view line) {
    MutexLock lock(mutex_);
    lines_.emplace_back(line);
    logged_.NotifyAll();
  }}};
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

TEST_F(AppTest, WhatOnlyDeliversIsNotReadyWithoutTheBusOrTheRouter) {
  {
    wissel::testing::AwayBus away;
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto app, RunOn(away, settings_));
    EXPECT_TRUE(Says(R"({"name":"email_bus","ready":false,"reason":"the broker is away"})"));
    EXPECT_TRUE(Says("deliver_email"));
    EXPECT_FALSE(readiness_.Ready());
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto app, Run(settings_));
  EXPECT_TRUE(Says(R"({"name":"email_bus_2","ready":true)"));
  EXPECT_TRUE(Says("partition 0: the router has not taken its marker yet"));
}

// An account's id is unique within its workspace only.
TEST_F(AppTest, MailboxesOfTwoWorkspacesAreToldApart) {
  settings_.role = channel::Role::kIngest;
  settings_.accounts[0].imap = {.host = "127.0.0.1", .port = 1, .security = Security::kNone};
  settings_.accounts.push_back(settings_.accounts[0]);
  settings_.accounts[1].workspace_id = "rival";
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto app, Run(settings_));
  for (const char* workspace : {"shop", "rival"}) {
    EXPECT_TRUE(Logged({"mailbox connection ended", workspace, "mail-nl"})) << workspace;
    EXPECT_THAT(
        metrics_.Expose(),
        HasSubstr(absl::StrCat("wissel_email_mailbox_connected{account=\"mail-nl\",workspace=\"",
                               workspace, "\"} 0\n")));
  }
}

}  // namespace
}  // namespace wissel::email
