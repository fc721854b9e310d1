#include "libs/domain/testing_rich.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing.h"

namespace wissel::domain::testing {

config::v1::WorkspaceConfig RichConfig(int64_t version) {
  config::v1::WorkspaceConfig config = ShopConfig(version);
  config::v1::Calendar& calendar = *config.add_calendars();
  calendar.set_calendar_id("office");
  calendar.set_time_zone("Europe/Amsterdam");
  config::v1::CalendarWindow& window = *calendar.add_windows();
  for (int day = 1; day <= 7; ++day) window.add_days(day);
  window.set_open("08:00");
  window.set_close("22:00");
  config::v1::SlaPolicy& policy = *config.add_sla_policies();
  policy.set_sla_policy_id("standard");
  policy.set_calendar_id("office");
  policy.add_warn_percents(50);
  for (int metric = 1; metric <= 5; ++metric) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(static_cast<config::v1::SlaMetric>(metric));
    // With most versions tighter.
    *target.mutable_target() = ToProto(absl::Seconds(20 * metric + (100 - 7 * version) % 19));
    config::v1::EscalationStep& step = *policy.add_escalation_steps();
    step.set_metric(target.metric());
    step.set_percent(50 * metric);
    if (metric == 1) step.set_add_priority_points(10);
    if (metric == 2) step.set_relax_steps(1);
    if (metric == 3) step.set_overflow_to_queue_id("nl");
    if (metric == 4) step.set_tell_supervisors(true);
    if (metric == 5) step.set_add_priority_points(5);
  }
  config::v1::SlaPolicy& english = *config.add_sla_policies();
  english = policy;
  english.set_sla_policy_id("english");
  english.clear_calendar_id();
  english.add_queue_ids("en");
  english.set_bot_answers_count(true);
  for (config::v1::SlaTarget& target : *english.mutable_targets()) {
    *target.mutable_target() = ToProto(FromProto(target.target()) / 2);
  }
  config.mutable_sla_policies()->SwapElements(0, 1);
  config.mutable_priority()->add_sla_proximity()->set_percent(60);
  config.mutable_priority()->mutable_sla_proximity(0)->set_points(40);
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    *queue.mutable_sticky_window() = ToProto(absl::Minutes(5));
    *queue.mutable_wrap_up_time() = ToProto(absl::Seconds(3));
    *queue.mutable_owner_limit() = ToProto(absl::Seconds(30));
    queue.set_ageing_points(2);
    *queue.mutable_ageing_interval() = ToProto(absl::Seconds(2));
    queue.set_tell_waiting_time(true);
    queue.set_at_risk_percent(60);
    config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
    *step.mutable_after() = ToProto(absl::Seconds(5));
    step.add_widen_to_queue_ids(queue.queue_id() == "nl" ? "en" : "nl");
    step.add_drop_skill_ids(absl::StrCat("lang:", queue.queue_id()));
    config::v1::OverflowRule& text = *queue.add_overflow_rules();
    *text.mutable_after() = ToProto(absl::Seconds(4));
    text.set_above_waiting(2);
    text.set_send_text("a moment, please");
    config::v1::OverflowRule& anyone = *queue.add_overflow_rules();
    *anyone.mutable_after() = ToProto(absl::Seconds(15));
    anyone.set_to_anyone(true);
  }
  *config.mutable_conversations()->mutable_park_after() = ToProto(absl::Minutes(5));
  *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Minutes(10));
  *config.mutable_conversations()->mutable_forget_after() = ToProto(absl::Minutes(30));
  config.mutable_channels(0)->add_may_interrupt(common::v1::CHANNEL_KIND_EMAIL);
  config::v1::ChannelPolicy& mail = *config.add_channels();
  mail.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  mail.set_weight_units(1);
  return config;
}

config::v1::WorkspaceConfig LaterRichConfig(int64_t version) {
  config::v1::WorkspaceConfig config = RichConfig(version);
  if (version == 1) config.clear_sla_policies();
  return config;
}

