#include "services/admin/dead_letters.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/base64.h"
#include "libs/base/notification.h"
#include "libs/base/proto_time.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/channel/record_letter.h"

namespace wissel::admin {
namespace {

using deadletter::v1::DeadLetter;

constexpr int64_t kChunk = 200;
constexpr absl::Duration kReadTimeout = absl::Seconds(10);
constexpr absl::Duration kAppendTimeout = absl::Minutes(2);

// A partition, read from the end backwards, chunk by chunk.
class Backwards {
 public:
  struct Found {
    int64_t offset = 0;
    DeadLetter letter;
  };

  // From before `below`, or from the end.
  static absl::StatusOr<Backwards> Open(bus::Bus& bus, int32_t partition,
                                        std::optional<int64_t> below) {
    Backwards backwards;
    WISSEL_ASSIGN_OR_RETURN(backwards.reader_,
                            bus.OpenReader(bus::Topic::kDeadLetter, partition, {}));
    WISSEL_ASSIGN_OR_RETURN(backwards.start_, backwards.reader_->StartOffset());
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, backwards.reader_->EndOffset());
    backwards.below_ =
        std::clamp(below.value_or(end), backwards.start_, std::max(end, backwards.start_));
    return backwards;
  }

  bool done() const { return below_ <= start_; }
  int64_t below() const { return below_; }

  // The chunk before, newest first; what is not a dead letter is one of its own.
  absl::StatusOr<std::vector<Found>> ReadChunk() {
    const int64_t from = std::max(start_, below_ - kChunk);
    WISSEL_RETURN_IF_ERROR(reader_->Seek(from));
    std::vector<Found> chunk;
    const Timeout limit(kReadTimeout);
    while (reader_->position() < below_) {
      if (limit.Expired()) return absl::UnavailableError("the dead letters' topic does not answer");
      WISSEL_ASSIGN_OR_RETURN(
          const auto records,
          reader_->Poll(static_cast<size_t>(below_ - reader_->position()), limit.Remaining()));
      for (const bus::Record& record : records) {
        if (record.offset >= below_) break;
        Found& found = chunk.emplace_back(Found{.offset = record.offset, .letter = {}});
        if (!found.letter.ParseFromString(record.value)) found.letter = OfGarbage(record);
      }
    }
    std::reverse(chunk.begin(), chunk.end());
    below_ = from;
    return chunk;
  }

 private:
  Backwards() = default;

  static DeadLetter OfGarbage(const bus::Record& record) {
    DeadLetter letter = channel::LetterOf(record, record.value.size());
    letter.set_reason(deadletter::v1::REASON_UNPARSABLE);
    letter.set_detail(absl::StrCat("not a ", DeadLetter::descriptor()->full_name()));
    *letter.mutable_time() = ToProto(record.time);
    return letter;
  }

  std::unique_ptr<bus::Reader> reader_;
  int64_t start_ = 0;
  int64_t below_ = 0;
};

// A token says for each partition below which offset to go on.
std::string MakeToken(const std::vector<int64_t>& below) {
  return Base64UrlEncode(absl::StrJoin(below, ","));
}

absl::StatusOr<std::vector<int64_t>> ReadToken(absl::string_view token, size_t partitions) {
  const absl::Status bad = absl::InvalidArgumentError("page_token: not one of ours");
  const auto text = Base64UrlDecode(token);
  if (!text.ok()) return bad;
  std::vector<int64_t> below;
  for (absl::string_view number : absl::StrSplit(*text, ',')) {
    if (!absl::SimpleAtoi(number, &below.emplace_back()) || below.back() < 0) return bad;
  }
  if (below.size() != partitions) return bad;
  return below;
}

std::string HowToHandInAgain(const DeadLetter& letter) {
  const std::string show =
      absl::StrCat("wisselctl deadletter show ", letter.dead_letter_id(), " --raw");
  switch (letter.origin().provider().kind()) {
    case common::v1::CHANNEL_KIND_WHATSAPP:
      return absl::StrCat(
          "it came from a provider, not from a topic; hand it to its channel again: ", show,
          " | wisselctl inject whatsapp -");
    case common::v1::CHANNEL_KIND_EMAIL:
      return absl::StrCat("it came from a provider, not from a topic: append the mail that `", show,
                          "` prints to its mailbox again");
    default:
      return "it came from a provider, not from a topic: hand it to its channel again";
  }
}

// The topic of inputs that a record came from, whatever its prefix.
std::optional<bus::Topic> InputTopic(absl::string_view name) {
  for (const bus::Topic topic :
       {bus::Topic::kInbound, bus::Topic::kCommands, bus::Topic::kReceipts}) {
    if (absl::EndsWith(name, bus::TopicName(topic, ""))) return topic;
  }
  return std::nullopt;
}

}  // namespace

DeadLetters::DeadLetters(bus::Bus& bus, int64_t records_per_call)
    : bus_(bus), records_per_call_(records_per_call), appender_(bus.NewAppender({})) {}

