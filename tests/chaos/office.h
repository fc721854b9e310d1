#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "tests/chaos/history.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::chaos {

struct OfficeOptions {
  uint64_t seed = 1;
  // host:port of the services, and tokens with the roles supervisor and admin.
  std::string history;
  std::string admin;
  std::string supervisor_token;
  std::string admin_token;
};

// The people behind: a supervisor who looks conversations up in history, and two admins who change
// the configuration at the same time, each from what is in force to the next version. What cannot
// be reached is asked again. Owns a thread for each. Thread-safe.
class Office {
 public:
  // Begins.
  explicit Office(OfficeOptions options);
  // Ends early.
  ~Office();

  // Ends their work, and asks admin what is in force: 0 where it does not say so.
  int64_t Close();
  // After Close: looks up every conversation that history has, with all its messages.
  void LookUpAll();
  // After Close: what they were told.
  void AddTo(History& history) const;

  // Questions that could not be answered: the service was away, or the views were being built anew.
  int64_t unreachable() const { return unreachable_; }

 private:
  void Supervise(const std::stop_token& stop);
  void Configure(const std::stop_token& stop, int admin);
  // Of every group; with a status only those that have it.
  absl::Status ListConversations(state::v1::ConversationStatus status,
                                 std::vector<std::string>& ids);
  void LookUp(const std::string& conversation_id, bool in_peace);
  absl::Status ReadMessages(const std::string& conversation_id,
                            std::vector<history::v1::Message>& messages);
  absl::Status GetConfig(config::v1::WorkspaceConfig& config);
  // Counts what may happen while services are killed. False: nobody should be told that.
  bool Excused(const absl::Status& status);
  void Note(Told told);
  void Note(ConfigAttempt attempt);

  const OfficeOptions options_;
  const std::unique_ptr<history::v1::HistoryService::Stub> history_;
  const std::unique_ptr<admin::v1::AdminService::Stub> admin_;

  std::atomic<int64_t> unreachable_ = 0;

  mutable Mutex mutex_;
  std::vector<Told> told_ ABSL_GUARDED_BY(mutex_);
  std::vector<ConfigAttempt> attempts_ ABSL_GUARDED_BY(mutex_);
  config::v1::WorkspaceConfig in_force_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::jthread> threads_;
};

}  // namespace wissel::chaos