namespace {

using common::v1::ChannelKind;

constexpr char kSecondGroup[] = "second";
constexpr const char* kPeople[] = {"anna", "bram", "carol", "dirk", "emma",  "femke",
                                   "guus", "hugo", "iris",  "jan",  "karin", "lotte"};
constexpr const char* kSkills[] = {"lang:nl", "lang:en", "lang:fr", "returns", "payments"};

class Maker {
 public:
  Maker(uint32_t seed, int64_t version)
      : seed_(seed), version_(version), random_(Mixed(seed, 0, version)) {
    std::mt19937 stays(Mixed(seed, 1, 0));
    agents_ = 3 + static_cast<int>(stays() % 10);
    second_ = stays() % 3 != 0;
    for (int i = 0, n = 2 + static_cast<int>(stays() % 3); i < n; ++i) {
      queues_.push_back(absl::StrCat("q", i));
    }
    if (second_) others_ = {"s0"};
    if (second_ && stays() % 2 == 0) others_.push_back("s1");
  }

  config::v1::WorkspaceConfig Make() {
    config_.set_workspace_id(std::string(kWorkspace));
    config_.set_version(version_);
    config_.add_routing_groups()->set_routing_group_id(std::string(kGroup));
    if (second_) config_.add_routing_groups()->set_routing_group_id(kSecondGroup);
    Account(common::v1::CHANNEL_KIND_WHATSAPP, "shop-phone", std::string(kGroup));
    Account(common::v1::CHANNEL_KIND_EMAIL, "shop-mail", std::string(kGroup));
    Account(common::v1::CHANNEL_KIND_CHAT, "shop-chat", std::string(kGroup));
    if (second_) Account(common::v1::CHANNEL_KIND_WHATSAPP, "other-phone", kSecondGroup);
    Calendars();
    Channels();
    for (size_t i = 0; i < queues_.size(); ++i) Queue(queues_, i, std::string(kGroup));
    for (size_t i = 0; i < others_.size(); ++i) Queue(others_, i, kSecondGroup);
    for (int i = 0; i < agents_; ++i) Agent(i);
    SlaPolicies();
    Priority();
    Conversations();
    return std::move(config_);
  }

 private:
  static uint32_t Mixed(uint32_t seed, uint32_t what, int64_t version) {
    std::seed_seq mixed{seed, what, static_cast<uint32_t>(version)};
    uint32_t result = 0;
    mixed.generate(&result, &result + 1);
    return result;
  }

  // From 0 to n - 1.
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint32_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  template <typename Values>
  std::string Any(const Values& values) {
    return std::string(values[static_cast<size_t>(Below(static_cast<int>(std::size(values))))]);
  }
  template <typename Duration>
  static void SetSeconds(Duration* duration, int seconds) {
    *duration = ToProto(absl::Seconds(seconds));
  }
  // What follows is of this piece alone, and in many versions as it was in the first.
  void Begin(uint32_t piece) {
    random_.seed(Mixed(seed_, 100 + piece, version_));
    if (version_ > 1 && OneIn(2)) random_.seed(Mixed(seed_, 100 + piece, 1));
  }

  void Account(ChannelKind kind, const std::string& id, const std::string& group) {
    config::v1::Account& account = *config_.add_accounts();
    account.mutable_account()->set_kind(kind);
    account.mutable_account()->set_account_id(id);
    account.set_routing_group_id(group);
  }

  void Calendars() {
    Begin(0);
    for (const char* id : {"office", "evening"}) {
      config::v1::Calendar& calendar = *config_.add_calendars();
      calendar.set_calendar_id(id);
      calendar.set_time_zone(OneIn(2) ? "Europe/Amsterdam" : "America/New_York");
      config::v1::CalendarWindow& window = *calendar.add_windows();
      for (int day = 1; day <= 7; ++day) {
        if (day == 1 || !OneIn(5)) window.add_days(day);
      }
      window.set_open(OneIn(2) ? "06:00" : "09:30");
      window.set_close(OneIn(2) ? "17:00" : "24:00");
      if (OneIn(2)) continue;
      // The day on which the log begins, or the next.
      config::v1::SpecialDay& special = *calendar.add_special_days();
      special.set_date(OneIn(2) ? "2025-06-15" : "2025-06-16");
      special.set_name("stock-taking");
      if (OneIn(2)) continue;
      config::v1::CalendarWindow& hours = *special.add_windows();
      hours.set_open("15:00");
      hours.set_close("15:30");
    }
  }

