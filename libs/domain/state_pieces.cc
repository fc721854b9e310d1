// What a state is made of, piece by piece: keys, bytes and hash, a checkpoint's pieces, and the ids
// that have been seen, which are pieces of their own.

#include <algorithm>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/domain/state.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain {

using config::v1::WorkspaceConfig;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::SeenIds;

namespace {

// Separates the parts of what is hashed; in no key.
constexpr absl::string_view kSeparator("\0", 1);

std::optional<absl::uint128> ParseSeenId(absl::string_view uuid) {
  const absl::StatusOr<Uuid> parsed = Uuid::Parse(uuid);
  if (!parsed.ok()) return std::nullopt;
  absl::uint128 id;
  static_assert(sizeof(id) == sizeof(parsed->bytes));
  std::memcpy(&id, parsed->bytes.data(), sizeof(id));
  return id;
}

std::string SeenPieceKey(const std::pair<int64_t, int32_t>& key) {
  return absl::StrCat(key.first, ".", key.second);
}

// Calls `f` with each id of a seen piece.
template <typename F>
void ForEachId(absl::string_view ids, F f) {
  for (size_t i = 0; i + sizeof(absl::uint128) <= ids.size(); i += sizeof(absl::uint128)) {
    absl::uint128 id;
    std::memcpy(&id, ids.data() + i, sizeof(id));
    f(id);
  }
}

}  // namespace

absl::string_view PieceKindName(PieceKind kind) {
  switch (kind) {
    case PieceKind::kPartition:
      return "partition";
    case PieceKind::kConfig:
      return "config";
    case PieceKind::kConversation:
      return "conversation";
    case PieceKind::kAgent:
      return "agent";
    case PieceKind::kSeen:
      return "seen";
    case PieceKind::kQueue:
      return "queue";
  }
  return "";
}

