#include "tests/chaos/run.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "tests/chaos/agents.h"
#include "tests/chaos/checkers.h"
#include "tests/chaos/customers.h"
#include "tests/chaos/leaks.h"
#include "tests/chaos/log_follower.h"
#include "tests/chaos/mail_customers.h"
#include "tests/chaos/office.h"
#include "tests/chaos/report.h"
#include "tests/chaos/schedule.h"
#include "tests/chaos/work.h"
#include "tests/stubs/graph/graph_stub.h"

namespace wissel::chaos {
namespace {

using Fault = stubs::GraphStub::Fault;

constexpr absl::Duration kReady = absl::Seconds(60);
constexpr absl::Duration kQuiet = absl::Seconds(120);
constexpr absl::Duration kTick = absl::Milliseconds(20);
// A zombie's session is over for certain.
constexpr absl::Duration kPause = absl::Seconds(5);
static_assert(kPause > kSessionTimeout);

const std::vector<std::string>& Routers() {
  static const std::vector<std::string> names = {"router-1", "router-2"};
  return names;
}

std::vector<std::string> Services(bool mail) {
  std::vector<std::string> names = {"router-1",  "router-2",  "ingest-1",  "ingest-2",
                                    "deliver",   "deliver-2", "gateway-1", "gateway-2",
                                    "projector", "history",   "admin"};
  if (mail) names.insert(names.end(), {"mail-ingest", "mail-deliver-1", "mail-deliver-2"});
  return names;
}

// "12: 8 × UNAVAILABLE, 4 × …"
std::string ToString(const Agents::Reasons& reasons) {
  int64_t sum = 0;
  std::vector<std::string> each;
  for (const auto& [reason, count] : reasons) {
    sum += count;
    each.push_back(absl::StrCat(count, " × ", reason));
  }
  return absl::StrCat(sum, each.empty() ? "" : ": ", absl::StrJoin(each, ", "));
}

// One run, from the empty stage to the judgement.
class ChaosRun {
 public:
  explicit ChaosRun(const RunOptions& options)
      : options_(options), services_(Services(options.stage.mail.has_value())) {}

  absl::StatusOr<bool> Go() {
    const absl::Time begin = absl::Now();
    WISSEL_RETURN_IF_ERROR(SetUp());
    Say(absl::StrFormat("seed %d: %d messages in %s", options_.seed, options_.messages,
                        absl::FormatDuration(options_.duration)));
    const std::vector<Incident> schedule = MakeSchedule({.seed = options_.seed,
                                                         .duration = options_.duration,
                                                         .processes = services_,
                                                         .pausable = Routers(),
                                                         .pause = kPause});
    for (const Incident& incident : schedule) Say(absl::StrCat("  ", incident.ToString()));
    Suffer(schedule);
    Mend();
    config_version_ = office_->Close();
    WISSEL_RETURN_IF_ERROR(AwaitQuiet());
    WISSEL_ASSIGN_OR_RETURN(std::vector<HeldState> held, CollectStates());
    WISSEL_RETURN_IF_ERROR(stage_->FlushRedis());
    WISSEL_RETURN_IF_ERROR(AwaitStreams());
    WISSEL_ASSIGN_OR_RETURN(std::vector<HeldState> rebuilt, AwaitViews());
    checkpoints_ += rebuilt.size();
    std::move(rebuilt.begin(), rebuilt.end(), std::back_inserter(held));
    office_->LookUpAll();
    return Judge(held, absl::Now() - begin);
  }

