#include "libs/routing/testing/shop.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace wissel::routing::testing {

namespace {

std::string SkillId(int i) { return absl::StrCat("skill-", i); }

}  // namespace

std::string QueueId(int i) { return absl::StrCat("queue-", i); }
std::string AgentId(int i) { return absl::StrFormat("agent-%06d", i); }

config::v1::WorkspaceConfig Shop(int agents, int64_t version) {
  Random random(7);
  config::v1::WorkspaceConfig config;
  config.set_version(version);
  const auto add_skill = [](auto* skills, const std::string& id, int level) {
    config::v1::Skill* skill = skills->Add();
    skill->set_skill_id(id);
    skill->set_proficiency(level);
  };
  for (int q = 0; q < kQueues; ++q) {
    config::v1::Queue& queue = *config.add_queues();
    queue.set_queue_id(QueueId(q));
    queue.set_routing_group_id(kGroup);
    queue.set_strategy(static_cast<config::v1::Strategy>(1 + q % 4));
    queue.set_base_priority(q % 5);
    queue.set_language_proficiency(4);
    queue.set_ageing_points(1);
    const int first = random.Below(kSkills);
    add_skill(queue.mutable_required_skills(), SkillId(first), 4);
    if (q % 2 == 0) {
      add_skill(queue.mutable_required_skills(), SkillId((first + 7) % kSkills), 3);
    }
    for (int i = 0; i < 2; ++i) {
      auto& preferred = *queue.add_preferred_skills();
      preferred.set_skill_id(SkillId((first + 20 + i) % kSkills));
      preferred.set_weight(1 + i);
    }
    config::v1::RelaxationStep* step = queue.add_relaxation_steps();
    step->mutable_after()->set_seconds(60);
    add_skill(step->mutable_lower_skills(), SkillId(first), 2);
    step = queue.add_relaxation_steps();
    step->mutable_after()->set_seconds(180);
    step->add_drop_skill_ids(SkillId((first + 7) % kSkills));
    add_skill(step->mutable_lower_skills(), "lang:*", 2);
    step = queue.add_relaxation_steps();
    step->mutable_after()->set_seconds(480);
    step->add_widen_to_queue_ids(QueueId((q + 1) % kQueues));
  }
  static const std::pair<const char*, int> kLanguages[] = {
      {"lang:nl", 70}, {"lang:en", 80}, {"lang:de", 25}, {"lang:fr", 15}};
  for (int i = 0; i < agents; ++i) {
    config::v1::Agent& agent = *config.add_agents();
    agent.set_agent_id(AgentId(i));
    agent.set_routing_group_id(kGroup);
    agent.set_capacity_units(kCapacityUnits);
    std::set<std::string> skills;
    std::set<int> served;
    for (int k = 0; k < 4; ++k) {
      const int q = random.Skewed(kQueues);
      if (!served.insert(q).second) continue;
      (k < 3 ? agent.add_queue_ids(QueueId(q)) : agent.add_secondary_queue_ids(QueueId(q)));
      for (const auto& required : config.queues(q).required_skills()) {
        if (random.Percent(90)) skills.insert(required.skill_id());
      }
    }
    for (int k = 0; k < 5; ++k) skills.insert(SkillId(random.Below(kSkills)));
    for (const auto& [language, share] : kLanguages) {
      if (random.Percent(share)) skills.insert(language);
    }
    for (const std::string& skill : skills) {
      add_skill(agent.mutable_skills(), skill, 2 + random.Below(9));
    }
  }
  for (const auto& [kind, most] : {std::pair(common::v1::CHANNEL_KIND_CHAT, 3),
                                   std::pair(common::v1::CHANNEL_KIND_WHATSAPP, 0),
                                   std::pair(common::v1::CHANNEL_KIND_EMAIL, 0)}) {
    config::v1::ChannelPolicy& channel = *config.add_channels();
    channel.set_kind(kind);
    channel.set_weight_units(1);
    channel.set_max_conversations(most);
    if (kind == common::v1::CHANNEL_KIND_CHAT) {
      channel.add_may_interrupt(common::v1::CHANNEL_KIND_EMAIL);
    }
  }
  return config;
}

}  // namespace wissel::routing::testing
