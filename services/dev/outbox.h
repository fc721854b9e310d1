#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/channel/sender.h"

namespace wissel::dev {

// Where answers go while no provider is configured: a folder with a file for each,
// <outbound_id>.json, to be read with `wisselctl outbox list` or at /outbox. An answer is there
// once, whatever happens between the call and its outcome: its file has its id, and can be looked
// up.
class OutboxSender final : public channel::Sender {
 public:
  // The folder must exist. `clock` is not owned.
  OutboxSender(std::string folder, const Clock* clock)
      : folder_(std::move(folder)), clock_(clock) {}

  void Send(const channel::OutboundDelivery& delivery,
            absl::AnyInvocable<void(channel::SendOutcome) &&> done) override;
  bool CanLookUp() const override { return true; }
  void LookUp(const channel::OutboundDelivery& delivery,
              absl::AnyInvocable<void(channel::LookUpOutcome) &&> done) override;

 private:
  std::string PathOf(const std::string& outbound_id) const;

  const std::string folder_;
  const Clock* const clock_;
};

// Every answer in the folder, newest first: a JSON array of
// {outbound_id, conversation_id, workspace_id, time, attempt, message}; `message` is
// wissel.message.v1.OutboundMessage.
std::string OutboxJson(const std::string& folder);

// The same as a page for a browser.
std::string OutboxHtml(const std::string& folder);

}  // namespace wissel::dev
