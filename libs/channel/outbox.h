#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/channel/sender.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"
#include "wissel/state/v1/outbox.pb.h"

namespace wissel::channel {

// What is needed to report an attempt's outcome, also when its outbox is gone by then.
struct AttemptContext {
  std::string key;  // The conversation's: "workspace_id/routing_group_id".
  std::string outbound_id;
  std::string attempt_id;
  int attempt = 0;
  absl::Time reply_time;
  std::string traceparent;  // The answer's; may be empty.
};

// The receipt of an outcome: what the policy makes of it, with the time of the next attempt where
// there is one. Pure; the jitter comes from the ids.
receipt::v1::Receipt FinishedReceipt(const AttemptContext& context, const SendOutcome& outcome,
                                     const DeliveryPolicy& policy, absl::Time now);

// One partition's messages that are still to be delivered through one kind of channel: a fold of
// the log, and the next step of each. Pure: it gets records, outcomes and the time, and gives
// effects. Not thread-safe.
//
//   log: ReplySent ─▶ effect: receipt AttemptStarted ─▶ log: DeliveryUpdated{ATTEMPTING, our
//   attempt}
//     ─▶ effect: call the provider ─▶ receipt AttemptFinished ─▶ log: DeliveryUpdated{SENT, …}
//
// Invariants:
//   - The provider is called only for an attempt that the log shows as accepted, at most once for
//   each, and
//     only within `start_limit` of logging it. The router accepts an attempt only when none is
//     open.
//   - An attempt without outcome, whoever made it, becomes UNCERTAIN after start_limit +
//   call_timeout since
//     this outbox has seen it: by then nobody will make that call any more.
//   - Nothing is begun before the log has shown this outbox's marker.
//   - A conversation's messages are attempted in order: the next only when the one before is
//   settled, held or given up.
//   - A receipt that the router puts aside or ignores is not the end: what it was about is tried
//   again, and given up after a few times, so that nothing waits for it in silence.
class Outbox {
 public:
  struct Options {
    common::v1::ChannelKind kind = common::v1::CHANNEL_KIND_UNSPECIFIED;
    std::string deliverer_id;
    int32_t partition = 0;
    DeliveryPolicy policy;
    bool can_look_up = false;
    // Ids for attempts and markers; unique among all deliverers.
    std::function<std::string()> new_id;
  };

  struct Append {
    std::string key;
    receipt::v1::Receipt receipt;
    std::string traceparent = {};  // Of the answer that it is about; may be empty.
  };
  struct Call {
    OutboundDelivery delivery;
    AttemptContext context;
    absl::Time not_after;  // The provider must not be called later than this.
  };
  // What the router does not take: as the log has it, it is still to be delivered, and the next
  // deliverer tries again.
  struct GivenUp {
    std::string outbound_id;
    std::string conversation_id;
    std::string why;
    std::string traceparent;
  };
  struct Effects {
    std::vector<Append> appends;
    std::vector<Call> calls;
    std::vector<Call> look_ups;  // `not_after` means nothing here.
    std::vector<GivenUp> given_up;
  };

  struct Stats {
    int open = 0;  // Neither settled nor held.
    int held = 0;
    int in_flight = 0;  // Attempts logged and not yet finished.
    int uncertain = 0;
    absl::Time oldest_open = absl::InfiniteFuture();
  };

  explicit Outbox(Options options);

  // The items as the log has them, for a checkpoint; and the other way round, before any record, in
  // place of folding what stands before the checkpoint's place. Of this outbox's own doings nothing
  // is kept.
  std::vector<state::v1::OutboxItem> Items() const;
  void Restore(const state::v1::OutboxCheckpoint& checkpoint, absl::Time now);

  // Folds one valid record of the partition's log in; `traceparent` is its header, if it has one.
  void OnRecord(absl::string_view key, const log::v1::LogRecord& record, absl::Time now,
                absl::string_view traceparent = "");

  // The call for an attempt of this outbox has ended. The caller appends FinishedReceipt, which has
  // this id.
  void OnFinished(const AttemptContext& context, const std::string& receipt_id);
  void OnLookedUp(const AttemptContext& context, const LookUpOutcome& outcome, absl::Time now);

