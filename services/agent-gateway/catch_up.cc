#include "services/agent-gateway/catch_up.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;
using Holder = PartitionView::Holder;

namespace {

constexpr size_t kReadBatch = 512;
constexpr absl::Duration kReadTimeout = absl::Seconds(5);

absl::StatusOr<std::unique_ptr<bus::LogReader>> OpenAt(bus::Bus& bus, const Position& from) {
  return bus::LogReader::Open(
      bus, from.partition,
      {.from = bus::LogPosition{.offset = from.next_offset, .rule = from.rule}});
}

// The next records before `until`. Nothing within the time-out, though there is more, means that
// the log does not answer.
absl::StatusOr<std::vector<bus::LogEntry>> Read(bus::LogReader& reader, int64_t until, size_t max) {
  const int64_t before = reader.position().offset;
  max = std::min(max, static_cast<size_t>(until - before));
  WISSEL_ASSIGN_OR_RETURN(auto records, reader.Poll(max, kReadTimeout));
  if (records.empty() && reader.position().offset == before) {
    return absl::UnavailableError("the log does not answer");
  }
  // Offsets may leave some out, so that few records reach far.
  while (!records.empty() && records.back().offset >= until) records.pop_back();
  return records;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CatchUp>> CatchUp::Open(bus::Bus& bus, const Options& options,
                                                       const AskHolders& ask) {
  if (options.until - options.from.next_offset > options.max_records) {
    return absl::OutOfRangeError("the cursor is too old: take a new snapshot");
  }
  // First time through.
  WISSEL_ASSIGN_OR_RETURN(auto reader, OpenAt(bus, options.from));
  absl::flat_hash_map<std::string, std::string> agent_before;
  std::vector<std::string> conversations;
  absl::flat_hash_set<std::string> seen;
  while (reader->position().offset < options.until) {
    WISSEL_ASSIGN_OR_RETURN(const auto records, Read(*reader, options.until, kReadBatch));
    for (const bus::LogEntry& record : records) {
      for (const Event& event : record.record.decision().events()) {
        const absl::string_view conversation = ConversationOf(event);
        if (conversation.empty()) continue;
        if (seen.emplace(conversation).second) conversations.emplace_back(conversation);
        if (const auto change = AgentChangeOf(event)) {
          agent_before.try_emplace(conversation, change->before);
        }
      }
    }
  }
  WISSEL_ASSIGN_OR_RETURN(std::vector<Holder> holders, ask(conversations, options.until));

  WISSEL_ASSIGN_OR_RETURN(auto second_reader, OpenAt(bus, options.from));
  std::unique_ptr<CatchUp> catch_up(new CatchUp(options, std::move(second_reader)));
  for (size_t i = 0; i < conversations.size(); ++i) {
    if (const auto it = agent_before.find(conversations[i]); it != agent_before.end()) {
      holders[i].agent = it->second;
    }
    catch_up->holders_.emplace(conversations[i], std::move(holders[i]));
  }
  return catch_up;
}

absl::StatusOr<std::vector<EntryPtr>> CatchUp::Next(size_t max) {
  std::vector<EntryPtr> entries;
  while (entries.empty() && !done()) {
    WISSEL_ASSIGN_OR_RETURN(const auto records, Read(*reader_, options_.until, max));
    for (const bus::LogEntry& record : records) {
      last_ = PositionAfter(options_.from.partition, record.offset, record.record);
      if (record.record.has_decision()) entries.push_back(MakeEntry(record));
    }
  }
  return entries;
}

Position CatchUp::position() const {
  const bus::LogPosition position = reader_->position();
  if (position.offset > options_.until) return last_;
  return {
      .partition = options_.from.partition, .next_offset = position.offset, .rule = position.rule};
}

EntryPtr CatchUp::MakeEntry(const bus::LogEntry& record) {
  auto entry = std::make_shared<Entry>();
  entry->offset = record.offset;
  entry->cursor = ToCursor(PositionAfter(options_.from.partition, record.offset, record.record));
  entry->decision = record.record.decision();
  entry->command_id = CommandIdOf(entry->decision);
  const EventFacts fallback = FactsOfKey(record.key);
  for (const Event& event : entry->decision.events()) {
    EventFacts facts = fallback;
    const auto it = holders_.find(ConversationOf(event));
    if (it != holders_.end()) {
      Holder& holder = it->second;
      if (event.has_conversation_opened()) {
        holder.workspace = event.conversation_opened().workspace_id();
        holder.routing_group = event.conversation_opened().routing_group_id();
      }
      if (!holder.workspace.empty()) {
        facts.workspace = holder.workspace;
        facts.routing_group = holder.routing_group;
      }
      facts.agent_before = holder.agent;
      if (const auto change = AgentChangeOf(event)) holder.agent = change->after;
      facts.agent_after = holder.agent;
    }
    entry->facts.push_back(std::move(facts));
  }
  return entry;
}

}  // namespace wissel::agent_gateway
