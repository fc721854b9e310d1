// What asks the admin service: diff and deadletter.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/rpc/server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/testing.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;

// Of a shop whose ids would steer the terminal.
class HostileAdmin final : public admin::v1::AdminService::Service {
 public:
  bool refuses = false;
  grpc::Status GetConfig(grpc::ServerContext*, const admin::v1::GetConfigRequest*,
                         admin::v1::GetConfigResponse*) override {
    return {grpc::StatusCode::NOT_FOUND, "none"};
  }
  grpc::Status ApplyConfig(grpc::ServerContext*, const admin::v1::ApplyConfigRequest*,
                           admin::v1::ApplyConfigResponse* response) override {
    const std::string place = absl::StrCat("agents[", kHostileName, "]");
    if (refuses) return {grpc::StatusCode::INVALID_ARGUMENT, absl::StrCat(place, ": why")};
    for (const auto kind : {admin::v1::Difference::KIND_ADDED, admin::v1::Difference::KIND_REMOVED,
                            admin::v1::Difference::KIND_CHANGED}) {
      admin::v1::Difference& difference = *response->add_differences();
      difference.set_kind(kind);
      difference.set_path(place);
      difference.set_before(kHostileName);
      difference.set_after(kHostileName);
    }
    response->add_warnings(place);
    return grpc::Status::OK;
  }
};

TEST(Cli, WhatDiffersCannotSteerTheTerminal) {
  const wissel::testing::TempDir dir;
  HostileAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  const auto diff = [&](const char* format) {
    return WisselctlAt(target, {"diff", "-f", shop.c_str(), "-o", format});
  };
  for (const char* format : {"table", "json", "yaml"}) {
    const Result result = diff(format);
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_THAT(result.out, HasSubstr("Jan"));
    EXPECT_EQ(SteeringIn(result), "") << format;
  }
  admin.refuses = true;
  const Result refused = diff("table");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("Jan"));
  EXPECT_EQ(SteeringIn(refused), "");
}

// One letter that is whole and one that was cut.
class LettersAdmin final : public admin::v1::AdminService::Service {
  static deadletter::v1::DeadLetter Letter(const std::string& id) {
    deadletter::v1::DeadLetter letter;
    letter.set_dead_letter_id(id);
    letter.set_raw("From: jan");
    letter.set_truncated(id == "part");
    letter.mutable_origin()->mutable_provider()->set_account_id("support");
    letter.mutable_origin()->mutable_provider()->set_reference("INBOX;uid=7");
    return letter;
  }
  grpc::Status ListDeadLetters(grpc::ServerContext*, const admin::v1::ListDeadLettersRequest*,
                               admin::v1::ListDeadLettersResponse* response) override {
    for (const char* id : {"whole", "part"}) *response->add_dead_letters() = Letter(id);
    return grpc::Status::OK;
  }
  grpc::Status GetDeadLetter(grpc::ServerContext*, const admin::v1::GetDeadLetterRequest* request,
                             admin::v1::GetDeadLetterResponse* response) override {
    *response->mutable_dead_letter() = Letter(request->dead_letter_id());
    return grpc::Status::OK;
  }
};

TEST(Cli, ADeadLetterThatWasCutIsToldFromAWholeOne) {
  LettersAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const auto deadletter = [&](std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "deadletter");
    return WisselctlAt(target, arguments);
  };
  const Result list = deadletter({"list"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, ContainsRegex("whole[^\n]* all "));
  EXPECT_THAT(list.out, ContainsRegex("part[^\n]* cut "));
  const Result whole = deadletter({"show", "whole", "--raw"});
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.out, "From: jan");
  EXPECT_EQ(whole.err, "");
  const Result part = deadletter({"show", "part", "--raw"});
  EXPECT_EQ(part.code, 4);
  EXPECT_EQ(part.out, "") << "or a pipe would hand it in again";
  EXPECT_THAT(part.err, HasSubstr("not all of it: 9 bytes"));
  EXPECT_THAT(part.err, HasSubstr("support INBOX;uid=7"));
  const Result looked_at = deadletter({"show", "part", "--raw", "--cut"});
  EXPECT_EQ(looked_at.code, 0) << looked_at.err;
  EXPECT_EQ(looked_at.out, "From: jan");
  EXPECT_EQ(deadletter({"show", "part"}).code, 0) << "as a message it says so itself";
}

class LargeAdmin final : public admin::v1::AdminService::Service {
  grpc::Status ApplyConfig(grpc::ServerContext*, const admin::v1::ApplyConfigRequest*,
                           admin::v1::ApplyConfigResponse* response) override {
    for (int i = 0; i < 600; ++i) {
      admin::v1::Difference& difference = *response->add_differences();
      difference.set_kind(admin::v1::Difference::KIND_ADDED);
      difference.set_path(absl::StrCat("agents[", std::string(10'000, 'a'), "]"));
    }
    return grpc::Status::OK;
  }
};

TEST(Cli, ALargeShopsDifferencesAreTakenWhole) {
  const wissel::testing::TempDir dir;
  LargeAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\nversion: 1\n");
  const Result result = WisselctlAt(target, {"diff", "-f", shop.c_str()});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_GT(result.out.size(), 6'000'000);
}

}  // namespace
}  // namespace wissel::ctl