 private:
  absl::Status SetUp() {
    WISSEL_ASSIGN_OR_RETURN(
        graph_, stubs::GraphStub::Start({.access_token = std::string(Stage::access_token()),
                                         .app_secret = std::string(Stage::app_secret()),
                                         .send_statuses = true,
                                         .seed = options_.seed}));
    StageOptions stage = options_.stage;
    stage.graph_url = graph_->base_url();
    WISSEL_ASSIGN_OR_RETURN(stage_, Stage::Set(stage));
    WISSEL_ASSIGN_OR_RETURN(follower_, LogFollower::Start(stage_->bus()));
    WISSEL_RETURN_IF_ERROR(stage_->StartRouter("router-1"));
    WISSEL_RETURN_IF_ERROR(stage_->StartRouter("router-2"));
    WISSEL_RETURN_IF_ERROR(stage_->StartProjector("projector"));
    WISSEL_RETURN_IF_ERROR(stage_->StartIngest("ingest-1"));
    WISSEL_RETURN_IF_ERROR(stage_->StartIngest("ingest-2"));
    WISSEL_RETURN_IF_ERROR(stage_->StartDeliver("deliver"));
    WISSEL_RETURN_IF_ERROR(stage_->StartDeliver("deliver-2"));
    WISSEL_RETURN_IF_ERROR(stage_->StartGateway("gateway-1"));
    WISSEL_RETURN_IF_ERROR(stage_->StartGateway("gateway-2"));
    WISSEL_RETURN_IF_ERROR(stage_->StartHistory("history"));
    WISSEL_RETURN_IF_ERROR(stage_->StartAdmin("admin"));
    if (stage.mail) {
      // A second reader of the mailboxes would hide what the first loses.
      WISSEL_RETURN_IF_ERROR(stage_->StartEmail("mail-ingest", "ingest"));
      WISSEL_RETURN_IF_ERROR(stage_->StartEmail("mail-deliver-1", "deliver"));
      WISSEL_RETURN_IF_ERROR(stage_->StartEmail("mail-deliver-2", "deliver"));
    }
    for (const std::string& name : services_) {
      WISSEL_RETURN_IF_ERROR(stage_->fleet().WaitReady(name, kReady));
    }
    graph_->SetWebhookUrl(stage_->webhook_urls()[0]);
    graph_->SetManners({.repeat = 0.1, .max_delay = absl::Milliseconds(300)});
    // Before that an agent's first commands would be refused: nobody knows the agent yet.
    const Timeout limit(kReady);
    while (follower_->config_version() == 0) {
      if (limit.Expired()) return absl::UnavailableError("the configuration is not in force");
      absl::SleepFor(kTick);
    }
    WISSEL_ASSIGN_OR_RETURN(std::vector<AgentSeat> seats, stage_->Seats());
    seats_ = static_cast<int>(seats.size());
    agents_ = std::make_unique<Agents>(AgentsOptions{
        .seed = options_.seed, .seats = std::move(seats), .gateways = stage_->gateways()});
    while (agents_->connected() < seats_ || agents_->pending_commands() > 0) {
      if (limit.Expired()) return absl::UnavailableError("the agents do not get their streams");
      absl::SleepFor(kTick);
    }
    const int mails = stage.mail ? static_cast<int>(options_.messages * kMailShare) : 0;
    if (mails > 0) {
      WISSEL_ASSIGN_OR_RETURN(mail_,
                              MailCustomers::Start({.seed = options_.seed,
                                                    .mails = mails,
                                                    .duration = options_.duration,
                                                    .customers = std::clamp(mails / 10, 4, 60),
                                                    .servers = *stage.mail}));
    }
    customers_ = std::make_unique<Customers>(
        CustomersOptions{.seed = options_.seed,
                         .messages = options_.messages - mails,
                         .duration = options_.duration,
                         .customers = std::clamp(options_.messages / 20, 32, 500),
                         .phone_number_ids = stage_->phone_number_ids(),
                         .app_secret = std::string(Stage::app_secret()),
                         .webhook_urls = stage_->webhook_urls()});
    WISSEL_ASSIGN_OR_RETURN(std::string supervisor, stage_->Token("supervisor"));
    WISSEL_ASSIGN_OR_RETURN(std::string admin, stage_->Token("admin"));
    office_ = std::make_unique<Office>(OfficeOptions{.seed = options_.seed,
                                                     .history = stage_->history(),
                                                     .admin = stage_->admin(),
                                                     .supervisor_token = std::move(supervisor),
                                                     .admin_token = std::move(admin)});
    return absl::OkStatus();
  }

