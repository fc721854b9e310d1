#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/routing/sla.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::sim {

// How far something told was from what came.
struct Errors {
  int64_t count = 0;
  double mean_absolute = 0;  // seconds
  double p50 = 0;            // percentiles by nearest rank
  double p90 = 0;
  double bias = 0;  // told less came
};

// Warnings that a first response would be too late.
struct Warnings {
  int64_t said = 0;
  // Said of conversations whose target was then missed; and those of them that came while half of
  // the target was left, or a third, in the time of its calendar.
  int64_t right = 0;
  int64_t with_half_left = 0;
  int64_t with_third_left = 0;
  // Mean time from such a warning to the moment the target was missed, by the clock on the wall.
  absl::Duration lead;
};

// How the expected waits and forecasts of some days compare with what came of them.
struct ForecastReport {
  // Of the conversations that were told a wait as they began to wait: until an agent had them, for
  // those who stayed.
  absl::Duration mean_wait;
  Errors expected_wait;
  // As good as it gets without a model: what the last one had waited who was given to an agent.
  Errors last_wait;

  // Said as a conversation began to wait, whether or not anybody was at work, of those that had a
  // target and whose customer stayed. Not of those of whom it was said, or that had missed the
  // target, before that, on offer: nothing was left to be said.
  struct Bin {
    int64_t count = 0;
    double said = 0;  // sum of probabilities
    int64_t missed = 0;
  };
  std::array<Bin, 10> bins;  // by tenths of the probability
  // Mean squared difference of probability and outcome; and that of saying the base rate always.
  double brier = 0;
  double brier_of_base_rate = 0;

  // Of all conversations of which the run saw what became: those with a target for the first
  // response, and those who missed it.
  int64_t with_target = 0;
  int64_t missed = 0;
  Warnings forecast;
  // At a fixed share of the target: chosen so that about as many warnings are said, and so that
  // those which are right come about as early.
  Warnings as_many;
  double as_many_share = 0;
  Warnings as_early;
  double as_early_share = 0;
};

// Judges forecasts by running each day twice: once with every probability said, to see whether they
// are right, and once with the threshold of a warning. That changes nothing in what happens: what
// is told decides nothing. Not thread-safe.
class ForecastStudy {
 public:
  // `percent`: from which probability on a warning counts, 1 to 100.
  ForecastStudy(config::v1::WorkspaceConfig config, int32_t percent);

  // The configurations to run a day with; each run's decisions go to the reader beside it.
  config::v1::WorkspaceConfig SayingAll() const;
  config::v1::WorkspaceConfig Warning() const;
  void ReadSayingAll(const log::v1::Decision& decision) { all_.Read(decision); }
  void ReadWarning(const log::v1::Decision& decision) { warning_.Read(decision); }
  // The next decisions are of another day.
  void EndDay();

  ForecastReport Report() const;

 private:
  struct Conversation {
    absl::Time arrival;
    // From here on unset until it has happened.
    std::optional<absl::Time> asked;          // began to wait
    std::optional<absl::Duration> expected;   // told then
    std::optional<absl::Duration> last_wait;  // known then
    std::optional<double> said;               // then
    std::optional<absl::Time> with_agent;
    std::optional<absl::Time> answered;
    std::optional<absl::Time> left;
    std::optional<absl::Duration> target;
    routing::Calendar calendar = routing::Calendar::Always();
    std::optional<absl::Time> warned;
    std::optional<absl::Time> missed;
    std::string queue_id;

    bool Over(absl::Time at) const {
      return (answered && *answered <= at) || (left && *left <= at);
    }
    // False: what becomes of it the run's end has cut off.
    bool IsKnown() const { return missed || answered || left; }
  };
  using Policies = std::map<std::string, std::shared_ptr<const routing::SlaPolicy>>;

  // What the log says of each conversation's first wait.
  class Reader {
   public:
    explicit Reader(Policies policies) : policies_(std::move(policies)) {}
    void Read(const log::v1::Decision& decision);
    void EndDay();
    const std::vector<Conversation>& conversations() const { return conversations_; }

   private:
    void Read(const conversation::v1::Event& event, absl::Time now);
    Conversation* Find(const std::string& id);

    const Policies policies_;
    std::vector<Conversation> conversations_;
    absl::flat_hash_map<std::string, size_t> places_;
    absl::flat_hash_map<std::string, absl::Duration> last_waits_;  // by queue
  };

  Warnings FixedWarnings(double share) const;

  const config::v1::WorkspaceConfig config_;
  int32_t percent_;
  Reader all_;
  Reader warning_;
};

}  // namespace wissel::sim
