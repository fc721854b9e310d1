#include "libs/domain/testing_rich.h"

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

}  // namespace wissel::domain::testing