  // Lets the incidents happen, and the customers finish.
  void Suffer(const std::vector<Incident>& schedule) {
    start_ = absl::Now();
    std::vector<Incident> ahead = schedule;
    const Timeout limit(options_.duration + absl::Minutes(3));
    while (!limit.Expired() && (!ahead.empty() || !CustomersDone())) {
      for (const Incident& incident : std::exchange(ahead, {})) {
        if (start_ + incident.at <= absl::Now()) {
          Begin(incident);
        } else {
          ahead.push_back(incident);
        }
      }
      for (Incident& incident : std::exchange(postponed_, {})) ahead.push_back(std::move(incident));
      Tend();
      absl::SleepFor(kTick);
    }
    if (!CustomersDone()) Note(absl::DeadlineExceededError("the customers could not finish"));
    if (!ahead.empty()) {
      Note(absl::DeadlineExceededError(absl::StrCat(ahead.size(), " incidents did not happen")));
    }
  }

  bool CustomersDone() const { return customers_->done() && (mail_ == nullptr || mail_->done()); }

  void Begin(const Incident& incident) {
    using Kind = Incident::Kind;
    Fleet& fleet = stage_->fleet();
    const absl::Time end = absl::Now() + incident.lasts;
    switch (incident.kind) {
      case Kind::kKill:
        if (Postponed(incident)) return;
        fleet.Kill(incident.target);
        ++kills_[incident.target];
        endings_.emplace(end,
                         [this, name = incident.target] { Note(stage_->fleet().Restart(name)); });
        break;
      case Kind::kPause:
        if (Postponed(incident)) return;
        fleet.Pause(incident.target);
        endings_.emplace(end, [this, name = incident.target] { stage_->fleet().Resume(name); });
        break;
      case Kind::kRestartBroker:
        BrokerGoes({"restart", "kafka"});
        break;
      case Kind::kKillBroker:
        BrokerGoes({"kill", "kafka"});
        break;
      case Kind::kFlushRedis:
        Note(stage_->FlushRedis());
        break;
      case Kind::kProviderErrors:
        ProviderTurns({.kind = Fault::Kind::kError, .status = 500}, 0.3, end);
        break;
      case Kind::kProviderHangs:
        ProviderTurns({.kind = Fault::Kind::kHangAfterAccept}, 0.05, end);
        break;
      case Kind::kProviderDeaf:
        ProviderTurns({.kind = Fault::Kind::kHangBeforeAccept}, 0.05, end);
        break;
      case Kind::kProviderSlow:
        ProviderTurns({.kind = Fault::Kind::kDelay, .delay = absl::Milliseconds(800)}, 0.3, end);
        break;
    }
    ++incidents_[incident.kind];
  }

  // What is paused or down has its trouble already: this one comes a second later.
  bool Postponed(const Incident& incident) {
    const Fleet& fleet = stage_->fleet();
    if (fleet.Runs(incident.target) && !fleet.IsPaused(incident.target)) return false;
    postponed_.push_back(incident);
    postponed_.back().at = absl::Now() - start_ + absl::Seconds(1);
    return true;
  }

  void BrokerGoes(std::vector<std::string> how) {
    broker_.push_back(StartThread("broker", [this, how = std::move(how)] {
      Note(stage_->Stack(how));
      if (how[0] == "kill") Note(stage_->Stack({"up", "--kafka"}));
    }));
  }

  void ProviderTurns(const Fault& fault, double share, absl::Time end) {
    graph_->FailAtRandom(fault, share);
    endings_.emplace(end, [this] { graph_->FailAtRandom({}, 0); });
  }

  // Ends what is over, and brings back what fell by itself, which is remembered.
  void Tend() {
    while (!endings_.empty() && endings_.begin()->first <= absl::Now()) {
      endings_.begin()->second();
      endings_.erase(endings_.begin());
    }
    for (std::string& fallen : stage_->fleet().TakeFallen()) {
      Say(absl::StrCat("fell by itself: ", fallen));
      Note(stage_->fleet().Restart(fallen.substr(0, fallen.find(':'))));
      fallen_.push_back(std::move(fallen));
    }
  }

  void Mend() {
    for (auto& [time, end] : endings_) end();
    endings_.clear();
    broker_.clear();
    Tend();
  }

