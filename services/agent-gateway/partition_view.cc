#include "services/agent-gateway/partition_view.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_split.h"
#include "libs/base/proto_time.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;

namespace {

// An entry's own size beside its decision, roughly: facts and index entries.
constexpr size_t kEntryOverheadBytes = 256;

Position AfterDecision(int32_t partition, int64_t offset, const log::v1::Decision& decision) {
  Position position{.partition = partition, .next_offset = offset + 1, .rule = {}};
  position.rule.epoch = decision.epoch();
  position.rule.claim_offset = decision.claim_offset();
  position.rule.next_sequence = decision.sequence() + 1;
  return position;
}

}  // namespace

// A record's key is "workspace/routing group" of what was decided.
EventFacts FactsOfKey(absl::string_view key) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(key, absl::MaxSplits('/', 1));
  return {.workspace = std::string(parts.first),
          .routing_group = std::string(parts.second),
          .agents = {}};
}

Position PositionAfter(int32_t partition, int64_t offset, const log::v1::LogRecord& record) {
  if (record.has_decision()) return AfterDecision(partition, offset, record.decision());
  Position position{.partition = partition, .next_offset = offset + 1, .rule = {}};
  position.rule.epoch = record.owner_claimed().epoch();
  position.rule.claim_offset = offset;
  return position;
}

Position PositionAfter(int32_t partition, const Entry& entry) {
  return AfterDecision(partition, entry.offset, entry.decision);
}

std::string CommandIdOf(const log::v1::Decision& decision) {
  const log::v1::InputCause& input = decision.cause().input();
  if (input.topic() != common::v1::INPUT_TOPIC_COMMANDS) return "";
  // The cause of a repeat has no id, for an id is remembered only once, and that of a dead letter
  // has none, for it may come again; the event names it.
  for (const Event& event : decision.events()) {
    if (event.has_duplicate_skipped()) return event.duplicate_skipped().id();
    if (event.has_input_dead_lettered()) return event.input_dead_lettered().input_id();
  }
  return input.id();
}

FramePtr Entry::FrameFor(const Viewer& viewer) const {
  std::vector<const Event*> visible;
  for (int i = 0; i < decision.events_size(); ++i) {
    if (VisibleTo(viewer, decision.events(i), facts[static_cast<size_t>(i)])) {
      visible.push_back(&decision.events(i));
    }
  }
  if (visible.empty()) return nullptr;
  const bool all = visible.size() == facts.size();
  if (all && whole_ != nullptr && whole_group_ == viewer.routing_group) return whole_;
  agent::v1::ConnectResponse response;
  agent::v1::Events& events = *response.mutable_events();
  events.set_cursor(cursor);
  events.set_routing_group_id(viewer.routing_group);
  *events.mutable_time() = decision.time();
  for (const Event* event : visible) *events.add_events() = *event;
  FramePtr frame = MakeFrame(response, cursor);
  if (all) {
    whole_ = frame;
    whole_group_ = viewer.routing_group;
  }
  return frame;
}

PartitionView::PartitionView(int32_t partition, const Limits& limits, domain::State state,
                             const bus::LogPosition& from)
    : partition_(partition),
      limits_(limits),
      state_(std::move(state)),
      position_{.partition = partition, .next_offset = from.offset, .rule = from.rule},
      ring_start_(from.offset) {}

EntryPtr PartitionView::Apply(bus::LogEntry record) {
  position_ = PositionAfter(partition_, record.offset, record.record);
  if (!record.record.has_decision()) return nullptr;
  auto entry = std::make_shared<Entry>();
  entry->offset = record.offset;
  entry->cursor = ToCursor(position_);
  entry->decision = std::move(*record.record.mutable_decision());
  entry->command_id = CommandIdOf(entry->decision);
  const EventFacts fallback = FactsOfKey(record.key);
  state_.BeginDecision(entry->decision.cause(), FromProto(entry->decision.time()));
  entry->facts.reserve(static_cast<size_t>(entry->decision.events_size()));
  for (const Event& event : entry->decision.events()) {
    entry->facts.push_back(ApplyEvent(event, record.offset, fallback));
  }
  EntryPtr shared = std::move(entry);
  // Once as a decision, once as the message that shows it.
  Push(shared, 2 * shared->decision.ByteSizeLong() + kEntryOverheadBytes);
  return shared;
}

EventFacts PartitionView::ApplyEvent(const Event& event, int64_t offset,
                                     const EventFacts& fallback) {
  EventFacts facts = fallback;
  const absl::string_view id = ConversationOf(event);
  const auto look = [&] {
    const auto* conversation = state_.FindConversation(id);
    if (conversation == nullptr) return Party();
    facts.workspace = conversation->workspace_id();
    facts.routing_group = conversation->routing_group_id();
    return PartyOf(*conversation);
  };
  Party before = look();
  state_.ApplyEvent(event);
  const Party after = look();
  facts.agents = AgentsIn(before, after);
  if (before != after) changes_[id].push_back({offset, std::move(before)});
  return facts;
}