  void Channels() {
    Begin(1);
    std::vector<ChannelKind> cheaper;
    for (const ChannelKind kind :
         {common::v1::CHANNEL_KIND_EMAIL, common::v1::CHANNEL_KIND_WHATSAPP,
          common::v1::CHANNEL_KIND_CHAT}) {
      if (OneIn(6)) continue;
      config::v1::ChannelPolicy& channel = *config_.add_channels();
      channel.set_kind(kind);
      channel.set_weight_units(Below(3));
      channel.set_live(kind != common::v1::CHANNEL_KIND_EMAIL && !OneIn(4));
      for (const ChannelKind other : cheaper) {
        if (OneIn(2)) channel.add_may_interrupt(other);
      }
      if (OneIn(3)) channel.set_max_conversations(1 + Below(3));
      cheaper.push_back(kind);
    }
  }

  void Rule(config::v1::QueueRule& rule, const std::string& group) {
    switch (Below(8)) {
      case 0:
        rule.add_account_ids(group == kSecondGroup ? "other-phone" : "shop-chat");
        break;
      case 1:
        rule.add_languages(OneIn(2) ? "nl" : "fr");
        break;
      case 2:
        rule.add_topic_patterns(Any(kTopics));
        break;
      case 3:
        rule.add_contact_tags(Any(kTags));
        break;
      case 4:
        rule.add_contact_tiers(kTiers[1 + Below(2)]);
        break;
      case 5:
        rule.set_min_lifetime_value_cents(5'000 * (1 + Below(2)));
        break;
      case 6:
        rule.add_order_states(kOrderStates[1 + Below(2)]);
        break;
      default:
        (OneIn(2) ? rule.mutable_open_calendar_id() : rule.mutable_closed_calendar_id())
            ->assign(OneIn(2) ? "office" : "evening");
        rule.add_languages("en");
    }
  }

  void Queue(const std::vector<std::string>& of_group, size_t index, const std::string& group) {
    Begin(static_cast<uint32_t>(10 + index + (group == kSecondGroup ? 10 : 0)));
    config::v1::Queue& queue = *config_.add_queues();
    queue.set_queue_id(of_group[index]);
    queue.set_routing_group_id(group);
    if (index + 1 < of_group.size()) {
      for (int i = 1 + Below(2); i > 0; --i) Rule(*queue.add_rules(), group);
    }
    std::vector<config::v1::Skill> required;
    for (const char* skill : kSkills) {
      if (!OneIn(6)) continue;
      config::v1::Skill& added = *queue.add_required_skills();
      added.set_skill_id(skill);
      added.set_proficiency(2 + Below(7));
      required.push_back(added);
    }
    queue.set_strategy(static_cast<config::v1::Strategy>(Below(5)));
    SetSeconds(queue.mutable_offer_timeout(), 5 + Below(30));
    queue.set_max_missed_offers(1 + Below(3));
    queue.set_auto_accept(OneIn(4));
    if (OneIn(3)) queue.set_base_priority(Below(30));
    if (OneIn(2)) SetSeconds(queue.mutable_decline_cooldown(), Below(40));
    if (OneIn(3)) {
      config::v1::PreferredSkill& preferred = *queue.add_preferred_skills();
      preferred.set_skill_id(Any(kSkills));
      preferred.set_weight(1 + Below(5));
    }
    if (OneIn(3)) queue.set_language_proficiency(1 + Below(6));
    Relaxation(queue, required, of_group, group);
    if (OneIn(2)) SetSeconds(queue.mutable_sticky_window(), 300);
    if (OneIn(2)) SetSeconds(queue.mutable_wrap_up_time(), 1 + Below(8));
    Overflow(queue, of_group, index);
    if (OneIn(2)) {
      queue.set_ageing_points(1 + Below(4));
      SetSeconds(queue.mutable_ageing_interval(), 1 + Below(5));
      if (OneIn(2)) queue.set_max_ageing_points(1 + Below(20));
    }
    queue.set_tell_waiting_time(OneIn(2));
    if (OneIn(3)) SetSeconds(queue.mutable_owner_limit(), 5 + Below(60));
    if (OneIn(2)) queue.set_at_risk_percent(30 + Below(60));
  }

  void Relaxation(config::v1::Queue& queue, std::vector<config::v1::Skill>& required,
                  const std::vector<std::string>& of_group, const std::string& group) {
    int after = 0;
    for (int i = Below(4); i > 0; --i) {
      config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
      SetSeconds(step.mutable_after(), after += 1 + Below(8));
      if (!required.empty() && OneIn(2)) {
        config::v1::Skill& skill = required.front();
        if (skill.proficiency() > 1 && OneIn(2)) {
          skill.set_proficiency(skill.proficiency() - 1);
          *step.add_lower_skills() = skill;
        } else if (OneIn(2)) {
          config::v1::SkillAlternative& alternative = *step.add_alternatives();
          alternative.set_skill_id(skill.skill_id());
          alternative.set_or_skill_id(Any(kSkills));
          alternative.set_proficiency(1 + Below(6));
        } else {
          step.add_drop_skill_ids(skill.skill_id());
          required.erase(required.begin());
        }
      } else if (queue.language_proficiency() > 0 && OneIn(2)) {
        step.add_drop_skill_ids("lang:*");
      }
      if (OneIn(3)) step.add_widen_to_queue_ids(Any(of_group));
      // The first two never change over to the other group.
      if (OneIn(3) && group == kGroup) step.add_widen_to_agent_ids(kPeople[Below(2)]);
    }
  }

  void Overflow(config::v1::Queue& queue, const std::vector<std::string>& of_group, size_t index) {
    const bool last = index + 1 == of_group.size();
    int after = 0;
    for (int i = Below(4); i > 0; --i) {
      config::v1::OverflowRule& rule = *queue.add_overflow_rules();
      // No two rules of a queue are written alike.
      after += 1 + Below(8);
      if (after > 3) SetSeconds(rule.mutable_after(), after);
      if (OneIn(3)) rule.set_above_waiting(1 + Below(3));
      switch (Below(last ? 3 : 5)) {
        case 0:
          rule.set_to_anyone(true);
          break;
        case 1:
          rule.set_request_callback(true);
          rule.set_above_waiting(1 + Below(2));
          break;
        case 2:
          rule.set_send_text(absl::StrCat(queue.tell_waiting_time()
                                              ? "as number {position}, a moment, please: "
                                              : "a moment, please: ",
                                          after));
          break;
        default:
          rule.set_to_queue_id(
              of_group[index + 1 +
                       static_cast<size_t>(Below(static_cast<int>(of_group.size() - index - 1)))]);
      }
      if (!rule.has_after()) after = 3;
    }
  }

  void Agent(int index) {
    Begin(static_cast<uint32_t>(40 + index));
    config::v1::Agent& agent = *config_.add_agents();
    agent.set_agent_id(kPeople[index]);
    // The last third; now and then one changes over.
    bool other = second_ && index >= 2 && index * 3 >= agents_ * 2;
    if (second_ && index >= 2 && version_ > 1 && OneIn(8)) other = !other;
    agent.set_routing_group_id(other ? kSecondGroup : std::string(kGroup));
    agent.set_capacity_units(OneIn(12) ? 0 : 1 + Below(4));
    agent.set_is_bot(index == 1 && seed_ / 2 % 2 == 0);
    for (const char* skill : kSkills) {
      if (OneIn(3)) continue;
      config::v1::Skill& has = *agent.add_skills();
      has.set_skill_id(skill);
      has.set_proficiency(1 + Below(10));
    }
    for (const std::string& queue : other ? others_ : queues_) {
      if (OneIn(4)) {
        agent.add_secondary_queue_ids(queue);
      } else if (!OneIn(5)) {
        agent.add_queue_ids(queue);
      }
    }
    if (OneIn(4)) {
      config::v1::ChannelLimit& limit = *agent.add_channel_limits();
      limit.set_kind(OneIn(2) ? common::v1::CHANNEL_KIND_EMAIL : common::v1::CHANNEL_KIND_WHATSAPP);
      limit.set_max_conversations(Below(3));
    }
  }

  void SlaPolicies() {
    Begin(2);
    for (int i = Below(4); i > 0; --i) {
      config::v1::SlaPolicy& policy = *config_.add_sla_policies();
      policy.set_sla_policy_id(absl::StrCat("policy-", i));
      // What sends away is of one routing group.
      if (second_ || OneIn(3)) *policy.mutable_queue_ids() = {queues_.begin(), queues_.end()};
      if (OneIn(3)) policy.add_channel_kinds(common::v1::CHANNEL_KIND_EMAIL);
      if (OneIn(3)) policy.add_contact_tiers("gold");
      if (OneIn(3)) policy.set_min_priority(10);
      if (OneIn(2)) policy.set_calendar_id("office");
      if (OneIn(2)) {
        policy.add_warn_percents(30);
        policy.add_warn_percents(70);
      }
      policy.set_bot_answers_count(OneIn(2));
      for (int metric = 1; metric <= 5; ++metric) {
        if (OneIn(4)) continue;
        config::v1::SlaTarget& target = *policy.add_targets();
        target.set_metric(static_cast<config::v1::SlaMetric>(metric));
        SetSeconds(target.mutable_target(), 5 + Below(20 * metric));
        if (OneIn(2)) continue;
        config::v1::EscalationStep& step = *policy.add_escalation_steps();
        step.set_metric(target.metric());
        step.set_percent(OneIn(2) ? 100 : 30 + Below(150));
        switch (Below(4)) {
          case 0:
            step.set_add_priority_points(1 + Below(50));
            break;
          case 1:
            step.set_relax_steps(1 + Below(2));
            break;
          case 2:
            step.set_overflow_to_queue_id(Any(queues_));
            break;
          default:
            step.set_tell_supervisors(true);
        }
      }
      if (policy.targets().empty()) {
        policy.add_targets()->set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
        SetSeconds(policy.mutable_targets(0)->mutable_target(), 15);
      }
    }
  }

  void Priority() {
    Begin(3);
    config::v1::PriorityPolicy& priority = *config_.mutable_priority();
    for (int i = 1; i <= 2; ++i) {
      if (!OneIn(3)) {
        priority.add_tiers()->set_tier(kTiers[i]);
        priority.mutable_tiers()->rbegin()->set_points(Below(40));
      }
      if (!OneIn(3)) {
        priority.add_lifetime_values()->set_min_lifetime_value_cents(4'000 * i);
        priority.mutable_lifetime_values()->rbegin()->set_points(Below(40));
      }
      if (!OneIn(3)) {
        priority.add_order_states()->set_order_state(kOrderStates[i]);
        priority.mutable_order_states()->rbegin()->set_points(Below(40));
      }
      if (OneIn(2)) {
        priority.add_sla_proximity()->set_percent(50 * i);
        priority.mutable_sla_proximity()->rbegin()->set_points(20 * i);
      }
    }
  }

  void Conversations() {
    Begin(4);
    config::v1::ConversationPolicy& policy = *config_.mutable_conversations();
    if (!OneIn(4)) SetSeconds(policy.mutable_park_after(), 20 + Below(300));
    SetSeconds(policy.mutable_reopen_window(), 60 + Below(600));
    SetSeconds(policy.mutable_forget_after(), 1'800);
    if (OneIn(2)) SetSeconds(policy.mutable_disconnect_grace(), Below(40));
    if (OneIn(3)) policy.set_mail_joins_open_conversation(false);
  }

  const uint32_t seed_;
  const int64_t version_;
  std::mt19937 random_;
  int agents_ = 0;
  bool second_ = false;
  std::vector<std::string> queues_;
  std::vector<std::string> others_;
  config::v1::WorkspaceConfig config_;
};

}  // namespace

config::v1::WorkspaceConfig RandomConfig(uint32_t seed, int64_t version) {
  return Maker(seed, version).Make();
}

}  // namespace wissel::domain::testing
