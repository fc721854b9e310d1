#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::telemetry {

// A position in a distributed trace (W3C Trace Context, level 1), carried in Kafka headers and gRPC
// metadata under kTraceParent. `tracestate` is not carried on. A value type.
struct TraceContext {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> parent_id{};  // the id of the span that this context names
  uint8_t flags = 0;                   // bit 0: sampled

  // Reads a `traceparent` header strictly (section 3.2): INVALID_ARGUMENT for anything that a
  // receiver has to ignore, and the receiver then starts a trace of its own.
  static absl::StatusOr<TraceContext> Parse(absl::string_view traceparent);

  // A new trace with random ids.
  static TraceContext NewRoot(bool sampled = true);

  // The context of whoever sent a message, or a new root if it sent none that is valid.
  static TraceContext FromHeaderOrNew(absl::string_view traceparent);

  // The same trace with a new random parent id: what a service sends on.
  TraceContext NewChild() const;

  // The `traceparent` header, version 00, 55 characters.
  std::string ToHeader() const;
  // 32 hex digits, for log fields.
  std::string TraceIdText() const;

  bool sampled() const { return (flags & 1) != 0; }

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

inline constexpr absl::string_view kTraceParent = "traceparent";

// For log fields: the trace id of a `traceparent` header; empty where that is none.
std::string TraceIdOf(absl::string_view traceparent);

}  // namespace wissel::telemetry
