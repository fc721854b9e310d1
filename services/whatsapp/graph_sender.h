#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/channel/blob.h"
#include "libs/channel/sender.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/graph.h"

namespace wissel::whatsapp {

// How fast one number may send: so many a second, a second's worth at once, nothing during a pause
// that the provider asked for. Not thread-safe.
class NumberPace {
 public:
  NumberPace(double per_second, absl::Time now);

  // Zero, and one is taken; else how long until there is one.
  absl::Duration Take(absl::Time now);
  // The provider says that the number is too fast: each time in a row twice as long, up to 5
  // minutes.
  void SlowDown(absl::Time now, absl::Duration at_least);
  // A message was taken; an upload says nothing of how fast messages may be.
  void Succeeded() { next_pause_ = kFirstPause; }

 private:
  static constexpr absl::Duration kFirstPause = absl::Seconds(2);

  const double per_second_;
  double tokens_;
  absl::Time filled_;
  absl::Time paused_until_ = absl::InfinitePast();
  absl::Duration next_pause_ = kFirstPause;
};

// Sends through Meta's Cloud API: media is uploaded first, then one message is sent.
class GraphSender final : public channel::Sender {
 public:
  // Not owned.
  GraphSender(const Accounts* accounts, Graph* graph, channel::BlobStore* blobs,
              const Clock* clock);

  void Send(const channel::OutboundDelivery& delivery,
            absl::AnyInvocable<void(channel::SendOutcome) &&> done) override;
  absl::Duration Admit(const channel::OutboundDelivery& delivery) override;

 private:
  using Done = absl::AnyInvocable<void(channel::SendOutcome) &&>;

  void SendMessage(const Account& account, const channel::OutboundDelivery& delivery,
                   const std::string& media_id, Done done);
  // Pauses the number where the answer says that it is too fast.
  void NoteRefusal(const Account& account, const http::FetchResult& result);

  const Accounts* const accounts_;
  Graph* const graph_;
  channel::BlobStore* const blobs_;
  const Clock* const clock_;
  Mutex mutex_;
  std::map<const Account*, NumberPace> paces_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::whatsapp
