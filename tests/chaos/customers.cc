#include "tests/chaos/customers.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hex.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "tests/chaos/leaks.h"

namespace wissel::chaos {
namespace {

constexpr size_t kThreads = 16;
constexpr absl::Duration kRetry = absl::Milliseconds(200);

std::string Signature(const std::string& secret, const std::string& body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &length);
  return absl::StrCat("sha256=", HexEncode({reinterpret_cast<const char*>(digest), length}));
}

}  // namespace

struct Customers::Customer {
  std::string wa_id;
  std::string phone_number_id;
  int written = 0;
  int step = 0;
};

Customers::Customers(CustomersOptions options)
    : options_(std::move(options)),
      client_(http::Client::Create({.user_agent = "facebookplatform/1.0",
                                    .max_queued = 10'000,
                                    .max_connections_per_host = 32})
                  .value()) {
  const size_t threads = std::min(kThreads, static_cast<size_t>(options_.customers));
  writing_ = static_cast<int>(threads);
  for (size_t i = 0; i < threads; ++i) {
    threads_.push_back(StartThread("customers", [this, i] { Write(i); }));
  }
}

Customers::~Customers() {
  stopping_ = true;
  threads_.clear();
}

int64_t Customers::acknowledged() const {
  MutexLock lock(mutex_);
  return std::count_if(messages_.begin(), messages_.end(),
                       [](const CustomerMessage& m) { return m.acknowledged; });
}

std::vector<CustomerMessage> Customers::messages() const {
  MutexLock lock(mutex_);
  return messages_;
}

// Each thread has customers of its own and a lot of its own, so that what they write, and what is
// done to it, depends on the seed alone; who gets how far in time does not.
void Customers::Write(size_t thread) {
  std::mt19937_64 lot(options_.seed * 1000 + thread);
  const auto chance = [&](double share) {
    return static_cast<double>(lot() % 1'000'000) < share * 1'000'000;
  };
  std::vector<Customer> mine;
  for (auto i = thread; i < static_cast<size_t>(options_.customers);
       i += std::min(kThreads, static_cast<size_t>(options_.customers))) {
    mine.push_back(
        {.wa_id = absl::StrCat(31'600'000'000 + static_cast<int64_t>(i)),
         .phone_number_id = options_.phone_number_ids[i % options_.phone_number_ids.size()]});
  }
  std::vector<std::string> answered;  // Bodies that may come again.
  while (!stopping_) {
    const int number = next_message_++;
    if (number >= options_.messages) break;
    const absl::Time due = start_ + options_.duration * number / options_.messages;
    while (!stopping_ && absl::Now() < due) {
      absl::SleepFor(std::min(due - absl::Now(), absl::Milliseconds(50)));
    }
    Customer& customer = mine[lot() % mine.size()];
    ++customer.step;
    const size_t count = chance(options_.together) ? 2 : 1;
    std::vector<std::string> bodies;
    std::vector<size_t> places;
    for (size_t i = 0; i < count; ++i) {
      const std::string id =
          absl::StrCat("wamid.", options_.label, ".", customer.wa_id, ".", ++customer.written);
      bodies.push_back(Body(customer, id, absl::StrCat(kPrivateWord, " ", customer.written)));
      MutexLock lock(mutex_);
      places.push_back(messages_.size());
      messages_.push_back({.provider_message_id = id,
                           .customer = absl::StrCat(options_.label, ".", customer.wa_id),
                           .step = customer.step});
    }
    const size_t address = lot();
    if (chance(options_.twice)) PostAndForget(bodies[0], address + 1);
    {
      std::jthread other;
      if (count == 2) {
        ++next_message_;
        other = StartThread("customers", [&] {
          if (!Deliver(bodies[1], address + 1)) return;
          MutexLock lock(mutex_);
          messages_[places[1]].acknowledged = true;
        });
      }
      if (Deliver(bodies[0], address)) {
        MutexLock lock(mutex_);
        messages_[places[0]].acknowledged = true;
      }
    }
    answered.push_back(bodies[0]);
    if (chance(options_.again)) PostAndForget(answered[lot() % answered.size()], lot());
    if (answered.size() > 100) answered.erase(answered.begin());
  }
  --writing_;
}

std::string Customers::Body(const Customer& customer, const std::string& id,
                            const std::string& text) const {
  return absl::StrCat(
      R"({"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",)",
      R"("value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":"31200000000",)",
      R"("phone_number_id":")", customer.phone_number_id,
      R"("},"contacts":[{"profile":{"name":"Customer"},"wa_id":")", customer.wa_id,
      R"("}],"messages":[{"from":")", customer.wa_id, R"(","id":")", id,
      R"(","timestamp":"1763900000","type":"text","text":{"body":")", text, R"("}}]}}]}]})");
}

bool Customers::Deliver(const std::string& body, size_t first_address) {
  const Timeout limit(options_.give_up_after);
  for (size_t attempt = 0; !stopping_ && !limit.Expired(); ++attempt) {
    if (PostOnce(body, first_address + attempt)) return true;
    absl::SleepFor(kRetry);
  }
  return false;
}

bool Customers::PostOnce(const std::string& body, size_t address) {
  ++posts_;
  http::FetchOptions options;
  options.idempotent = true;
  options.total_timeout = std::min(options_.give_up_after, absl::Seconds(10));
  options.connect_timeout = absl::Seconds(2);
  const http::FetchResult result = client_->FetchAndWait(
      {.method = "POST",
       .url = options_.webhook_urls[address % options_.webhook_urls.size()],
       .headers = {{"Content-Type", "application/json"},
                   {"X-Hub-Signature-256", Signature(options_.app_secret, body)}},
       .body = body},
      options);
  const bool accepted = result.fate == http::Fate::kAnswered && result.status == 200;
  if (!accepted) ++refused_;
  return accepted;
}

void Customers::PostAndForget(const std::string& body, size_t address) {
  ++posts_;
  client_
      ->Fetch({.method = "POST",
               .url = options_.webhook_urls[address % options_.webhook_urls.size()],
               .headers = {{"Content-Type", "application/json"},
                           {"X-Hub-Signature-256", Signature(options_.app_secret, body)}},
               .body = body},
              {}, [](http::FetchResult) {})
      .IgnoreError();
}

}  // namespace wissel::chaos