  // Until everything acknowledged is in the log, and nothing is under way any more.
  absl::Status AwaitQuiet() {
    const absl::Time begin = absl::Now();
    const Timeout limit(kQuiet);
    graph_->WaitForWebhooks(kQuiet);
    std::string missing;
    bool quiet = false;
    while (!quiet && !limit.Expired()) {
      Tend();
      int64_t absent = 0;
      for (const CustomerMessage& message : customers_->messages()) {
        absent += message.acknowledged && !follower_->HasMessage(message.provider_message_id);
      }
      const int64_t mails = MailsUnderWay();
      const int64_t open = follower_->open_replies();
      const int64_t pending = agents_->pending_commands();
      const int64_t waiting = follower_->waiting();
      const int64_t configs = config_version_ - follower_->config_version();
      missing =
          absl::StrCat(absent, " messages, ", open, " answers, ", pending, " commands, ", waiting,
                       " conversations waiting, ", configs, " configurations, ", mails, " mails");
      quiet = absent + open + pending + waiting + mails == 0 && configs <= 0;
      if (!quiet) absl::SleepFor(absl::Milliseconds(200));
    }
    Say(absl::StrFormat("quiet after %.1f s; still missing: %s",
                        absl::ToDoubleSeconds(absl::Now() - begin), missing));
    if (!quiet) Note(absl::DeadlineExceededError(absl::StrCat("not quiet in time: ", missing)));
    return absl::OkStatus();
  }

  // Written and not in the log, or answers that a server has taken and no mailbox has.
  int64_t MailsUnderWay() const {
    if (mail_ == nullptr) return 0;
    int64_t under_way = 0;
    for (const CustomerMessage& mail : mail_->mails()) {
      under_way += mail.acknowledged && !follower_->HasMessage(mail.provider_message_id);
    }
    for (const std::string& outbound_id : follower_->mails_sent()) {
      under_way += !mail_->Has(outbound_id);
    }
    return under_way;
  }

  absl::Status AwaitStreams() {
    WISSEL_RETURN_IF_ERROR(follower_->CatchUp());
    reach_ = follower_->ends();
    const Timeout limit(absl::Seconds(30));
    while (!agents_->Reached(reach_) && !limit.Expired()) {
      Tend();
      absl::SleepFor(kTick);
    }
    return absl::OkStatus();
  }

  // The checkpoints that were made anew after a FLUSHALL, once they, and the views that move
  // together with them, are as far as the streams are.
  absl::StatusOr<std::vector<HeldState>> AwaitViews() {
    const Timeout limit(absl::Seconds(60));
    for (;;) {
      Tend();
      absl::StatusOr<std::vector<HeldState>> found = stage_->Checkpoints();
      if (found.ok() && std::all_of(found->begin(), found->end(), [this](const HeldState& held) {
            return held.next_offset >= reach_[static_cast<size_t>(held.partition)];
          })) {
        for (HeldState& held : *found) held.holder = kCheckpointAfterFlush;
        return found;
      }
      if (limit.Expired()) return absl::UnavailableError("the views do not follow the log");
      absl::SleepFor(absl::Milliseconds(200));
    }
  }

  // The routers' states once every partition is somebody's again, or as it is after the time: one
  // that was killed last may still be on its way.
  absl::StatusOr<std::vector<HeldState>> AwaitRouterStates() {
    const Timeout limit(absl::Seconds(60));
    for (;;) {
      Tend();
      absl::StatusOr<std::vector<HeldState>> held = stage_->RouterStates(Routers());
      std::set<int32_t> owned;
      if (held.ok()) {
        for (const HeldState& h : *held) owned.insert(h.partition);
      }
      if (owned.size() == kPartitions || limit.Expired()) return held;
      absl::SleepFor(absl::Milliseconds(200));
    }
  }

  // What routers and checkpoints hold.
  absl::StatusOr<std::vector<HeldState>> CollectStates() {
    WISSEL_ASSIGN_OR_RETURN(std::vector<HeldState> all, AwaitRouterStates());
    router_states_ = all.size();
    const Timeout limit(absl::Seconds(60));
    for (;;) {
      Tend();
      absl::StatusOr<std::vector<HeldState>> found = stage_->Checkpoints();
      if (found.ok()) {
        for (HeldState& held : *found) held.holder = kCheckpoint;
        checkpoints_ += found->size();
        std::move(found->begin(), found->end(), std::back_inserter(all));
        return all;
      }
      if (limit.Expired()) return found.status();
      absl::SleepFor(absl::Milliseconds(200));
    }
  }

