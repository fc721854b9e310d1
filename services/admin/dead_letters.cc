#include "services/admin/dead_letters.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
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
constexpr int64_t kSearchChunk = 1000;
constexpr int kMostSearches = 2;
constexpr int64_t kWholeAtOnce = 16;  // Records held with their bytes, each 1 MiB at most.
constexpr absl::Duration kReadTimeout = absl::Seconds(10);
constexpr absl::Duration kAppendTimeout = absl::Minutes(2);

DeadLetter OfGarbage(const bus::Record& record) {
  DeadLetter letter = channel::LetterOf(record, record.value.size());
  letter.set_reason(deadletter::v1::REASON_UNPARSABLE);
  letter.set_detail(absl::StrCat("not a ", DeadLetter::descriptor()->full_name()));
  *letter.mutable_time() = ToProto(record.time);
  return letter;
}

// Says whether to keep a letter, and may take out of it what is not needed.
using Sift = absl::FunctionRef<bool(DeadLetter&)>;

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
    Backwards backwards(bus, partition);
    WISSEL_ASSIGN_OR_RETURN(const auto reader,
                            bus.OpenReader(bus::Topic::kDeadLetter, partition, {}));
    WISSEL_ASSIGN_OR_RETURN(backwards.start_, reader->StartOffset());
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
    backwards.below_ =
        std::clamp(below.value_or(end), backwards.start_, std::max(end, backwards.start_));
    return backwards;
  }

  // Everything has been read.
  bool done() const { return below_ <= start_; }
  int64_t below() const { return below_; }

  // Of the `size` records before, those to keep, in their order; what is not a dead letter is one
  // of its own.
  absl::StatusOr<std::vector<Found>> ReadChunk(int64_t size, Sift sift) {
    const int64_t from = std::max(start_, below_ - size);
    // Anew each time, as an open reader holds what it has fetched ahead.
    WISSEL_ASSIGN_OR_RETURN(
        const auto reader,
        bus_->OpenReader(bus::Topic::kDeadLetter, partition_, {.offset = from, .wakeup = nullptr}));
    std::vector<Found> chunk;
    Timeout limit(kReadTimeout);
    while (reader->position() < below_) {
      if (limit.Expired()) return absl::UnavailableError("the dead letters' topic does not answer");
      const int64_t most = std::min(below_ - reader->position(), kWholeAtOnce);
      WISSEL_ASSIGN_OR_RETURN(const auto records,
                              reader->Poll(static_cast<size_t>(most), limit.Remaining()));
      if (!records.empty()) limit = Timeout(kReadTimeout);
      for (const bus::Record& record : records) {
        if (record.offset >= below_) break;
        Found found{.offset = record.offset, .letter = {}};
        if (!found.letter.ParseFromString(record.value)) found.letter = OfGarbage(record);
        if (sift(found.letter)) chunk.push_back(std::move(found));
      }
    }
    below_ = from;
    return chunk;
  }

 private:
  Backwards(bus::Bus& bus, int32_t partition) : bus_(&bus), partition_(partition) {}

  bus::Bus* bus_;
  int32_t partition_;
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

DeadLetters::DeadLetters(bus::Bus& bus, int64_t records_per_call, ReadingTimes times)
    : bus_(bus),
      records_per_call_(records_per_call),
      times_(times),
      appender_(bus.NewAppender({})) {}

