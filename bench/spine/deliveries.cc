#include "bench/spine/deliveries.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/rpc/channel.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::bench {
namespace {

using Clock = std::chrono::steady_clock;

class Book {
 public:
  explicit Book(size_t count) : due_(count), arrived_(count) {}

  void Due(int64_t n) { due_[static_cast<size_t>(n)] = Clock::now(); }
  // False once everything has arrived.
  bool Arrived(int64_t n) {
    if (n < 0 || n >= static_cast<int64_t>(arrived_.size())) return true;
    arrived_[static_cast<size_t>(n)] = Clock::now();
    return ++count_ < arrived_.size();
  }
  bool complete() const { return count_ == arrived_.size(); }
  size_t count() const { return count_; }

  Latency Result() const {
    std::vector<double> ms;
    for (size_t n = due_.size() / 10; n < due_.size(); ++n) {
      ms.push_back(std::chrono::duration<double, std::milli>(arrived_[n] - due_[n]).count());
    }
    std::sort(ms.begin(), ms.end());
    return {ms[ms.size() / 2], ms[ms.size() * 99 / 100]};
  }

 private:
  std::vector<Clock::time_point> due_;      // By the poster.
  std::vector<Clock::time_point> arrived_;  // By the stream; read when complete.
  std::atomic<size_t> count_ = 0;
};

void ReadStream(const Arrivals& arrivals, Book& book, Notification& ready) {
  const auto channel = rpc::MakeChannel({.target = arrivals.target});
  const auto stub = agent::v1::AgentService::NewStub(channel);
  grpc::ClientContext context;
  rpc::Prepare({.timeout = absl::InfiniteDuration(), .token = arrivals.token}, context);
  const auto stream = stub->Connect(&context);
  agent::v1::ConnectRequest request;
  request.mutable_hello()->set_whole_workspace(true);
  request.mutable_hello()->set_observe(true);
  WISSEL_CHECK(stream->Write(request));
  agent::v1::ConnectResponse response;
  bool more = true;
  while (more && stream->Read(&response)) {
    if (response.has_snapshot()) ready.Notify();
    for (const auto& event : response.events().events()) {
      if (!event.has_message_received()) continue;
      more = book.Arrived(WebhookNumber(event.message_received().message().provider_message_id()));
    }
  }
  context.TryCancel();
  if (more) WISSEL_CHECK(false) << stream->Finish().error_message();
}

}  // namespace

Latency MeasureDeliveries(const PostOptions& post, const Arrivals& arrivals) {
  Book book(static_cast<size_t>(post.count));
  Notification ready;
  std::jthread reader([&] { ReadStream(arrivals, book, ready); });
  WISSEL_CHECK(ready.WaitFor(absl::Seconds(60))) << "the stream sent no snapshot";
  absl::SleepFor(absl::Seconds(1));
  PostWebhooks(post, [&](int64_t n) { book.Due(n); });
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (!book.complete()) {
    WISSEL_CHECK(absl::Now() < deadline) << book.count() << " of " << post.count << " arrived";
    absl::SleepFor(absl::Milliseconds(10));
  }
  reader.join();
  return book.Result();
}

}  // namespace wissel::bench