  // What the services' logs must not have; each has one.
  std::vector<std::string> Leaks() {
    const std::vector<Secret> secrets = stage_->Secrets();
    std::vector<std::string> leaks;
    for (const std::string& name : services_) {
      const absl::StatusOr<std::string> log = stage_->fleet().Log(name);
      Note(log.status());
      if (!log.ok()) continue;
      searched_ += log->size();
      std::vector<std::string> found = FindLeaks(name, *log, secrets);
      std::move(found.begin(), found.end(), std::back_inserter(leaks));
    }
    return leaks;
  }

  absl::StatusOr<bool> Judge(const std::vector<HeldState>& held, absl::Duration took) {
    // Before the agents leave by themselves.
    const Agents::Reasons lost = agents_->lost(), refused = agents_->refused();
    History history{.messages = customers_->messages(),
                    .transcripts = agents_->Finish(),
                    .streams_reach = reach_};
    WISSEL_RETURN_IF_ERROR(follower_->CatchUp());
    for (const stubs::GraphStub::Accepted& accepted : graph_->book()) {
      history.book.push_back(accepted.outbound_id);
    }
    history.log = follower_->Finish();
    office_->AddTo(history);
    const size_t messages = history.messages.size();
    if (mail_ != nullptr) WISSEL_RETURN_IF_ERROR(mail_->AddTo(history));
    Violations violations = CheckHistory(history);
    for (Violations more : {CheckServed(history), CheckStates(history, held), CheckTold(history),
                            CheckConfigs(history)}) {
      std::move(more.begin(), more.end(), std::back_inserter(violations));
    }
    const std::vector<std::string> leaks = Leaks();
    const std::vector<std::string> missing =
        MissingWork(history, held, {.messages = options_.messages, .mail = mail_ != nullptr});

    std::vector<std::string> counts;
    for (const auto& [kind, count] : incidents_) {
      counts.push_back(absl::StrCat(count, " × ", IncidentName(kind)));
    }
    Say(absl::StrCat("incidents: ", absl::StrJoin(counts, ", ")));
    Say(absl::StrCat("  killed: ", absl::StrJoin(kills_, ", ", absl::PairFormatter(" "))));
    Say(absl::StrCat("customers: ", messages, " messages, ", customers_->acknowledged(),
                     " acknowledged, by ", customers_->webhooks(), " webhooks, of which ",
                     customers_->refused(), " not answered with 200"));
    Say(absl::StrCat("log: ", follower_->messages(), " messages in ", follower_->decisions(),
                     " decisions, ", follower_->claims(),
                     " claims; void: ", follower_->void_decisions(), " decisions, ",
                     follower_->void_claims(), " claims"));
    std::vector<std::string> deliveries;
    for (const auto& [state, count] : follower_->replies_by_state()) {
      deliveries.push_back(absl::StrCat(
          receipt::v1::DeliveryState_Name(static_cast<receipt::v1::DeliveryState>(state))
              .substr(15),
          " ", count));
    }
    Say(absl::StrCat("answers: ", follower_->replies(), " in the log, ", history.book.size(),
                     " accepted by the provider (", absl::StrJoin(deliveries, ", "), ")"));
    if (mail_ != nullptr) Say(MailFigures(history, messages));
    size_t shown = 0;
    for (const Transcript& transcript : history.transcripts) {
      for (const Stretch& stretch : transcript.stretches) shown += stretch.shown.size();
    }
    Say(absl::StrCat("agents: ", seats_, " streams showed ", shown, " decisions, ",
                     agents_->snapshots(), " snapshots, ", agents_->commands(), " commands"));
    Say(absl::StrCat("  streams lost: ", ToString(lost)));
    Say(absl::StrCat("  attempts without a stream: ", ToString(refused)));
    const auto count_told = [&](const auto& which) {
      return std::count_if(history.told.begin(), history.told.end(), which);
    };
    Say(absl::StrCat("history: ", count_told([](const Told& told) { return !told.in_peace; }),
                     " looks at a conversation while things broke, ",
                     count_told([](const Told& told) { return told.whole; }),
                     " read whole at the end"));
    std::map<absl::StatusCode, int> attempts;
    for (const ConfigAttempt& attempt : history.config_attempts) ++attempts[attempt.status.code()];
    Say(absl::StrCat("configurations: ", attempts[absl::StatusCode::kOk], " accepted, ",
                     attempts[absl::StatusCode::kFailedPrecondition], " came too late, ",
                     attempts[absl::StatusCode::kUnavailable], " with an open end; version ",
                     history.config_in_force.version(), " in force"));
    Say(absl::StrCat("  history or admin not reached: ", office_->unreachable()));
    Say(absl::StrCat("states compared with the log's fold: ", router_states_, " of routers, ",
                     checkpoints_, " checkpoints, half of them after FLUSHALL"));
    for (const std::string& fallen : fallen_) Say(absl::StrCat("fell by itself: ", fallen));
    for (const std::string& note : notes_) Say(absl::StrCat("trouble: ", note));
    for (const std::string& what : missing) Say(absl::StrCat("too little was done: ", what));
    constexpr size_t kShown = 10;
    for (size_t i = 0; i < std::min(leaks.size(), kShown); ++i) {
      Say(absl::StrCat("in a log: ", leaks[i]));
    }
    Say(absl::StrCat("services' logs: ", searched_, " bytes, ", leaks.size(),
                     " lines with what somebody wrote, or a secret"));
    PrintVerdict(violations);
    Say(absl::StrFormat("seed %d, %.1f s", options_.seed, absl::ToDoubleSeconds(took)));
    return violations.empty() && fallen_.empty() && notes_.empty() && missing.empty() &&
           leaks.empty();
  }

