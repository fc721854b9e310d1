#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "wissel/config/v1/config.pb.h"

namespace wissel::domain {

// Which records of the config topic count, for every reader: the first of a workspace with the next
// version. Folds the topic from its beginning.
class ConfigHistory {
 public:
  // Whether the record, the next in the topic, is valid; it is then the workspace's present one.
  bool Accept(const config::v1::WorkspaceConfig& config) {
    int64_t& version = versions_[config.workspace_id()];
    if (config.workspace_id().empty() || config.version() != version + 1) return false;
    version = config.version();
    return true;
  }

  // 0 where there is none yet.
  int64_t VersionOf(const std::string& workspace_id) const {
    const auto it = versions_.find(workspace_id);
    return it == versions_.end() ? 0 : it->second;
  }

 private:
  std::map<std::string, int64_t> versions_;
};

}  // namespace wissel::domain
