#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/config/binder.h"
#include "libs/sim/behaviour.h"
#include "libs/sim/random.h"
#include "libs/sim/simulation.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::sim {

// From this hour of the day on, arrivals come so many times as often, until the next entry.
struct DayShape {
  int from_hour = 0;
  double times = 1;
  void Describe(config::Binder& b);
};

struct Burst {
  absl::Duration at;
  absl::Duration lasts;
  double times = 1;
  void Describe(config::Binder& b);
};

// Something that holds of a share of the customers.
struct ValueShare {
  std::string value;
  double share = 0;
  void Describe(config::Binder& b);
};

struct CentsShare {
  int64_t cents = 0;
  double share = 0;
  void Describe(config::Binder& b);
};

// What the shop knows of them: message.v1.ContactFacts, drawn for each customer.
struct FactShares {
  std::vector<ValueShare> tiers;
  std::vector<ValueShare> tags;
  std::vector<CentsShare> lifetime_values;
  std::vector<ValueShare> order_states;
  void Describe(config::Binder& b);
};

// One kind of customer.
struct Arrivals {
  std::string name;
  std::string account;
  std::string language;
  std::string text = "A question about my order.";
  double per_hour = 0;
  std::vector<DayShape> shape;
  std::vector<Burst> bursts;
  std::optional<Distribution> patience;
  FactShares facts;
  void Describe(config::Binder& b);

  // No rate of a moment is higher: conversations an hour.
  double TopRate() const;
};

// How long conversations take, for those it fits.
struct Handling {
  std::string arrivals;
  std::string channel;
  std::string language;
  // Empty: whoever handles it. Else only agents who have it so well.
  std::string skill;
  int proficiency = 1;
  Distribution time{.mean = absl::Minutes(5)};
  double customer_turns = 0;
  Distribution reply_delay{.mean = absl::Minutes(1)};
  void Describe(config::Binder& b);
};

struct Break {
  std::string from;
  std::string to;
  std::string reason = "break";
  void Describe(config::Binder& b);
};

struct Shift {
  std::vector<std::string> agents;
  std::string from = "00:00";
  std::string to = "24:00";
  std::vector<Break> breaks;
  void Describe(config::Binder& b);
};

struct Disconnects {
  double per_hour = 0;
  Distribution lasts{.mean = absl::Seconds(20)};
  void Describe(config::Binder& b);
};

// How agents work.
struct Habits {
  Distribution accept{.mean = absl::Seconds(5)};
  double missed_share = 0;
  double declined_share = 0;
  absl::Duration back_after = absl::Minutes(5);
  Disconnects disconnects;
  void Describe(config::Binder& b);
};

// Copies of an agent of the configuration, named agent-2, agent-3 and so on.
struct More {
  std::string like;
  int copies = 1;
  void Describe(config::Binder& b);
};

struct Targets {
  absl::Duration service_level = absl::Seconds(60);
  absl::Duration first_response = absl::Minutes(15);
  void Describe(config::Binder& b);
};

// A day to be simulated, as its file tells it.
struct Scenario {
  std::string name;
  std::string workspace_file;
  std::string start = "2026-03-02T00:00:00Z";
  absl::Duration length = absl::Hours(24);
  absl::Duration warm_up;
  int64_t seed = 1;
  std::string time_zone = "UTC";
  Targets targets;
  std::vector<Arrivals> arrivals;
  std::vector<Handling> handling;
  Habits agents;
  std::vector<Shift> shifts;
  std::vector<More> more_agents;

  void Describe(config::Binder& b);

  // Of `start` and `time_zone`; known to be good once the scenario was checked.
  absl::Time StartTime() const;
  absl::TimeZone Zone() const;
};

// 1 to 10; 0 where the agent does not have the skill.
int Proficiency(const config::v1::Agent& agent, absl::string_view skill);

// Minutes since midnight of a time of day such as "08:30"; "24:00" is 1440. Nothing where it is
// none.
std::optional<int> MinuteOfDay(absl::string_view text);

// Reads a scenario. `name` stands for the file in errors: INVALID_ARGUMENT, a line each,
// "file:line: key: what was expected".
absl::StatusOr<Scenario> ParseScenario(absl::string_view yaml, absl::string_view name);

// Adds the scenario's further agents to the configuration, and says what in the scenario does not
// fit it: as ParseScenario, whose `yaml` it needs for the lines.
absl::Status FitScenario(const Scenario& scenario, absl::string_view yaml, absl::string_view name,
                         config::v1::WorkspaceConfig& config);

// What the scenario says of a run of the configuration that it was fitted to.
SimulationOptions OptionsOf(const Scenario& scenario, const config::v1::WorkspaceConfig& config);

// The customers and agents of a scenario. Which customers come, how long they take and how long
// they wait depends on the seed alone, not on the policy; how an agent reacts to a conversation's
// n-th offer neither. Both arguments must outlive it.
std::unique_ptr<Behaviour> DrawBehaviour(const Scenario& scenario,
                                         const config::v1::WorkspaceConfig& config, uint64_t seed);

}  // namespace wissel::sim
