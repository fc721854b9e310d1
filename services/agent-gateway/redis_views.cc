#include "services/agent-gateway/redis_views.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/views/keys.h"
#include "libs/views/restore.h"

namespace wissel::agent_gateway {
namespace {

class Views final : public WorkViews {
 public:
  explicit Views(const store::RedisOptions& options) : redis_(options) {}

  absl::StatusOr<views::AgentWork> ReadAgentWork(int32_t partition, absl::string_view workspace,
                                                 absl::string_view agent) override {
    return views::ReadAgentWork(redis_, views::PartitionKeys(partition), workspace, agent);
  }

 private:
  store::Redis redis_;
};

}  // namespace

std::function<std::unique_ptr<WorkViews>()> RedisViews(const store::RedisOptions& options) {
  return [options] { return std::make_unique<Views>(options); };
}

LoadCheckpoint RedisCheckpoints(const store::RedisOptions& options, bus::Bus& bus) {
  return [options, &bus](int32_t partition) -> absl::StatusOr<Checkpoint> {
    store::Redis redis(options);
    WISSEL_ASSIGN_OR_RETURN(views::Restored restored,
                            views::Restore(redis, views::PartitionKeys(partition), bus));
    if (restored.source != views::Restored::Source::kCheckpoint) {
      return absl::NotFoundError(restored.detail);
    }
    return Checkpoint{.state = std::move(restored.state), .position = *restored.meta.position};
  };
}

}  // namespace wissel::agent_gateway
