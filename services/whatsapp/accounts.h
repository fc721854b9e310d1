#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/whatsapp/config.h"
#include "services/whatsapp/normalise.h"

namespace wissel::whatsapp {

struct Account {
  AccountRef ref;
  AccountSettings settings;
};

// The accounts of the configuration, looked up in the two ways that are needed. Constant once made.
class Accounts {
 public:
  explicit Accounts(const std::vector<AccountSettings>& settings);

  // INVALID_ARGUMENT if two accounts share a name or a number, or none is there.
  absl::Status Check() const;

  const Account* ByNumber(absl::string_view phone_number_id) const;
  const Account* ById(absl::string_view workspace_id, absl::string_view account_id) const;
  const std::vector<Account>& all() const { return all_; }

 private:
  std::vector<Account> all_;
  std::map<std::string, const Account*, std::less<>> by_number_;
  std::map<std::pair<std::string, std::string>, const Account*> by_id_;
};

}  // namespace wissel::whatsapp
