#include "services/dev/channels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/config/config.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::dev {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::wissel::testing::StatusIs;

constexpr char kMailAccount[] = R"(
    - workspace_id: shop
      routing_group_id: desk
      account_id: support
      address: support@shop.example
      imap: {host: mail.shop.example, user: u, password: {env: HOME}}
      smtp: {host: mail.shop.example, user: u, password: {env: HOME}}
)";

class ChannelsTest : public ::testing::Test {
 protected:
  ChannelsTest() {
    config::v1::WorkspaceConfig shop;
    shop.set_workspace_id("shop");
    Add(&shop, common::v1::CHANNEL_KIND_EMAIL, "support", "support@shop.example");
    Add(&shop, common::v1::CHANNEL_KIND_EMAIL, "sales", "sales@shop.example");
    Add(&shop, common::v1::CHANNEL_KIND_WHATSAPP, "wa", "1555");
    workspaces_.push_back(shop);
  }
  static void Add(config::v1::WorkspaceConfig* shop, common::v1::ChannelKind kind,
                  const std::string& id, const std::string& address) {
    auto* account = shop->add_accounts();
    account->mutable_account()->set_kind(kind);
    account->mutable_account()->set_account_id(id);
    account->set_routing_group_id("desk");
    account->set_address(address);
  }
  void Configure(const std::string& yaml) {
    settings_ = Settings();
    WISSEL_ASSERT_OK(
        config::LoadText([this](config::Binder& b) { settings_.Describe(b); }, yaml, "dev.yaml"));
  }

  const wissel::testing::TempDir dir_;
  std::unique_ptr<StateFolder> folder_ = *StateFolder::Open(dir_.path());
  std::vector<config::v1::WorkspaceConfig> workspaces_;
  Settings settings_;
};

TEST_F(ChannelsTest, WithoutProvidersWebhooksComeInAndNothingIsSent) {
  Configure("");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto whatsapp,
                              WhatsappChannel(settings_, workspaces_, *folder_));
  EXPECT_FALSE(channel::Delivers(whatsapp.role));
  ASSERT_EQ(whatsapp.accounts.size(), 1);
  EXPECT_EQ(whatsapp.accounts[0].phone_number_id, "1555");
  EXPECT_EQ(whatsapp.accounts[0].app_secret.value(), *folder_->Secret("whatsapp-app-secret"));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto email, EmailChannel(settings_, workspaces_, *folder_));
  EXPECT_TRUE(email.accounts.empty());
}

TEST_F(ChannelsTest, AMailProviderIsUsedBothWaysWithinTheStateFolder) {
  Configure(std::string("email:\n  accounts:") + kMailAccount);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto email, EmailChannel(settings_, workspaces_, *folder_));
  EXPECT_EQ(email.role, channel::Role::kAll);
  ASSERT_EQ(email.accounts.size(), 1);
  EXPECT_EQ(email.blobs.folder, folder_->Path("blobs"));
  EXPECT_EQ(email.state_folder, folder_->Path("email"));
  ASSERT_EQ(email.thread_keys.size(), 1);
  EXPECT_EQ(email.thread_keys[0].key.value(), *folder_->Secret("mail-thread-key"));
  EXPECT_THAT(AccountsWithoutProvider(settings_, workspaces_, common::v1::CHANNEL_KIND_EMAIL),
              ElementsAre("shop/sales"));
}

TEST_F(ChannelsTest, AnAccountThatNoWorkspaceHasIsRefused) {
  Configure(std::string("email:\n  accounts:") + kMailAccount);
  const auto refused = [&](const std::string& says) {
    EXPECT_THAT(EmailChannel(settings_, workspaces_, *folder_),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(says)));
  };
  auto& account = settings_.email.accounts[0];
  account.account_id = "suport";
  refused("email.accounts: suport: the workspace shop has no such account");
  account.account_id = "wa";
  refused("wa: the workspace shop has no such account");
  account.account_id = "sales";
  refused("sales: the workspace has its address as sales@shop.example, not support@shop.example");
  account.account_id = "support";
  account.routing_group_id = "back-office";
  refused("support: the workspace has it in the group desk, not back-office");
  account.workspace_id = "other";
  refused("support: no workspace other");
}

TEST_F(ChannelsTest, AGivenWhatsappNumberIsDeliveredThroughItsGraph) {
  Configure(R"(
whatsapp:
  graph: {base_url: "http://127.0.0.1:9"}
  accounts:
    - {workspace_id: shop, routing_group_id: desk, account_id: wa, phone_number_id: "1555",
       access_token: {env: HOME}, app_secret: {env: HOME}}
)");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto whatsapp,
                              WhatsappChannel(settings_, workspaces_, *folder_));
  EXPECT_EQ(whatsapp.role, channel::Role::kAll);
  EXPECT_EQ(whatsapp.graph.base_url, "http://127.0.0.1:9");
  EXPECT_EQ(whatsapp.accounts[0].app_secret.value(), getenv("HOME"));
  EXPECT_EQ(whatsapp.blobs.folder, folder_->Path("blobs"));
  settings_.whatsapp.accounts[0].phone_number_id = "1556";
  EXPECT_THAT(WhatsappChannel(settings_, workspaces_, *folder_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("as 1555, not 1556")));
}

}  // namespace
}  // namespace wissel::dev
