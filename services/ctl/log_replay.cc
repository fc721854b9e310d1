#include "services/ctl/log_replay.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/channel/ids.h"
#include "libs/domain/engine.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"

namespace wissel::ctl {
namespace {

using log::v1::Decision;

constexpr size_t kBatch = 1000;
constexpr absl::Duration kReadTimeout = absl::Seconds(10);
// A log that differs everywhere need not be read to its end.
constexpr int64_t kMaxDifferences = 100;

std::optional<bus::Topic> TopicOf(common::v1::InputTopic topic) {
  switch (topic) {
    case common::v1::INPUT_TOPIC_INBOUND:
      return bus::Topic::kInbound;
    case common::v1::INPUT_TOPIC_COMMANDS:
      return bus::Topic::kCommands;
    case common::v1::INPUT_TOPIC_RECEIPTS:
      return bus::Topic::kReceipts;
    case common::v1::INPUT_TOPIC_CONFIG:
      return bus::Topic::kConfig;
    default:
      return std::nullopt;
  }
}

// The inputs of one partition, asked for in nearly their order.
class Inputs {
 public:
  explicit Inputs(bus::Bus& bus) : bus_(bus) {}

  // Nothing where the record is gone, or the cause names none.
  //   UNAVAILABLE  it is there, and does not come
  absl::StatusOr<std::optional<bus::Record>> Find(const log::v1::InputCause& cause) {
    const std::optional<bus::Topic> topic = TopicOf(cause.topic());
    if (!topic.has_value()) return std::nullopt;
    Source& source = sources_[*topic];
    if (source.reader == nullptr) {
      WISSEL_ASSIGN_OR_RETURN(
          source.reader, bus_.OpenReader(*topic, cause.partition(), {.offset = cause.offset()}));
    }
    while (!source.read.empty() && source.read.front().offset < cause.offset()) {
      source.read.pop_front();
    }
    const bool elsewhere = source.read.empty() ? source.reader->position() != cause.offset()
                                               : source.read.front().offset > cause.offset();
    if (elsewhere) {
      source.read.clear();
      WISSEL_RETURN_IF_ERROR(source.reader->Seek(cause.offset()));
    }
    if (source.read.empty()) {
      absl::StatusOr<std::vector<bus::Record>> records = source.reader->Poll(kBatch, kReadTimeout);
      if (absl::IsOutOfRange(records.status())) return std::nullopt;
      if (!records.ok()) return records.status();
      if (records->empty() && source.reader->position() <= cause.offset()) {
        WISSEL_ASSIGN_OR_RETURN(const int64_t end, source.reader->EndOffset());
        if (end <= cause.offset()) return std::nullopt;
        return absl::UnavailableError(absl::StrCat(
            bus::TopicName(*topic), "[", cause.partition(), "]@", cause.offset(),
            ": nothing came within ", absl::FormatDuration(kReadTimeout), ": is the broker away?"));
      }
      for (bus::Record& record : *records) source.read.push_back(std::move(record));
    }
    if (source.read.empty() || source.read.front().offset != cause.offset()) return std::nullopt;
    return source.read.front();
  }

 private:
  struct Source {
    std::unique_ptr<bus::Reader> reader;
    std::deque<bus::Record> read;
  };
  bus::Bus& bus_;
  std::map<bus::Topic, Source> sources_;
};

// Without the stamps of whoever appended it.
std::string Bytes(Decision decision) {
  decision.clear_epoch();
  decision.clear_sequence();
  decision.clear_claim_offset();
  return decision.SerializeAsString();
}

class PartitionReplayer {
 public:
  PartitionReplayer(bus::Bus& bus, int32_t partition, int partitions, const ReplayRange& range)
      : inputs_(bus), partitions_(partitions), range_(range) {
    report_.partition = partition;
  }