  // `first`: the mails are those of the messages from there on.
  std::string MailFigures(const History& history, size_t first) const {
    int64_t taken = 0, answers = 0;
    for (size_t i = first; i < history.messages.size(); ++i) {
      taken += history.messages[i].acknowledged;
      answers += !history.messages[i].answers.empty();
    }
    std::set<std::string> arrived;
    for (const ArrivedMail& mail : history.arrived) arrived.insert(mail.outbound_id);
    return absl::StrCat("mail: ", history.messages.size() - first, " mails, ", taken, " taken in ",
                        mail_->submissions(), " submissions, ", mail_->refused(),
                        " not answered with 250; ", answers, " answer an answer; ", arrived.size(),
                        " answers arrived, ", history.arrived.size() - arrived.size(),
                        " second copies; outcomes uncertain: ", follower_->uncertain_mails());
  }

  void Note(const absl::Status& status) {
    if (status.ok()) return;
    MutexLock lock(mutex_);
    notes_.push_back(status.ToString());
  }

  const RunOptions& options_;
  const std::vector<std::string> services_;
  std::unique_ptr<stubs::GraphStub> graph_;
  std::unique_ptr<Stage> stage_;
  std::unique_ptr<LogFollower> follower_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Customers> customers_;
  std::unique_ptr<MailCustomers> mail_;
  std::unique_ptr<Office> office_;
  int seats_ = 0;

  absl::Time start_;
  std::vector<Incident> postponed_;
  std::multimap<absl::Time, std::function<void()>> endings_;
  std::map<Incident::Kind, int> incidents_;
  std::map<std::string, int> kills_;
  std::vector<std::string> fallen_;
  std::vector<int64_t> reach_;
  int64_t config_version_ = 0;
  size_t router_states_ = 0;
  size_t checkpoints_ = 0;
  size_t searched_ = 0;  // Bytes of logs.

  Mutex mutex_;
  std::vector<std::string> notes_;

  std::vector<std::jthread> broker_;
};

}  // namespace

absl::StatusOr<bool> RunChaos(const RunOptions& options) { return ChaosRun(options).Go(); }

}  // namespace wissel::chaos