  // Begins what is due. `slots` is how many more attempts the deliverer may have in flight, `admit`
  // asks Sender::Admit. After Stop only what has begun goes on.
  void Step(absl::Time now, int slots,
            const std::function<absl::Duration(const OutboundDelivery&)>& admit);
  void Stop() { stopped_ = true; }

  // Takes back, by receipts, the attempts that were logged and whose call has not been begun: it
  // will not be. For before this outbox is given up, or the next owner must take them for
  // uncertain.
  void Withdraw(absl::Time now);

  // What to do now, in order; each effect is given once.
  Effects TakeEffects();

  // When Step has something to do; InfiniteFuture if that depends on the log or an outcome.
  // Messages that only wait for a slot do not count.
  absl::Time NextStep() const;

  bool started() const { return started_; }
  int in_flight() const { return in_flight_; }
  // Whether something was due at the last Step and found no slot.
  bool waits_for_slot() const { return !stopped_ && !waiting_.empty(); }
  Stats stats() const;

 private:
  // What this outbox itself has in hand for a message, beside what the log says.
  enum class Phase {
    kNone,
    kLogging,    // AttemptStarted is appended; the log has not answered.
    kCalling,    // The provider is being called.
    kReporting,  // A receipt about it is appended; the log has not answered.
    kLookingUp,
  };

  struct Item {
    OutboundDelivery delivery;
    std::string key;
    std::string traceparent;
    absl::Time reply_time;
    receipt::v1::DeliveryState state = receipt::v1::DELIVERY_STATE_PENDING;
    std::string attempt_id;  // Of the log.
    absl::Time retry_time = absl::InfinitePast();
    absl::Time observed;  // When this outbox saw the state.
    Phase phase = Phase::kNone;
    std::string own_attempt_id;
    absl::Time own_attempt_time;
    std::string own_receipt_id;  // In the air; empty: none.
    int not_taken = 0;           // Receipts in a row.
    bool looked_up = false;
    absl::Time due = absl::InfiniteFuture();  // Its place in due_ or, waiting, in waiting_.
    bool waiting = false;
  };

  Item& Add(std::string key, const std::string& outbound_id, const std::string& conversation_id,
            const message::v1::OutboundMessage& message, bool by_bot);

  void OnEvent(absl::string_view key, absl::string_view traceparent,
               const conversation::v1::Event& event, absl::Time time, absl::Time now);
  void OnReplySent(absl::string_view key, absl::string_view traceparent,
                   const conversation::v1::ReplySent& event, absl::Time time, absl::Time now);
  void OnDeliveryUpdated(const conversation::v1::DeliveryUpdated& event, absl::Time now);
  void OnNotTaken(const std::string& receipt_id, absl::string_view why, absl::Time now);

  void StepItem(Item& item, absl::Time now, int& slots,
                const std::function<absl::Duration(const OutboundDelivery&)>& admit);
  void StartAttempt(Item& item, absl::Time now);
  void Finish(Item& item, const SendOutcome& outcome, absl::Time now);
  void AppendFinished(Item& item, receipt::v1::Receipt receipt);
  AttemptContext ContextOf(const Item& item) const;

  Item* Find(const std::string& outbound_id);
  bool IsHead(const Item& item) const;
  // Takes the item out of its conversation's order; the next one becomes due.
  void LeaveOrder(const Item& item, absl::Time now);
  void Erase(const std::string& outbound_id, absl::Time now);
  void Schedule(Item& item, absl::Time when);
  void WaitForSlot(Item& item);
  void Unschedule(Item& item);
  void SetPhase(Item& item, Phase phase);
  void AwaitAnswerTo(const std::string& receipt_id, Item& item);

  const Options options_;
  std::map<std::string, Item> items_;  // By outbound id.
  absl::flat_hash_map<std::string, std::set<std::string>> by_conversation_;
  absl::flat_hash_map<std::string, std::deque<std::string>> order_;  // By conversation.
  std::set<std::pair<absl::Time, std::string>> due_;
  std::set<std::pair<absl::Time, std::string>> waiting_;  // Due, but for want of a slot.
  absl::flat_hash_map<std::string, std::string>
      receipts_;  // Own receipts in the air -> outbound id.
  Effects effects_;
  std::string marker_id_;
  bool started_ = false;
  bool stopped_ = false;
  int in_flight_ = 0;
};

}  // namespace wissel::channel
