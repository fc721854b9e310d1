#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "libs/views/compare.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

struct VerifyFlags {
  std::vector<std::string> routers;  // telemetry addresses; the context's where empty
  store::RedisOptions redis;         // not asked where the address is empty
  absl::Duration timeout = absl::Seconds(10);
};

// What somebody who folds the log says of a partition: at this place, this hash.
struct Witness {
  std::string who;  // "router 127.0.0.1:9464", "redis"
  int32_t partition = 0;
  // The place: behind the decision (epoch, sequence), or before the record `next_offset`.
  int64_t epoch = 0;
  int64_t sequence = 0;
  std::optional<int64_t> next_offset;
  uint64_t state_hash = 0;
  // Set where there is nothing to compare, and says why.
  std::string absent;
  bool damaged = false;    // then: what is there does not add up
  bool not_asked = false;  // then: it could not be reached
};

enum class Agreement {
  kAgrees,
  kDiffers,
  kNotReached,  // the log ends before the witness's place
  kNotWhole,    // the log's head is cut off, and no restating round has passed before the place
  kAbsent,
  kDamaged,
  kNotAsked,
};

struct Testimony {
  Witness witness;
  Agreement agreement = Agreement::kNotReached;
  uint64_t state_hash = 0;  // of the fold at the witness's place
};

struct PartitionReport {
  int32_t partition = 0;
  int64_t claims = 0;
  int64_t decisions = 0;
  int64_t events = 0;
  std::map<std::string, int64_t> voids;  // by reason
  bool whole = true;
  uint64_t state_hash = 0;  // at the end
  size_t conversations = 0;
  size_t open = 0;
  std::vector<Testimony> testimonies;
  // Where Redis was asked: its views against those that the fold makes.
  std::optional<views::ViewComparison> views;
};

// Reads {"partitions":[{"partition":0,"epoch":1,"sequence":7,"state_hash":"00ff…"}]} as the
// router's /statez gives it; the hash in 16 hexadecimal digits.
absl::StatusOr<std::vector<Witness>> ParseStatez(absl::string_view who, absl::string_view json);

// Folds the log and hears every witness.
absl::StatusOr<std::vector<PartitionReport>> FoldAndCompare(bus::Bus& bus,
                                                            const std::vector<Witness>& witnesses);

// The same with the witnesses that the flags name, asked anew while one of them is ahead of what
// readers see; and with the views. A witness that cannot be reached is kNotAsked, and so are
// "redis, views" that could not be compared.
absl::StatusOr<std::vector<PartitionReport>> AskAndCompare(bus::Bus& bus, const VerifyFlags& flags);

// Nobody disagrees, and everybody could be asked: `log verify` says OK.
bool AllAgree(const std::vector<PartitionReport>& reports);

// `wisselctl log verify`. UNKNOWN without a message where a witness disagrees; UNAVAILABLE where
// none does, and one could not be asked.
absl::Status VerifyLog(Session& session, VerifyFlags flags);

}  // namespace wissel::ctl