std::optional<PieceKind> ParsePieceKind(absl::string_view name) {
  for (PieceKind kind : kPieceKinds) {
    if (PieceKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

std::optional<std::pair<int64_t, int32_t>> ParseSeenKey(absl::string_view key) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(key, '.');
  std::pair<int64_t, int32_t> parsed;
  if (!absl::SimpleAtoi(parts.first, &parsed.first) ||
      !absl::SimpleAtoi(parts.second, &parsed.second)) {
    return std::nullopt;
  }
  return parsed;
}

uint64_t PieceHash(const PieceKey& key, absl::string_view bytes) {
  return StableHash64(
      absl::StrCat(PieceKindName(key.kind), kSeparator, key.key, kSeparator, bytes));
}

void State::Remember(absl::string_view uuid) {
  const std::optional<absl::uint128> id = ParseSeenId(uuid);
  if (!id.has_value() || !seen_.insert(*id).second) return;
  SeenKey key(absl::ToUnixSeconds(time_), 0);
  if (!seen_pieces_.empty() && seen_pieces_.rbegin()->first.first == key.first) {
    const auto& [last, ids] = *seen_pieces_.rbegin();
    key.second = last.second + (ids.size() >= kMaxSeenIds * sizeof(*id) ? 1 : 0);
  }
  seen_pieces_[key].append(reinterpret_cast<const char*>(&*id), sizeof(*id));
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

void State::ForgetOldIds() {
  const int64_t oldest = absl::ToUnixSeconds(time_ - kSeenFor);
  while (!seen_pieces_.empty() && seen_pieces_.begin()->first.first < oldest) {
    EraseSeen(SeenKey(seen_pieces_.begin()->first));
  }
}

void State::EraseSeen(const SeenKey& key) {
  const auto it = seen_pieces_.find(key);
  if (it == seen_pieces_.end()) return;
  ForEachId(it->second, [&](absl::uint128 id) { seen_.erase(id); });
  seen_pieces_.erase(it);
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

void State::PutSeen(const SeenIds& seen) {
  const SeenKey key(seen.second(), seen.part());
  EraseSeen(key);
  ForEachId(seen.ids(), [&](absl::uint128 id) { seen_.insert(id); });
  seen_pieces_[key] = seen.ids();
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

bool State::Seen(absl::string_view uuid) const {
  const std::optional<absl::uint128> id = ParseSeenId(uuid);
  return id.has_value() && seen_.contains(*id);
}

std::vector<std::string> State::Keys(PieceKind kind) const {
  std::vector<std::string> keys;
  switch (kind) {
    case PieceKind::kPartition:
      keys.emplace_back();
      break;
    case PieceKind::kConfig:
      for (const auto& [key, config] : configs_) keys.push_back(key);
      break;
    case PieceKind::kConversation:
      for (const auto& [key, conversation] : conversations_) keys.push_back(key);
      std::sort(keys.begin(), keys.end());
      break;
    case PieceKind::kAgent:
      for (const auto& [key, agent] : agents_) keys.push_back(key);
      break;
    case PieceKind::kSeen:
      for (const auto& [key, ids] : seen_pieces_) keys.push_back(SeenPieceKey(key));
      break;
    case PieceKind::kQueue:
      for (const auto& [key, queue] : queues_) keys.push_back(key);
      break;
  }
  return keys;
}

std::optional<std::string> State::PieceBytes(const PieceKey& key) const {
  switch (key.kind) {
    case PieceKind::kPartition:
      return partition_.SerializeAsString();
    case PieceKind::kConfig: {
      const auto it = configs_.find(key.key);
      if (it == configs_.end()) return std::nullopt;
      return it->second.SerializeAsString();
    }
    case PieceKind::kConversation: {
      const ConversationState* c = FindConversation(key.key);
      if (c == nullptr) return std::nullopt;
      return c->SerializeAsString();
    }
    case PieceKind::kAgent: {
      const auto it = agents_.find(key.key);
      if (it == agents_.end()) return std::nullopt;
      return it->second.SerializeAsString();
    }
    case PieceKind::kQueue: {
      const auto it = queues_.find(key.key);
      if (it == queues_.end()) return std::nullopt;
      return it->second.SerializeAsString();
    }
    case PieceKind::kSeen: {
      const std::optional<std::pair<int64_t, int32_t>> parsed = ParseSeenKey(key.key);
      if (!parsed.has_value()) return std::nullopt;
      const auto it = seen_pieces_.find(*parsed);
      if (it == seen_pieces_.end()) return std::nullopt;
      SeenIds seen;
      seen.set_second(parsed->first);
      seen.set_part(parsed->second);
      seen.set_ids(it->second);
      return seen.SerializeAsString();
    }
  }
  return std::nullopt;
}

uint64_t State::Hash() const {
  uint64_t sum = 0;
  for (PieceKind kind : kPieceKinds) {
    for (std::string& key : Keys(kind)) {
      const PieceKey piece{kind, std::move(key)};
      sum += PieceHash(piece, *PieceBytes(piece));
    }
  }
  return sum;
}

std::vector<Piece> State::TakeChanges() {
  std::vector<Piece> pieces;
  pieces.reserve(changed_.size());
  for (const PieceKey& key : changed_) pieces.push_back({key, PieceBytes(key)});
  changed_.clear();
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.key < b.key; });
  return pieces;
}

State State::Copy() const {
  State copy;
  for (const PieceKind kind : kPieceKinds) {
    for (std::string& key : Keys(kind)) {
      const PieceKey piece{kind, std::move(key)};
      WISSEL_CHECK(copy.Load({piece, PieceBytes(piece)}).ok());
    }
  }
  copy.whole_ = whole_;
  return copy;
}

absl::Status State::Load(const Piece& piece) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat("the ", PieceKindName(piece.key.kind), " \"",
                                                   piece.key.key,
                                                   "\" of the checkpoint does not parse"));
  };
  if (!piece.bytes.has_value()) return bad();
  switch (piece.key.kind) {
    case PieceKind::kPartition:
      if (!partition_.ParseFromString(*piece.bytes)) return bad();
      if (partition_.has_time()) time_ = FromProto(partition_.time());
      return absl::OkStatus();
    case PieceKind::kConfig: {
      WorkspaceConfig config;
      if (!config.ParseFromString(*piece.bytes)) return bad();
      sla_policies_[config.workspace_id()] = routing::CompileSlaPolicies(config);
      configs_[config.workspace_id()] = std::move(config);
      return absl::OkStatus();
    }
    case PieceKind::kConversation: {
      auto c = std::make_unique<ConversationState>();
      if (!c->ParseFromString(*piece.bytes)) return bad();
      PutConversation(std::move(c));
      return absl::OkStatus();
    }
    case PieceKind::kAgent: {
      AgentState agent;
      if (!agent.ParseFromString(*piece.bytes)) return bad();
      agents_[AgentKey(agent.workspace_id(), agent.agent_id())] = std::move(agent);
      return absl::OkStatus();
    }
    case PieceKind::kQueue: {
      state::v1::QueueState queue;
      if (!queue.ParseFromString(*piece.bytes)) return bad();
      queues_[QueueKey(queue.workspace_id(), queue.queue_id())] = std::move(queue);
      return absl::OkStatus();
    }
    case PieceKind::kSeen: {
      SeenIds seen;
      if (!seen.ParseFromString(*piece.bytes) || seen.ids().size() % 16 != 0) return bad();
      PutSeen(seen);
      return absl::OkStatus();
    }
  }
  return bad();
}

}  // namespace wissel::domain
