#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "tests/chaos/history.h"
#include "tests/chaos/mailbox.h"

namespace wissel::chaos {

struct MailCustomersOptions {
  uint64_t seed = 1;
  int mails = 100;
  // How long they take over it, if the server takes them as fast.
  absl::Duration duration = absl::Seconds(10);
  int customers = 10;
  MailServers servers;
  // The share of mails that are handed over twice, as by a provider that did not get the 250.
  double again = 0.1;
  // Each mail is tried until it is taken, but for this long at most.
  absl::Duration give_up_after = absl::Minutes(2);
};

// Customers of a shop who write mails and read what comes back. A customer's mail goes out after
// the one before was taken; it answers the oldest answer not yet answered, else mostly the
// customer's own last mail, else nothing. Owns its threads. Thread-safe.
class MailCustomers {
 public:
  // Begins.
  static absl::StatusOr<std::unique_ptr<MailCustomers>> Start(MailCustomersOptions options);
  // Ends early.
  ~MailCustomers();

  bool done() const { return writing_ == 0; }
  int64_t submissions() const { return submissions_; }
  // Those not answered with 250.
  int64_t refused() const { return refused_; }
  // So far; `step` is not set.
  std::vector<CustomerMessage> mails() const;
  // Whether an answer has arrived.
  bool Has(const std::string& outbound_id) const;

  // When all is quiet: reads the mailboxes to their ends, and adds what was written, with its place
  // in the shop's mailbox for its step, what arrived, and the order in which the server took it.
  absl::Status AddTo(History& history);

 private:
  // An answer that its customer can answer.
  struct Answer {
    std::string message_id;
    std::string reply_to;
    std::string outbound_id;
  };
  struct Customer {
    int number = 0;
    int written = 0;
    std::string last_id;  // The last mail's.
  };

  explicit MailCustomers(MailCustomersOptions options);
  void Write(size_t thread);
  struct Written {
    CustomerMessage message;
    std::string to;
    std::string bytes;
  };
  // `goes_on`: where there is nothing to answer, this one goes on from the customer's last.
  Written Compose(Customer& customer, bool goes_on);
  // True where the server takes it in time.
  bool HandOver(email::SmtpConnection& server, const std::string& from, const Written& mail);
  void Read(const std::stop_token& stop);
  absl::Status ReadNew(MailboxView& view);
  absl::StatusOr<std::vector<std::string>> TakenInOrder() const;
  std::string AddressOf(int customer) const;
  const std::string& MailboxOf(int customer) const;

  const MailCustomersOptions options_;
  const absl::Time start_ = absl::Now();
  const std::string label_;  // In the mails' ids: runs on the same servers need different ones.
  int64_t log_begin_ = 0;    // In Postfix's log.
  std::atomic<int> next_mail_ = 0;
  std::atomic<int> writing_ = 0;
  std::atomic<int64_t> submissions_ = 0;
  std::atomic<int64_t> refused_ = 0;
  std::atomic<bool> stopping_ = false;

  mutable Mutex mutex_;
  std::vector<CustomerMessage> mails_ ABSL_GUARDED_BY(mutex_);
  uint32_t last_uid_ ABSL_GUARDED_BY(mutex_) = 0;  // Read up to here.
  std::vector<ArrivedMail> arrived_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> arrived_ids_ ABSL_GUARDED_BY(mutex_);
  // By the customer's address, oldest first.
  std::map<std::string, std::deque<Answer>> unanswered_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::jthread> writers_;
  std::jthread reader_;
};

}  // namespace wissel::chaos
