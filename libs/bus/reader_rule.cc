#include "libs/bus/reader_rule.h"

#include <algorithm>
#include <optional>

namespace wissel::bus {
namespace {

using internal::Clause;

class Rule {
 public:
  Rule(std::optional<Clause> left_out, int64_t offset, RuleState& state)
      : left_out_(left_out), offset_(offset), state_(state) {}

  Verdict Claim(const RecordStamp& claim) {
    const bool possible = claim.epoch >= 1 && claim.epoch <= offset_ + 1;
    if (Holds(Clause::kClaimEpochPossible) && !possible) return Verdict::kImpossibleEpoch;
    if (Holds(Clause::kClaimEpochRises) && claim.epoch <= state_.epoch) return Verdict::kStaleEpoch;
    const bool firm = state_.footing == Footing::kFirm || claim.epoch > state_.epoch_bound ||
                      !Holds(Clause::kFirmNeedsProof);
    state_.footing = firm ? Footing::kFirm : Footing::kProvisional;
    state_.epoch = claim.epoch;
    state_.epoch_bound = firm ? 0 : std::max(state_.epoch_bound, claim.epoch);
    state_.claim_offset = offset_;
    state_.next_sequence = 1;
    state_.owner = claim.owner;
    return firm ? Verdict::kValid : Verdict::kProvisionalClaim;
  }

  Verdict Decision(const RecordStamp& decision) {
    if (Holds(Clause::kDecisionNamesClaim)) {
      if (state_.claim_offset < 0 || decision.epoch != state_.epoch ||
          decision.claim_offset != state_.claim_offset) {
        if (state_.footing != Footing::kFirm) return Verdict::kNoFooting;
        if (decision.epoch < state_.epoch) return Verdict::kStaleEpoch;
        if (decision.epoch > state_.epoch) return Verdict::kUnclaimedEpoch;
        return Verdict::kStaleClaim;
      }
    }
    if (Holds(Clause::kSequenceIsNext)) {
      if (decision.sequence < state_.next_sequence) return Verdict::kRepeated;
      if (decision.sequence > state_.next_sequence) return Verdict::kGap;
    }
    ++state_.next_sequence;
    state_.footing = Footing::kFirm;
    state_.epoch_bound = 0;
    return Verdict::kValid;
  }

 private:
  bool Holds(Clause clause) const { return left_out_ != clause; }

  const std::optional<Clause> left_out_;
  const int64_t offset_;
  RuleState& state_;
};

Verdict Apply(std::optional<Clause> left_out, const RecordStamp& stamp, int64_t offset,
              RuleState& state) {
  Rule rule(left_out, offset, state);
  switch (stamp.kind) {
    case RecordKind::kGarbage:
      return Verdict::kGarbage;
    case RecordKind::kClaim:
      return rule.Claim(stamp);
    case RecordKind::kDecision:
      return rule.Decision(stamp);
  }
  return Verdict::kGarbage;
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kValid:
      return "valid";
    case Verdict::kGarbage:
      return "garbage";
    case Verdict::kStaleEpoch:
      return "stale_epoch";
    case Verdict::kImpossibleEpoch:
      return "impossible_epoch";
    case Verdict::kUnclaimedEpoch:
      return "unclaimed_epoch";
    case Verdict::kStaleClaim:
      return "stale_claim";
    case Verdict::kRepeated:
      return "repeated";
    case Verdict::kGap:
      return "gap";
    case Verdict::kProvisionalClaim:
      return "provisional_claim";
    case Verdict::kNoFooting:
      return "no_footing";
  }
  return "";
}

RuleState InitialRuleState(int64_t start_offset) {
  RuleState state;
  if (start_offset > 0) {
    state.footing = Footing::kNone;
    state.epoch_bound = start_offset;
  }
  return state;
}

Verdict ApplyRule(const RecordStamp& stamp, int64_t offset, RuleState& state) {
  return Apply(std::nullopt, stamp, offset, state);
}

int64_t EpochToClaim(const RuleState& state, int64_t end_offset) {
  return (state.footing == Footing::kFirm ? state.epoch : end_offset) + 1;
}

namespace internal {

Verdict ApplyRuleWithout(Clause left_out, const RecordStamp& stamp, int64_t offset,
                         RuleState& state) {
  return Apply(left_out, stamp, offset, state);
}

}  // namespace internal
}  // namespace wissel::bus