absl::StatusOr<DeadLetters::Page> DeadLetters::List(const Filter& filter, size_t limit,
                                                    absl::string_view page_token) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kDeadLetter));
  std::optional<std::vector<int64_t>> from;
  if (!page_token.empty()) {
    WISSEL_ASSIGN_OR_RETURN(from, ReadToken(page_token, static_cast<size_t>(partitions)));
  }

  // From each partition enough to fill the page alone; of all, the newest are taken.
  struct Candidate {
    absl::Time time;
    int32_t partition;
    int64_t offset;
    DeadLetter letter;
  };
  std::vector<Candidate> candidates;
  std::vector<int64_t> below;
  bool all_read = true;
  for (int32_t partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(
        Backwards backwards,
        Backwards::Open(
            bus_, partition,
            from.has_value() ? std::optional<int64_t>((*from)[partition]) : std::nullopt));
    size_t found = 0;
    int64_t read = 0;
    while (!backwards.done() && found < limit && read < records_per_call_) {
      WISSEL_ASSIGN_OR_RETURN(auto chunk, backwards.ReadChunk());
      read += kChunk;
      for (Backwards::Found& one : chunk) {
        if (!filter(one.letter)) continue;
        ++found;
        one.letter.clear_raw();  // Perhaps 768 KiB of each.
        const absl::Time time = FromProto(one.letter.time());
        candidates.push_back({time, partition, one.offset, std::move(one.letter)});
      }
    }
    all_read &= backwards.done();
    below.push_back(backwards.below());
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(b.time, a.partition, b.offset) < std::tie(a.time, b.partition, a.offset);
  });
  // Within a partition, taken in the order they stand: times may be a little out of order.
  Page page;
  std::map<int32_t, int64_t> left;
  for (Candidate& candidate : candidates) {
    if (page.letters.size() < limit && left.count(candidate.partition) == 0) {
      page.letters.push_back(std::move(candidate.letter));
      continue;
    }
    int64_t& newest_left = left[candidate.partition];
    newest_left = std::max(newest_left, candidate.offset);
  }
  for (const auto& [partition, offset] : left) below[partition] = offset + 1;
  if (!all_read || !left.empty()) page.next_page_token = MakeToken(below);
  return page;
}

absl::StatusOr<DeadLetter> DeadLetters::Get(const Filter& filter, absl::string_view id) {
  std::optional<DeadLetter> first;
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kDeadLetter));
  for (int32_t partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(Backwards backwards, Backwards::Open(bus_, partition, std::nullopt));
    while (!backwards.done()) {
      WISSEL_ASSIGN_OR_RETURN(auto chunk, backwards.ReadChunk());
      for (Backwards::Found& one : chunk) {
        if (one.letter.dead_letter_id() == id && filter(one.letter)) first = std::move(one.letter);
      }
    }
    // Repeats have the same key, and so the same partition.
    if (first.has_value()) return *std::move(first);
  }
  return absl::NotFoundError(absl::StrCat("no dead letter ", id));
}

absl::StatusOr<DeadLetters::Replayed> DeadLetters::Replay(const Filter& filter,
                                                          absl::string_view id) {
  WISSEL_ASSIGN_OR_RETURN(const DeadLetter letter, Get(filter, id));
  if (!letter.origin().has_record()) {
    return absl::FailedPreconditionError(HowToHandInAgain(letter));
  }
  const deadletter::v1::RecordOrigin& origin = letter.origin().record();
  const std::optional<bus::Topic> topic = InputTopic(origin.topic());
  if (!topic.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat("records of ", origin.topic(), " are not inputs: nothing to replay"));
  }
  if (letter.truncated()) {
    return absl::FailedPreconditionError("its bytes were cut: only a part of the record is here");
  }
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(*topic));
  Replayed replayed{.topic = origin.topic(),
                    .partition = bus::PartitionOf(origin.key(), partitions),
                    .offset = 0};
  struct Answer {
    Notification given;
    absl::StatusOr<int64_t> offset;
  };
  const auto answer = std::make_shared<Answer>();
  bus::Headers headers;
  for (const deadletter::v1::RecordOrigin::Header& header : origin.headers()) {
    headers.emplace_back(header.name(), header.value());
  }
  appender_->Append({.topic = *topic,
                     .partition = replayed.partition,
                     .key = origin.key(),
                     .value = letter.raw(),
                     .headers = std::move(headers)},
                    [answer](absl::StatusOr<int64_t> offset) {
                      answer->offset = std::move(offset);
                      answer->given.Notify();
                    });
  if (!answer->given.WaitFor(kAppendTimeout)) {
    return absl::UnavailableError("not acknowledged: it may have been appended all the same");
  }
  if (!answer->offset.ok()) return Annotate(answer->offset.status(), "appending the record");
  replayed.offset = *answer->offset;
  return replayed;
}

}  // namespace wissel::admin