  absl::Status Take(const LogItem& item) {
    if (!started_ && item.begins > 0) state_.BeginsAfterCut();
    started_ = true;
    if (item.entry == nullptr) return absl::OkStatus();
    if (item.entry->record.has_owner_claimed()) {
      const log::v1::OwnerClaimed& claim = item.entry->record.owner_claimed();
      ++report_.claims;
      // The same owner claims again to restate, and goes on with the engine it has.
      if (claim.owner() != owner_) engine_.reset();
      if (engine_ == nullptr && state_.whole()) engine_ = NewEngine();
      owner_ = claim.owner();
      return absl::OkStatus();
    }
    const Decision& recorded = item.entry->record.decision();
    const absl::Time time = FromProto(recorded.time());
    if (time > range_.to) return absl::CancelledError();
    if (engine_ == nullptr) {
      state_.Apply(recorded);
      if (time >= range_.from) ++report_.not_whole;
      if (state_.whole()) Resync();
      return absl::OkStatus();
    }
    bool gone = false;
    WISSEL_ASSIGN_OR_RETURN(const Decision* const replayed, DecideAgain(recorded, &gone));
    state_.Apply(recorded);
    if (gone) {
      if (time >= range_.from) ++report_.inputs_gone;
      Resync();
      return absl::OkStatus();
    }
    const bool same = replayed != nullptr && Bytes(*replayed) == Bytes(recorded);
    if (time >= range_.from) {
      ++report_.decisions;
      report_.identical += same ? 1 : 0;
    }
    if (same) return absl::OkStatus();
    if (time >= range_.from && !report_.first.has_value()) {
      report_.first = ReplayDifference{.partition = report_.partition,
                                       .offset = item.offset,
                                       .recorded = recorded,
                                       .replayed = std::nullopt};
      if (replayed != nullptr) report_.first->replayed = *replayed;
    }
    Resync();
    if (report_.decisions - report_.identical >= kMaxDifferences) {
      report_.given_up = true;
      return absl::CancelledError();
    }
    return absl::OkStatus();
  }

  const PartitionReplay& report() const { return report_; }

 private:
  std::unique_ptr<domain::Engine> NewEngine() const {
    return std::make_unique<domain::Engine>(
        state_.Copy(),
        domain::Engine::Options{.holds = [partitions = partitions_, partition = report_.partition](
                                             absl::string_view routing_key) {
          return bus::PartitionOf(routing_key, partitions) == partition;
        }});
  }

  // Goes on from the recorded state in the middle of an ownership. An engine that begins anew first
  // asks whether anything can be given out; the one whose place it takes had asked already.
  void Resync() {
    engine_ = NewEngine();
    for (int i = 0; i < 1000 && engine_->NextTimer() <= state_.time(); ++i) {
      const Decision* const asked = engine_->DecideTimer(state_.time());
      if (asked != nullptr && asked->events_size() == 0) continue;
      // There was something to give out, so its turn was still to come.
      engine_ = NewEngine();
      return;
    }
  }

  absl::StatusOr<const Decision*> DecideAgain(const Decision& recorded, bool* gone) {
    const absl::Time now = FromProto(recorded.time());
    switch (recorded.cause().kind_case()) {
      case log::v1::Cause::kTimer:
        return engine_->DecideTimer(now);
      case log::v1::Cause::kRestate:
        return engine_->Restate(now, RestatedBytes(recorded));
      case log::v1::Cause::kInput:
        break;
      case log::v1::Cause::KIND_NOT_SET:
        return nullptr;
    }
    log::v1::InputCause cause = recorded.cause().input();
    cause.clear_id();
    WISSEL_ASSIGN_OR_RETURN(const std::optional<bus::Record> record, inputs_.Find(cause));
    if (!record.has_value()) {
      *gone = true;
      return nullptr;
    }
    switch (cause.topic()) {
      case common::v1::INPUT_TOPIC_INBOUND:
        return DecideAs<message::v1::InboundMessage>(*record, cause, recorded, now);
      case common::v1::INPUT_TOPIC_COMMANDS:
        return DecideAs<command::v1::Command>(*record, cause, recorded, now);
      case common::v1::INPUT_TOPIC_RECEIPTS:
        return DecideAs<receipt::v1::Receipt>(*record, cause, recorded, now);
      case common::v1::INPUT_TOPIC_CONFIG: {
        config::v1::WorkspaceConfig config;
        if (!config.ParseFromString(record->value)) return nullptr;
        return engine_->Decide(cause, config, now);
      }
      default:
        return nullptr;
    }
  }

  // How much a step restates is the router's setting: as much as it did.
  static size_t RestatedBytes(const Decision& recorded) {
    size_t bytes = 0;
    for (const conversation::v1::Event& event : recorded.events()) {
      if (!event.has_restate_completed()) bytes += event.ByteSizeLong();
    }
    return bytes;
  }