absl::StatusOr<DeadLetters::Page> DeadLetters::List(const Filter& filter, size_t limit,
                                                    absl::string_view page_token) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kDeadLetter));
  std::optional<std::vector<int64_t>> from;
  if (!page_token.empty()) {
    WISSEL_ASSIGN_OR_RETURN(from, ReadToken(page_token, static_cast<size_t>(partitions)));
  }

  struct Partition {
    Backwards rest;
    std::vector<Backwards::Found> found;  // read and not yet taken, the newest last
    bool begun = false;

    // Below which offset the next page goes on.
    int64_t below() const { return found.empty() ? rest.below() : found.back().offset + 1; }
    bool done() const { return found.empty() && rest.done(); }
  };
  std::vector<Partition> all;
  for (int32_t partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(
        Backwards rest,
        Backwards::Open(
            bus_, partition,
            from.has_value() ? std::optional<int64_t>((*from)[partition]) : std::nullopt));
    all.push_back({.rest = std::move(rest), .found = {}});
  }
  const auto sift = [&filter](DeadLetter& letter) {
    if (!filter(letter)) return false;
    // Perhaps 768 KiB of each; clear_raw would keep the memory.
    const std::unique_ptr<std::string> raw(letter.release_raw());
    return true;
  };
  // A chunk of each partition is read whatever the bounds, so that every call comes further.
  const int64_t chunk = std::clamp<int64_t>(records_per_call_ / partitions, 1, kChunk);
  int64_t read = 0;
  const Timeout time(times_.page);
  // False where there may be one, and nothing more is to be read now.
  const auto find_newest = [&](Partition& partition) -> absl::StatusOr<bool> {
    while (!partition.done() && partition.found.empty()) {
      if (partition.begun && (read >= records_per_call_ || time.Expired())) return false;
      partition.begun = true;
      read += chunk;
      WISSEL_ASSIGN_OR_RETURN(partition.found, partition.rest.ReadChunk(chunk, sift));
    }
    return true;
  };

  // Within a partition in the order they stand, though times may be a little out of order: the
  // token can say no more than where to go on.
  Page page;
  for (bool known = true; known && page.letters.size() < limit;) {
    Partition* newest = nullptr;
    for (Partition& partition : all) {
      WISSEL_ASSIGN_OR_RETURN(const bool found, find_newest(partition));
      known &= found;
      if (partition.found.empty()) continue;
      if (newest == nullptr || FromProto(partition.found.back().letter.time()) >
                                   FromProto(newest->found.back().letter.time())) {
        newest = &partition;
      }
    }
    if (!known || newest == nullptr) break;
    page.letters.push_back(std::move(newest->found.back().letter));
    newest->found.pop_back();
  }
  if (std::all_of(all.begin(), all.end(), [](const Partition& p) { return p.done(); })) return page;
  std::vector<int64_t> below;
  for (const Partition& partition : all) below.push_back(partition.below());
  page.next_page_token = MakeToken(below);
  return page;
}

absl::StatusOr<DeadLetter> DeadLetters::Get(const Filter& filter, absl::string_view id) {
  const absl::Cleanup end = [this] { --searches_; };
  if (++searches_ > kMostSearches) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMostSearches, " dead letters are being looked for: try again"));
  }
  const Timeout time(times_.search);
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kDeadLetter));
  std::deque<Backwards> unread;
  for (int32_t partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(Backwards all, Backwards::Open(bus_, partition, std::nullopt));
    if (!all.done()) unread.push_back(std::move(all));
  }
  const auto sift = [&](const DeadLetter& letter) {
    return letter.dead_letter_id() == id && filter(letter);
  };
  // By turns: the newest of every partition first.
  std::optional<DeadLetter> first;
  while (!unread.empty() && !time.Expired()) {
    Backwards partition = std::move(unread.front());
    unread.pop_front();
    WISSEL_ASSIGN_OR_RETURN(auto chunk, partition.ReadChunk(kSearchChunk, sift));
    if (!chunk.empty()) {
      first = std::move(chunk.front().letter);
      unread.clear();  // Repeats have the same key, and so the same partition.
    }
    if (!partition.done()) unread.push_back(std::move(partition));
  }
  if (first.has_value()) return *std::move(first);
  if (unread.empty()) return absl::NotFoundError(absl::StrCat("no dead letter ", id));
  return absl::DeadlineExceededError(absl::StrCat(
      "no dead letter ", id, " among the newest, and there are more than can be read in ",
      absl::FormatDuration(times_.search)));
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
