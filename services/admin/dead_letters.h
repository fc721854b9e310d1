#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "wissel/deadletter/v1/deadletter.pb.h"

namespace wissel::admin {

// What reading may take. A call that is not answered by then has read in vain, but one of the
// service's few threads is free again.
struct ReadingTimes {
  absl::Duration page = absl::Seconds(5);     // then a page is short, with a token to go on
  absl::Duration search = absl::Seconds(30);  // for one letter by its id
};

// Reads the dead letters' topic and puts records back where they came from. Thread-safe; calls
// block on the log. There is no index: what is looked for is read from the newest backwards.
class DeadLetters {
 public:
  // Which letters the caller may see.
  using Filter = std::function<bool(const deadletter::v1::DeadLetter&)>;

  struct Page {
    // Without their raw bytes; newest first, though those of a partition as they stand there.
    std::vector<deadletter::v1::DeadLetter> letters;
    std::string next_page_token;  // empty: that was all
  };

  struct Replayed {
    std::string topic;
    int32_t partition = 0;
    int64_t offset = 0;
  };

  // `records_per_call`: about as many are read for one page, which may then be short, with a token
  // to go on.
  DeadLetters(bus::Bus& bus, int64_t records_per_call, ReadingTimes times = {});

  // `limit`: at least 1.
  //   INVALID_ARGUMENT  not a token of ours
  //   UNAVAILABLE       the log does not answer
  absl::StatusOr<Page> List(const Filter& filter, size_t limit, absl::string_view page_token);

  // The first of that id: a repeat does not hide it. Reads the whole topic, the newest first,
  // within the time that a search may take; two at the same time.
  //   NOT_FOUND           there is none that the caller may see
  //   DEADLINE_EXCEEDED   it is not among those that could be read in time
  //   RESOURCE_EXHAUSTED  two others are looking for one
  absl::StatusOr<deadletter::v1::DeadLetter> Get(const Filter& filter, absl::string_view id);

  // Appends the bytes to the topic they came from, in the partition of their old key. Errors as
  // Get, and:
  //   FAILED_PRECONDITION  it did not come from a topic of inputs, or its bytes were cut
  absl::StatusOr<Replayed> Replay(const Filter& filter, absl::string_view id);

 private:
  bus::Bus& bus_;
  const int64_t records_per_call_;
  const ReadingTimes times_;
  std::atomic<int> searches_ = 0;  // under way
  const std::unique_ptr<bus::Appender> appender_;
};

}  // namespace wissel::admin