  template <class Message>
  const Decision* DecideAs(const bus::Record& record, const log::v1::InputCause& cause,
                           const Decision& recorded, absl::Time now) {
    Message message;
    const bool too_large = WasTooLarge(record, recorded);
    std::optional<domain::Refusal> refusal;
    if (too_large) {
      // The limit is the router's setting, and stands in what it said. Routers did not always say
      // whose the input was.
      const conversation::v1::InputDeadLettered& said = recorded.events(0).input_dead_lettered();
      refusal = domain::Refusal{deadletter::v1::REASON_TOO_LARGE, said.detail(), said.input_id()};
    } else if (!message.ParseFromString(record.value)) {
      refusal =
          domain::Refusal{deadletter::v1::REASON_UNPARSABLE,
                          absl::StrCat("not a ", std::string(Message::descriptor()->full_name()))};
    } else {
      refusal = engine_->Refuse(message);
      if (refusal.has_value()) refusal->input_id = message.envelope().id();
    }
    if (!refusal.has_value()) return &engine_->Decide(cause, std::move(message), now);
    deadletter::v1::DeadLetter letter;
    deadletter::v1::RecordOrigin& origin = *letter.mutable_origin()->mutable_record();
    origin.set_topic(std::string(bus::TopicName(record.topic)));
    origin.set_partition(record.partition);
    origin.set_offset(record.offset);
    channel::DeriveId(&letter);
    return &engine_->DecideDeadLetter(cause, letter.dead_letter_id(), *refusal, now);
  }

  static bool WasTooLarge(const bus::Record& record, const Decision& recorded) {
    return recorded.events_size() > 0 && recorded.events(0).has_input_dead_lettered() &&
           absl::StartsWith(recorded.events(0).input_dead_lettered().detail(),
                            absl::StrCat(record.value.size(), " bytes; at most "));
  }

  Inputs inputs_;
  const int partitions_;
  const ReplayRange range_;
  bool started_ = false;
  // As recorded.
  domain::State state_;
  std::string owner_;
  std::unique_ptr<domain::Engine> engine_;
  PartitionReplay report_;
};

}  // namespace

absl::StatusOr<std::vector<PartitionReplay>> ReplayLog(bus::Bus& bus, const ReplayRange& range,
                                                       absl::FunctionRef<void(double)> progress) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  std::vector<PartitionReplay> reports;
  for (int32_t p = 0; p < partitions; ++p) {
    WISSEL_ASSIGN_OR_RETURN(const auto reader, bus.OpenReader(bus::Topic::kLog, p, {}));
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
    PartitionReplayer replayer(bus, p, partitions, range);
    WISSEL_RETURN_IF_ERROR(WalkLog(bus, {.partition = p}, [&](const LogItem& item) {
      progress(
          (p + static_cast<double>(item.offset) / static_cast<double>(std::max<int64_t>(end, 1))) /
          partitions);
      return replayer.Take(item);
    }));
    reports.push_back(replayer.report());
  }
  return reports;
}

void PrintDifference(const ReplayDifference& difference, std::ostream& out) {
  const Decision& recorded = difference.recorded;
  out << "[" << difference.partition << "]@" << difference.offset << "  "
      << FormatTime(recorded.time()) << "  because of " << DescribeCause(recorded.cause()) << "\n";
  if (!difference.replayed.has_value()) {
    out << "    now nothing is decided; recorded were " << recorded.events_size() << " events\n";
    return;
  }
  const Decision& replayed = *difference.replayed;
  if (recorded.cause().SerializeAsString() != replayed.cause().SerializeAsString()) {
    out << "  - " << ToJsonLine(recorded.cause()) << "\n  + " << ToJsonLine(replayed.cause())
        << "\n";
  }
  if (recorded.time().SerializeAsString() != replayed.time().SerializeAsString()) {
    out << "  - " << FormatTime(recorded.time()) << "\n  + " << FormatTime(replayed.time()) << "\n";
  }
  const int events = std::max(recorded.events_size(), replayed.events_size());
  for (int i = 0; i < events; ++i) {
    const auto* before = i < recorded.events_size() ? &recorded.events(i) : nullptr;
    const auto* after = i < replayed.events_size() ? &replayed.events(i) : nullptr;
    if (before != nullptr && after != nullptr &&
        before->SerializeAsString() == after->SerializeAsString()) {
      out << "    " << Describe(*before) << "\n";
      continue;
    }
    // In words where they tell the two apart, else in full.
    const bool in_words =
        before == nullptr || after == nullptr || Describe(*before) != Describe(*after);
    const auto text = [&](const conversation::v1::Event& event) {
      return in_words ? Describe(event) : ToJsonLine(event);
    };
    if (before != nullptr) out << "  - " << text(*before) << "\n";
    if (after != nullptr) out << "  + " << text(*after) << "\n";
  }
  out << "  (- as recorded, + as it is decided now)\n";
}

}  // namespace wissel::ctl
