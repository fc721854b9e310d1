#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/routing/calendar.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::routing {

// What a conversation's priority is made of, beside the queue's base and ageing; all in points.
struct PriorityParts {
  int32_t own = 0;
  int32_t tier = 0;
  int32_t lifetime_value = 0;
  int32_t order_state = 0;
  int32_t sla_proximity = 0;
  int32_t escalation = 0;

  int64_t Sum() const {
    return int64_t{own} + tier + lifetime_value + order_state + sla_proximity + escalation;
  }
};

inline constexpr int32_t kMaxEffectivePriority = 100'000;

// What queue rules look at, as known when a conversation is opened.
struct RoutingFacts {
  absl::string_view account_id;
  absl::string_view language;
  // Subject and text, at most 16 KiB of it are looked at.
  absl::string_view subject;
  absl::string_view text;
  const message::v1::ContactFacts* facts = nullptr;
  absl::Time time;
};

// Something about a configuration that a person should know; an error keeps it from being applied.
struct PolicyFinding {
  bool error = false;
  // Which key, e.g. "queues[vip].relaxation_steps[1].after".
  std::string path;
  std::string what;
};

// One routing group's part of a configuration, made ready for deciding: ids interned, patterns
// compiled, calendars built, requirements worked out. Immutable; one may serve several matchers.
class Policy {
 public:
  // Never fails: what is wrong in a configuration (which CheckPolicy reports, and apply refuses) is
  // left out, so that a log which holds one can still be folded: of two with the same id the
  // second, references to nothing, patterns that do not compile; a rule of which a calendar or
  // every pattern is left out never matches. Costs O(agents + queues x agents / 64).
  static std::shared_ptr<const Policy> Compile(const config::v1::WorkspaceConfig& config,
                                               absl::string_view routing_group_id);
  ~Policy();

  // The queue a conversation belongs in: of the first queue with a matching rule, else the group's
  // last; nothing where the group has no queue.
  std::optional<std::string> SelectQueue(const RoutingFacts& facts) const;
  const config::v1::Queue* FindQueue(absl::string_view queue_id) const;
  const config::v1::Agent* FindAgent(absl::string_view agent_id) const;
  // Null: no such calendar.
  std::shared_ptr<const Calendar> FindCalendar(absl::string_view calendar_id) const;
  int64_t config_version() const;

  // What the channel costs an agent; 1 where the configuration is silent.
  int32_t WeightUnits(common::v1::ChannelKind kind) const;
  bool IsLive(common::v1::ChannelKind kind) const;

  // Priority points of what is known of the contact: tier, lifetime value, order state.
  PriorityParts FactPoints(const message::v1::ContactFacts& facts) const;
  // Points for having used this share (percent) of the nearest response target.
  int32_t SlaProximityPoints(int32_t percent) const;

  // What is asked for, in words, in the place of whatever `out` has said: for explanations. Of an
  // unknown queue only channel and units.
  void Describe(absl::string_view queue_id, absl::string_view language, int32_t ring, bool anyone,
                common::v1::ChannelKind kind, conversation::v1::Requirement& out) const;

  // For the matcher beside it.
  class Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Policy(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

// What is wrong or odd about the routing parts of a configuration: bounds, unknown ids, cycles of
// overflow, patterns that do not compile, calendars without openings (after `applied_time`, where
// it is set), rules that can never match, requirements that nobody can meet, queues that nothing
// leads into, SLA policies that never apply. The errors where there are any, else the warnings, in
// the order of the configuration.
std::vector<PolicyFinding> CheckPolicy(const config::v1::WorkspaceConfig& config);

}  // namespace wissel::routing
