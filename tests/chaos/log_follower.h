#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::chaos {

// Reads the whole log while a run goes on: keeps the valid records, counts the void ones, and knows
// how far things have come. Owns a thread. Thread-safe.
class LogFollower {
 public:
  // The bus must outlive it.
  static absl::StatusOr<std::unique_ptr<LogFollower>> Start(bus::Bus& bus);
  ~LogFollower();

  int64_t decisions() const;
  int64_t messages() const;
  int64_t void_decisions() const;
  int64_t void_claims() const;
  int64_t claims() const;
  // Answers in the log, and those of them whose delivery is still under way.
  int64_t replies() const;
  int64_t open_replies() const;
  // The outbound ids of answers by mail that a mail server has taken.
  std::vector<std::string> mails_sent() const;
  // How often nobody knew what had become of an attempt to send one.
  int64_t uncertain_mails() const;
  // Conversations that nobody has.
  int64_t waiting() const;
  // Answers by where their delivery stands.
  std::unordered_map<int, int64_t> replies_by_state() const;
  bool HasMessage(const std::string& provider_message_id) const;
  // Behind the last record read, by partition.
  std::vector<int64_t> ends() const;
  // The version of the configuration that is in force on every partition; 0: there is none yet.
  int64_t config_version() const;
  // The highest valid epoch, by partition.
  std::vector<int64_t> epochs() const;

  // Waits until everything that stands in the log now has been read. UNAVAILABLE after 30 s.
  absl::Status CatchUp();

  // Ends the reading and gives the log out.
  std::vector<std::vector<bus::LogEntry>> Finish();

 private:
  explicit LogFollower(bus::Bus& bus) : bus_(bus) {}
  void Run(const std::stop_token& stop);
  void Take(size_t partition, std::vector<bus::LogEntry> entries);
  void OnVoid(const bus::VoidRecord& record);

  bus::Bus& bus_;
  std::vector<std::unique_ptr<bus::LogReader>> readers_;  // The thread's own.
  const std::shared_ptr<bus::Wakeup> wakeup_ = std::make_shared<bus::Wakeup>();

  mutable Mutex mutex_;
  std::vector<std::vector<bus::LogEntry>> log_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> ends_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> epochs_ ABSL_GUARDED_BY(mutex_);
  std::unordered_set<std::string> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> config_versions_ ABSL_GUARDED_BY(mutex_);  // By partition.
  std::unordered_set<std::string> messages_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, receipt::v1::DeliveryState> replies_ ABSL_GUARDED_BY(mutex_);
  std::unordered_set<std::string> mails_ ABSL_GUARDED_BY(mutex_);  // Of the answers.
  int64_t uncertain_mails_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t decisions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t claims_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t void_decisions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t void_claims_ ABSL_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;
};

}  // namespace wissel::chaos
