#include "services/agent-gateway/redis_views.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/views/checkpoint.h"
#include "libs/views/keys.h"

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

LoadCheckpoint RedisCheckpoints(const store::RedisOptions& options) {
  return [options](int32_t partition) -> absl::StatusOr<std::optional<Checkpoint>> {
    store::Redis redis(options);
    WISSEL_ASSIGN_OR_RETURN(const views::CheckpointLoad load,
                            views::LoadCheckpoint(redis, views::PartitionKeys(partition)));
    if (load.outcome != views::CheckpointLoad::Outcome::kLoaded || !load.checkpoint.meta.position) {
      return std::nullopt;
    }
    Checkpoint checkpoint{.state = {}, .position = *load.checkpoint.meta.position};
    for (const domain::Piece& piece : load.checkpoint.pieces) {
      WISSEL_RETURN_IF_ERROR(checkpoint.state.Load(piece));
    }
    if (!load.checkpoint.meta.whole) checkpoint.state.BeginsAfterCut();
    return checkpoint;
  };
}

}  // namespace wissel::agent_gateway
