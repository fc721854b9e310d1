#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/domain/engine.h"
#include "services/router/shared.h"

namespace wissel::router {

// Where what a partition cannot decide is put aside. For one thread.
class DeadLetters {
 public:
  DeadLetters(Shared& shared, int32_t partition);

  // The letter's id, once it is durable.
  absl::StatusOr<std::string> Put(const bus::Record& record, const domain::Refusal& refusal);

 private:
  Shared& shared_;
  const int32_t partition_;
  const std::unique_ptr<bus::Appender> appender_;
};

}  // namespace wissel::router