void PartitionView::SkipTo(const bus::LogPosition& position) {
  if (position.offset < position_.next_offset) return;
  position_.next_offset = position.offset;
  position_.rule = position.rule;
}

void PartitionView::Push(EntryPtr entry, size_t bytes) {
  // A repeat or a dead letter names its command, but only the decision itself has its id as the
  // cause's.
  if (!entry->command_id.empty() && !entry->decision.cause().input().id().empty()) {
    by_command_.try_emplace(entry->command_id, entry);
  }
  ring_.push_back(std::move(entry));
  ring_bytes_of_.push_back(bytes);
  ring_bytes_ += bytes;
  while (ring_.size() > limits_.ring_entries ||
         (ring_bytes_ > limits_.ring_bytes && ring_.size() > 1)) {
    EvictOldest();
  }
}

void PartitionView::EvictOldest() {
  const EntryPtr entry = std::move(ring_.front());
  ring_.pop_front();
  ring_bytes_ -= ring_bytes_of_.front();
  ring_bytes_of_.pop_front();
  ring_start_ = entry->offset + 1;
  if (const auto it = by_command_.find(entry->command_id);
      it != by_command_.end() && it->second == entry) {
    by_command_.erase(it);
  }
  for (const Event& event : entry->decision.events()) {
    const auto it = changes_.find(ConversationOf(event));
    if (it == changes_.end()) continue;
    std::deque<Change>& changes = it->second;
    while (!changes.empty() && changes.front().offset < ring_start_) changes.pop_front();
    if (changes.empty()) changes_.erase(it);
  }
}

size_t PartitionView::IndexOf(int64_t offset) const {
  const auto it =
      std::lower_bound(ring_.begin(), ring_.end(), offset,
                       [](const EntryPtr& entry, int64_t o) { return entry->offset < o; });
  return static_cast<size_t>(it - ring_.begin());
}

EntryPtr PartitionView::FindCommand(absl::string_view command_id) const {
  const auto it = by_command_.find(command_id);
  return it == by_command_.end() ? nullptr : it->second;
}

PartitionView::Owners PartitionView::OwnersAt(absl::string_view conversation_id,
                                              int64_t offset) const {
  Owners owners;
  if (const auto* now = state_.FindConversation(conversation_id)) {
    owners = {.workspace = now->workspace_id(),
              .routing_group = now->routing_group_id(),
              .party = PartyOf(*now)};
  }
  if (const auto it = changes_.find(conversation_id); it != changes_.end()) {
    for (const Change& change : it->second) {
      if (change.offset < offset) continue;
      owners.party = change.before;
      break;
    }
  }
  return owners;
}

agent::v1::Snapshot PartitionView::MakeSnapshot(const Viewer& viewer) const {
  agent::v1::Snapshot snapshot;
  snapshot.set_cursor(ToCursor(position_));
  snapshot.set_routing_group_id(viewer.routing_group);
  if (const auto* agent = state_.FindAgent(viewer.workspace, viewer.agent)) {
    *snapshot.mutable_agent() = *agent;
  }
  std::vector<const state::v1::ConversationState*> items;
  if (viewer.whole_group) {
    for (const auto& [id, conversation] : state_.conversations()) {
      if (domain::IsOpen(*conversation) && conversation->workspace_id() == viewer.workspace &&
          conversation->routing_group_id() == viewer.routing_group) {
        items.push_back(conversation.get());
      }
    }
  } else {
    std::set<std::string> ids = state_.ConversationsOf(viewer.workspace, viewer.agent);
    const auto& company = state_.CompanyOf(viewer.workspace, viewer.agent);
    ids.insert(company.begin(), company.end());
    for (const std::string& id : ids) {
      if (const auto* conversation = state_.FindConversation(id)) items.push_back(conversation);
    }
  }
  // Oldest first; ids make the order the same every time.
  std::sort(items.begin(), items.end(), [](const auto* a, const auto* b) {
    return std::make_pair(a->open_time().seconds(), a->conversation_id()) <
           std::make_pair(b->open_time().seconds(), b->conversation_id());
  });
  if (items.size() > limits_.snapshot_items) {
    items.resize(limits_.snapshot_items);
    snapshot.set_truncated(true);
  }
  for (const auto* conversation : items) {
    *snapshot.add_items()->mutable_conversation() = *conversation;
  }
  return snapshot;
}

}  // namespace wissel::agent_gateway
