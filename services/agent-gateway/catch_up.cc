#include "services/agent-gateway/catch_up.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;
using Owners = PartitionView::Owners;

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

// What the stretch says of one conversation's party at its beginning: for each place in it, what
// the first event about that place names as having been before.
class Learnt {
 public:
  void Note(PartyChange change) {
    if (!change.company.has_value()) {
      if (!holder_.has_value()) holder_ = std::move(change);
    } else {
      company_.try_emplace(*change.company, change);
    }
  }
  // Makes the party at the end of the stretch that at its beginning. A place about which nothing
  // was said is as it was.
  void Restore(Party& party) const {
    if (holder_.has_value()) SetPlace(*holder_, holder_->before, party);
    for (const auto& [unused, change] : company_) SetPlace(change, change.before, party);
  }

 private:
  std::optional<PartyChange> holder_;
  std::map<CompanyKey, PartyChange> company_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<CatchUp>> CatchUp::Open(bus::Bus& bus, const Options& options,
                                                       const AskOwners& ask) {
  if (options.until - options.from.next_offset > options.max_records) {
    return absl::OutOfRangeError("the cursor is too old: take a new snapshot");
  }
  // First time through.
  WISSEL_ASSIGN_OR_RETURN(auto reader, OpenAt(bus, options.from));
  std::vector<std::string> conversations;
  absl::flat_hash_map<std::string, Learnt> learnt;
  while (reader->position().offset < options.until) {
    WISSEL_ASSIGN_OR_RETURN(const auto records, Read(*reader, options.until, kReadBatch));
    for (const bus::LogEntry& record : records) {
      for (const Event& event : record.record.decision().events()) {
        const absl::string_view conversation = ConversationOf(event);
        if (conversation.empty()) continue;
        const auto [it, is_new] = learnt.try_emplace(conversation);
        if (is_new) conversations.emplace_back(conversation);
        if (auto change = PartyChangeOf(event)) it->second.Note(*std::move(change));
      }
    }
  }
  WISSEL_ASSIGN_OR_RETURN(std::vector<Owners> owners, ask(conversations, options.until));

  WISSEL_ASSIGN_OR_RETURN(auto second_reader, OpenAt(bus, options.from));
  std::unique_ptr<CatchUp> catch_up(new CatchUp(options, std::move(second_reader)));
  for (size_t i = 0; i < conversations.size(); ++i) {
    learnt[conversations[i]].Restore(owners[i].party);
    catch_up->owners_.emplace(conversations[i], std::move(owners[i]));
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
    const auto it = owners_.find(ConversationOf(event));
    if (it != owners_.end()) {
      Owners& owners = it->second;
      if (event.has_conversation_opened()) {
        owners.workspace = event.conversation_opened().workspace_id();
        owners.routing_group = event.conversation_opened().routing_group_id();
      }
      if (!owners.workspace.empty()) {
        facts.workspace = owners.workspace;
        facts.routing_group = owners.routing_group;
      }
      const Party before = owners.party;
      if (const auto change = PartyChangeOf(event)) SetPlace(*change, change->after, owners.party);
      facts.agents = AgentsIn(before, owners.party);
    }
    entry->facts.push_back(std::move(facts));
  }
  return entry;
}

}  // namespace wissel::agent_gateway
