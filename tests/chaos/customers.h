#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/http/client.h"
#include "tests/chaos/history.h"

namespace wissel::chaos {

struct CustomersOptions {
  uint64_t seed = 1;
  int messages = 1000;
  // How long they take over it, if the webhooks are answered as fast.
  absl::Duration duration = absl::Seconds(10);
  int customers = 100;
  // In the messages' ids: runs beside each other need different ones.
  std::string label = "c";
  // WhatsApp numbers written to, each customer to one.
  std::vector<std::string> phone_number_ids;
  std::string app_secret;
  // Where webhooks go: any of these.
  std::vector<std::string> webhook_urls;
  // The share of messages whose webhook goes to two addresses at once, is sent again later though
  // it was answered, or goes out together with the customer's next.
  double twice = 0.1;
  double again = 0.1;
  double together = 0.1;
  // Each webhook is tried until it is answered with 200, but for this long at most.
  absl::Duration give_up_after = absl::Minutes(2);
};

// Customers of a shop, and the provider that carries what they write: signed webhooks, sent until
// they are answered with 200. A customer's message goes out after the one before was answered, but
// where two go together. Owns its threads. Thread-safe.
class Customers {
 public:
  // Begins.
  explicit Customers(CustomersOptions options);
  // Ends early.
  ~Customers();

  bool done() const { return writing_ == 0; }
  // How many have been answered with 200 so far.
  int64_t acknowledged() const;
  int64_t webhooks() const { return posts_; }
  // Those answered with anything else, or not at all.
  int64_t refused() const { return refused_; }
  std::vector<CustomerMessage> messages() const;

 private:
  struct Customer;

  void Write(size_t thread);
  // Posts until it is answered with 200, true, or the time is over.
  bool Deliver(const std::string& body, size_t first_address);
  bool PostOnce(const std::string& body, size_t address);
  void PostAndForget(const std::string& body, size_t address);
  std::string Body(const Customer& customer, const std::string& id, const std::string& text) const;

  const CustomersOptions options_;
  const std::unique_ptr<http::Client> client_;
  const absl::Time start_ = absl::Now();
  std::atomic<int> next_message_ = 0;
  std::atomic<int> writing_ = 0;
  std::atomic<int64_t> posts_ = 0;
  std::atomic<int64_t> refused_ = 0;
  std::atomic<bool> stopping_ = false;

  mutable Mutex mutex_;
  std::vector<CustomerMessage> messages_ ABSL_GUARDED_BY(mutex_);

  std::vector<std::jthread> threads_;
};

}  // namespace wissel::chaos
