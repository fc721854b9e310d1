#include "libs/views/fold.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/views/views.h"
#include "wissel/history/v1/history_service.pb.h"

namespace wissel::views {
namespace {

using conversation::v1::Event;
using domain::Piece;
using domain::PieceKey;
using domain::PieceKind;
using history::v1::Message;
using state::v1::ConversationState;

// A message's place: the decision's offset, and within the decision the event's.
double Position(int64_t offset, int event) {
  constexpr int kEventsApart = 1024;  // Offsets below 2^43 keep their events apart in a double.
  return static_cast<double>(offset) +
         static_cast<double>(std::min(event, kEventsApart - 1)) / kEventsApart;
}

std::string ScoreText(double score) {
  char text[32];
  snprintf(text, sizeof(text), "%.17g", score);
  return text;
}

}  // namespace

Fold::Fold(const PartitionKeys& keys, FoldOptions options, domain::State state)
    : keys_(keys), options_(options), state_(std::move(state)), batch_(keys) {
  for (const PieceKind kind : domain::kPieceKinds) {
    for (std::string& key : state_.Keys(kind)) {
      Piece piece{{kind, std::move(key)}, std::nullopt};
      piece.bytes = state_.PieceBytes(piece.key);
      if (options_.from_nothing) batch_.Put(piece);
      CountPiece(piece);
    }
  }
  for (const auto& [id, conversation] : state_.conversations()) {
    indexes_[PieceKey{PieceKind::kConversation, id}] = IndexesOf(keys_, *conversation);
  }
  for (const auto& [key, agent] : state_.agents()) {
    indexes_[PieceKey{PieceKind::kAgent, key}] = IndexesOf(keys_, agent);
  }
  state_.TrackChanges();
}

void Fold::CountPiece(const Piece& piece) {
  if (const auto before = hashes_.find(piece.key); before != hashes_.end()) {
    hash_ -= before->second;
    hashes_.erase(before);
  }
  if (piece.bytes.has_value()) {
    const uint64_t hash = domain::PieceHash(piece.key, *piece.bytes);
    hash_ += hash;
    hashes_.emplace(piece.key, hash);
  }
}

void Fold::Apply(const bus::LogEntry& entry) {
  if (!entry.record.has_decision()) return;
  const log::v1::Decision& decision = entry.record.decision();
  NoteForgotten(decision);
  state_.Apply(decision);
  events_ += decision.events_size();
  AddMessages(decision, entry.offset);
}

void Fold::NoteForgotten(const log::v1::Decision& decision) {
  for (const Event& event : decision.events()) {
    if (!event.has_conversation_forgotten()) continue;
    const std::string& id = event.conversation_forgotten().conversation_id();
    const ConversationState* conversation = state_.FindConversation(id);
    if (conversation == nullptr) continue;
    forgotten_[id] = {.conversation = *conversation, .time = FromProto(decision.time())};
  }
}

void Fold::AddMessages(const log::v1::Decision& decision, int64_t offset) {
  for (int i = 0; i < decision.events_size(); ++i) {
    const Event& event = decision.events(i);
    Message message;
    std::string conversation_id;
    switch (event.kind_case()) {
      case Event::kMessageReceived:
        conversation_id = event.message_received().conversation_id();
        message.set_id(event.message_received().message().envelope().id());
        *message.mutable_inbound() = event.message_received().message();
        break;
      case Event::kMessageEdited:
        conversation_id = event.message_edited().conversation_id();
        message.set_id(event.message_edited().message().envelope().id());
        *message.mutable_inbound() = event.message_edited().message();
        break;
      case Event::kReplySent:
        conversation_id = event.reply_sent().conversation_id();
        message.set_id(event.reply_sent().outbound_id());
        *message.mutable_outbound() = event.reply_sent().message();
        *message.mutable_actor() = event.reply_sent().actor();
        message.set_delivery_state(receipt::v1::DELIVERY_STATE_PENDING);
        break;
      case Event::kNoteAdded:
        conversation_id = event.note_added().conversation_id();
        message.set_id(event.note_added().note_id());
        message.set_note(event.note_added().text());
        *message.mutable_actor() = event.note_added().actor();
        break;
      case Event::kTransferred:
        if (event.transferred().note().empty()) continue;
        conversation_id = event.transferred().conversation_id();
        message.set_id(UuidV5(kWisselNamespace, {"transfer note", conversation_id,
                                                 absl::StrCat(offset), absl::StrCat(i)}));
        message.set_note(event.transferred().note());
        *message.mutable_actor() = event.transferred().actor();
        break;
      case Event::kConsultStarted:
        if (event.consult_started().note().empty()) continue;
        conversation_id = event.consult_started().conversation_id();
        message.set_id(UuidV5(kWisselNamespace, {"consult note", conversation_id,
                                                 absl::StrCat(offset), absl::StrCat(i)}));
        message.set_note(event.consult_started().note());
        *message.mutable_actor() = event.consult_started().actor();
        break;
      case Event::kDeliveryUpdated:
        batch_.MarkMessage(event.delivery_updated().conversation_id(),
                           event.delivery_updated().outbound_id(),
                           DeliveryMark(event.delivery_updated().state()));
        continue;
      default:
        continue;
    }
    // A conversation whose beginning was cut off comes back with the restating round.
    if (state_.FindConversation(conversation_id) == nullptr) continue;
    *message.mutable_time() = decision.time();
    message.set_log_offset(offset);
    batch_.AddMessage(conversation_id, message.id(), Position(offset, i),
                      message.SerializeAsString(), options_.messages_kept);
    if (event.has_message_edited() && !event.message_edited().message_id().empty()) {
      batch_.MarkMessage(conversation_id, event.message_edited().message_id(), EditedMark());
    }
  }
}

void Fold::Expire(const ConversationState& conversation) {
  const std::string& id = conversation.conversation_id();
  batch_.Run({"HDEL", keys_.Forgotten(), id});
  batch_.Run({"ZREM", keys_.ForgottenTime(), id});
  // It has come back: what the views hold is its present life's.
  if (state_.FindConversation(id) != nullptr) return;
  for (const IndexEntry& entry : IndexesOf(keys_, conversation)) {
    batch_.Run({"ZREM", entry.key, id});
  }
  batch_.Run({"UNLINK", keys_.Messages(id), keys_.Order(id)});
}

Fold::Changes Fold::Take(const bus::LogPosition& position) {
  Changes changes{.batch = std::exchange(batch_, Batch(keys_)), .meta = {}};
  for (const Piece& piece : state_.TakeChanges()) {
    const bool known = hashes_.contains(piece.key);
    if (!piece.bytes.has_value() && !known && !forgotten_.contains(piece.key.key)) continue;
    changes.batch.Put(piece);
    CountPiece(piece);
    if (piece.key.kind == PieceKind::kConversation) MoveConversation(piece, changes.batch);
    if (piece.key.kind == PieceKind::kAgent) MoveAgent(piece, changes.batch);
  }
  forgotten_.clear();
  changes.meta.position = position;
  changes.meta.state_hash = hash_;
  changes.meta.time = state_.time();
  changes.meta.whole = state_.whole();
  changes.meta.messages_kept = options_.messages_kept;
  return changes;
}

void Fold::MoveConversation(const Piece& piece, Batch& batch) {
  const std::string& id = piece.key.key;
  if (const ConversationState* conversation = state_.FindConversation(id)) {
    AddGroup(conversation->workspace_id(), conversation->routing_group_id(), batch);
    if (!indexes_.contains(piece.key)) {
      // It may have been forgotten before, and have come back.
      const std::string group =
          domain::RoutingKey(conversation->workspace_id(), conversation->routing_group_id());
      batch.Run({"ZREM", keys_.WithStatus(state::v1::CONVERSATION_STATUS_RESOLVED, group), id});
      batch.Run({"HDEL", keys_.Forgotten(), id});
      batch.Run({"ZREM", keys_.ForgottenTime(), id});
    }
    return Reindex(piece.key, id, IndexesOf(keys_, *conversation), batch);
  }
  const auto forgotten = forgotten_.find(id);
  if (forgotten == forgotten_.end()) {
    Reindex(piece.key, id, {}, batch);
    batch.Run({"UNLINK", keys_.Messages(id), keys_.Order(id)});
    return;
  }
  // It stays in the indexes of the resolved until it expires.
  const auto& [conversation, time] = forgotten->second;
  Reindex(piece.key, id, IndexesOf(keys_, conversation), batch);
  indexes_.erase(piece.key);
  batch.Run({"HSET", keys_.Forgotten(), id, conversation.SerializeAsString()});
  batch.Run({"ZADD", keys_.ForgottenTime(),
             ScoreText(static_cast<double>(absl::ToUnixMicros(time))), id});
}

void Fold::MoveAgent(const Piece& piece, Batch& batch) {
  const auto agent = state_.agents().find(piece.key.key);
  const std::string member = piece.key.key.substr(piece.key.key.find('/') + 1);
  if (agent == state_.agents().end()) return Reindex(piece.key, member, {}, batch);
  AddGroup(agent->second.workspace_id(), agent->second.routing_group_id(), batch);
  Reindex(piece.key, member, IndexesOf(keys_, agent->second), batch);
}

// Both lists are sorted by key.
void Fold::Reindex(const PieceKey& key, absl::string_view member, std::vector<IndexEntry> entries,
                   Batch& batch) {
  std::vector<IndexEntry>& before = indexes_[key];
  auto old = before.begin();
  for (const IndexEntry& entry : entries) {
    while (old != before.end() && old->key < entry.key) {
      batch.Run({"ZREM", (old++)->key, member});
    }
    const bool there = old != before.end() && old->key == entry.key;
    if (!there || old->score != entry.score) {
      batch.Run({"ZADD", entry.key, ScoreText(entry.score), member});
    }
    if (there) ++old;
  }
  for (; old != before.end(); ++old) batch.Run({"ZREM", old->key, member});
  if (entries.empty()) {
    indexes_.erase(key);
  } else {
    before = std::move(entries);
  }
}

void Fold::AddGroup(const std::string& workspace, const std::string& group, Batch& batch) {
  if (!groups_.insert(domain::RoutingKey(workspace, group)).second) return;
  batch.Run({"ZADD", keys_.Groups(workspace), "0", group});
}

}  // namespace wissel::views
