#include "services/whatsapp/accounts.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/channel/ids.h"

namespace wissel::whatsapp {

Accounts::Accounts(const std::vector<AccountSettings>& settings) {
  all_.reserve(settings.size());
  for (const AccountSettings& account : settings) {
    all_.push_back({.ref = {.workspace_id = account.workspace_id,
                            .routing_group_id = account.routing_group_id,
                            .account_id = account.account_id},
                    .settings = account});
  }
  for (const Account& account : all_) {
    by_number_.emplace(account.settings.phone_number_id, &account);
    by_id_.emplace(std::pair(account.ref.workspace_id, account.ref.account_id), &account);
  }
}

absl::Status Accounts::Check() const {
  for (const Account& account : all_) {
    const absl::Status valid =
        channel::ValidateAccount({.workspace_id = account.ref.workspace_id,
                                  .routing_group_id = account.ref.routing_group_id,
                                  .account_id = account.ref.account_id});
    if (!valid.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("accounts: ", account.ref.account_id, ": ", valid.message()));
    }
  }
  if (by_number_.size() != all_.size()) {
    return absl::InvalidArgumentError("accounts: two have the same phone_number_id");
  }
  if (by_id_.size() != all_.size()) {
    return absl::InvalidArgumentError("accounts: two have the same workspace_id and account_id");
  }
  return absl::OkStatus();
}

const Account* Accounts::ByNumber(absl::string_view phone_number_id) const {
  const auto it = by_number_.find(std::string(phone_number_id));
  return it == by_number_.end() ? nullptr : it->second;
}

const Account* Accounts::ById(absl::string_view workspace_id, absl::string_view account_id) const {
  const auto it = by_id_.find({std::string(workspace_id), std::string(account_id)});
  return it == by_id_.end() ? nullptr : it->second;
}

}  // namespace wissel::whatsapp
