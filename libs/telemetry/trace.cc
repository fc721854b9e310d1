#include "libs/telemetry/trace.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hex.h"

namespace wissel::telemetry {
namespace {

// "00-" trace id "-" parent id "-" flags
constexpr size_t kVersion00Size = 55;

template <size_t N>
bool AllZero(const std::array<uint8_t, N>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

template <size_t N>
std::string Hex(const std::array<uint8_t, N>& bytes) {
  return HexEncode(absl::string_view(reinterpret_cast<const char*>(bytes.data()), N));
}

// Lower-case digits only, as the specification demands.
template <size_t N>
bool ParseHex(absl::string_view digits, std::array<uint8_t, N>& bytes) {
  const absl::StatusOr<std::string> raw = HexDecode(digits);
  if (!raw.ok() || raw->size() != N) return false;
  if (std::any_of(digits.begin(), digits.end(), [](char c) { return c >= 'A' && c <= 'F'; })) {
    return false;
  }
  std::copy(raw->begin(), raw->end(), bytes.begin());
  return true;
}

// A random id; all zero means "none", so it is drawn again. It need not be secret, only one of its
// kind, and is drawn for every message.
template <size_t N>
void Draw(std::array<uint8_t, N>& id) {
  thread_local absl::BitGen random;
  do {
    for (uint8_t& byte : id) byte = absl::Uniform<uint8_t>(random);
  } while (AllZero(id));
}

}  // namespace

absl::StatusOr<TraceContext> TraceContext::Parse(absl::string_view text) {
  const auto invalid = [](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("traceparent: ", why));
  };
  if (text.size() < kVersion00Size) return invalid("too short");
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return invalid("misplaced dash");
  std::array<uint8_t, 1> version, flags;
  TraceContext context;
  if (!ParseHex(text.substr(0, 2), version) || !ParseHex(text.substr(3, 32), context.trace_id) ||
      !ParseHex(text.substr(36, 16), context.parent_id) || !ParseHex(text.substr(53, 2), flags)) {
    return invalid("not lower-case hex");
  }
  if (version[0] == 0xff) return invalid("version ff");
  // A later version may append fields, after another dash (section 4.3).
  if (text.size() > kVersion00Size && (version[0] == 0 || text[kVersion00Size] != '-')) {
    return invalid("too long");
  }
  if (AllZero(context.trace_id)) return invalid("trace id is zero");
  if (AllZero(context.parent_id)) return invalid("parent id is zero");
  // Only the sampled bit has a meaning in version 00; the others are not passed on.
  context.flags = flags[0] & 1;
  return context;
}

TraceContext TraceContext::NewRoot(bool sampled) {
  TraceContext context;
  Draw(context.trace_id);
  Draw(context.parent_id);
  context.flags = sampled ? 1 : 0;
  return context;
}

TraceContext TraceContext::FromHeaderOrNew(absl::string_view traceparent) {
  absl::StatusOr<TraceContext> context = Parse(traceparent);
  return context.ok() ? *context : NewRoot();
}

TraceContext TraceContext::NewChild() const {
  TraceContext child = *this;
  Draw(child.parent_id);
  return child;
}

std::string TraceContext::ToHeader() const {
  return absl::StrCat("00-", Hex(trace_id), "-", Hex(parent_id), "-",
                      absl::Hex(flags, absl::kZeroPad2));
}

std::string TraceContext::TraceIdText() const { return Hex(trace_id); }

std::string TraceIdOf(absl::string_view traceparent) {
  const absl::StatusOr<TraceContext> context = TraceContext::Parse(traceparent);
  return context.ok() ? context->TraceIdText() : "";
}

}  // namespace wissel::telemetry
