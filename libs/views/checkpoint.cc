#include "libs/views/checkpoint.h"

#include <iterator>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"

namespace wissel::views {

using store::Command;
using store::Redis;
using store::Reply;
using store::Script;

namespace {

// KEYS[1]: meta. ARGV: the incarnation and next_offset expected, the number of arguments that set
// meta, those, then the changes, each as the number of its words and the words.
const Script& WriteScript() {
  static const Script* const script = new Script(R"lua(
local found = redis.call('HMGET', KEYS[1], 'incarnation', 'next_offset')
local incarnation, next_offset = found[1] or '', found[2] or ''
if incarnation ~= ARGV[1] or next_offset ~= ARGV[2] then
  return {incarnation, next_offset}
end
local special = {}
function special.MESSAGE(i)
  local order, messages, id, position, keep, body =
      ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], tonumber(ARGV[i + 6]), ARGV[i + 7]
  redis.call('HSET', messages, 'b' .. id, body)
  redis.call('ZADD', order, position, id)
  local excess = redis.call('ZCARD', order) - keep
  if excess > 0 then
    for _, old in ipairs(redis.call('ZRANGE', order, 0, excess - 1)) do
      redis.call('HDEL', messages, 'b' .. old, 'm' .. old)
    end
    redis.call('ZREMRANGEBYRANK', order, 0, excess - 1)
  end
end
function special.MARK(i)
  local messages, id, mark = ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  if redis.call('HEXISTS', messages, 'b' .. id) == 1 then
    redis.call('HSET', messages, 'm' .. id, mark)
  end
end
local first_change = 4 + tonumber(ARGV[3])
local i = first_change
while i <= #ARGV do
  local words = tonumber(ARGV[i])
  local run = special[ARGV[i + 1]]
  if run then run(i) else redis.call(unpack(ARGV, i + 1, i + words)) end
  i = i + 1 + words
end
redis.call('HSET', KEYS[1], unpack(ARGV, 4, first_change - 1))
return {}
)lua");
  return *script;
}

// KEYS[1]: meta. ARGV: the new incarnation, the format. From here on every other writer is refused.
const Script& BeginScript() {
  static const Script* const script = new Script(R"lua(
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'format', ARGV[2], 'incarnation', ARGV[1])
return 1
)lua");
  return *script;
}

// KEYS[1]: meta, the rest: keys to remove. ARGV[1]: our incarnation.
const Script& RemoveScript() {
  static const Script* const script = new Script(R"lua(
if redis.call('HGET', KEYS[1], 'incarnation') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('UNLINK', KEYS[i]) end
return 1
)lua");
  return *script;
}

std::vector<std::string> MetaArguments(const CheckpointMeta& meta) {
  const bus::LogPosition position = meta.position.value_or(bus::LogPosition{});
  const bus::RuleState& rule = position.rule;
  return {
      "format",
      absl::StrCat(kCheckpointFormat),
      "incarnation",
      meta.incarnation,
      "next_offset",
      meta.position.has_value() ? absl::StrCat(position.offset) : "",
      "footing",
      absl::StrCat(static_cast<int>(rule.footing)),
      "epoch",
      absl::StrCat(rule.epoch),
      "claim_offset",
      absl::StrCat(rule.claim_offset),
      "next_sequence",
      absl::StrCat(rule.next_sequence),
      "epoch_bound",
      absl::StrCat(rule.epoch_bound),
      "owner",
      rule.owner,
      "time_ns",
      meta.time == absl::InfinitePast() ? "" : absl::StrCat(absl::ToUnixNanos(meta.time)),
      "state_hash",
      absl::StrCat(meta.state_hash),
      "whole",
      meta.whole ? "1" : "0",
      "messages_kept",
      meta.messages_kept ? absl::StrCat(*meta.messages_kept) : "",
      "forgotten_kept_ms",
      meta.forgotten_kept ? absl::StrCat(absl::ToInt64Milliseconds(*meta.forgotten_kept)) : "",
      "built_to",
      absl::StrCat(meta.built_to),
  };
}

// Some of the partition's keys, and where to go on: "0" at the end.
absl::StatusOr<std::vector<std::string>> ScanKeys(Redis& redis, const PartitionKeys& keys,
                                                  std::string& cursor) {
  // Glob characters of the prefix stand for themselves.
  std::string pattern;
  for (const char c : keys.prefix()) {
    if (absl::string_view("*?[]\\").find(c) != absl::string_view::npos) pattern += '\\';
    pattern += c;
  }
  pattern += '*';
  WISSEL_ASSIGN_OR_RETURN(
      Reply reply, redis.Run(keys.tag(), {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000"}));
  if (reply.kind != Reply::Kind::kArray || reply.elements.size() != 2) {
    return absl::InternalError("Redis: SCAN answered something else");
  }
  cursor = reply.elements[0].text;
  std::vector<std::string> found;
  for (Reply& key : reply.elements[1].elements) found.push_back(std::move(key.text));
  return found;
}

CheckpointLoad NotLoaded(CheckpointLoad::Outcome outcome, std::string detail) {
  CheckpointLoad load;
  load.outcome = outcome;
  load.detail = std::move(detail);
  return load;
}

}  // namespace

absl::string_view OutcomeName(CheckpointLoad::Outcome outcome) {
  switch (outcome) {
    case CheckpointLoad::Outcome::kLoaded:
      return "loaded";
    case CheckpointLoad::Outcome::kNone:
      return "none";
    case CheckpointLoad::Outcome::kOtherFormat:
      return "other_format";
    case CheckpointLoad::Outcome::kDamaged:
      return "damaged";
  }
  return "";
}

void Batch::Run(std::initializer_list<absl::string_view> command) {
  arguments_.push_back(absl::StrCat(command.size()));
  for (absl::string_view word : command) {
    arguments_.emplace_back(word);
    bytes_ += word.size();
  }
}

void Batch::Put(const domain::Piece& piece) {
  const std::string key = keys_->Pieces(domain::PieceKindName(piece.key.kind));
  if (piece.bytes.has_value()) {
    Run({"HSET", key, piece.key.key, *piece.bytes});
  } else {
    Run({"HDEL", key, piece.key.key});
  }
}

void Batch::AddMessage(absl::string_view conversation, absl::string_view id, double position,
                       absl::string_view message, int keep) {
  // 17 significant digits give every double back as it was.
  char score[32];
  snprintf(score, sizeof(score), "%.17g", position);
  Run({"MESSAGE", keys_->Order(conversation), keys_->Messages(conversation), id, score,
       absl::StrCat(keep), message});
}

void Batch::MarkMessage(absl::string_view conversation, absl::string_view id,
                        absl::string_view mark) {
  Run({"MARK", keys_->Messages(conversation), id, mark});
}

absl::StatusOr<std::optional<Expected>> WriteBatch(Redis& redis, const PartitionKeys& keys,
                                                   const Expected& expected,
                                                   const CheckpointMeta& next, Batch batch) {
  std::vector<std::string> arguments = {
      expected.incarnation,
      expected.next_offset.has_value() ? absl::StrCat(*expected.next_offset) : ""};
  std::vector<std::string> meta = MetaArguments(next);
  arguments.push_back(absl::StrCat(meta.size()));
  std::move(meta.begin(), meta.end(), std::back_inserter(arguments));
  std::move(batch.arguments_.begin(), batch.arguments_.end(), std::back_inserter(arguments));

  WISSEL_ASSIGN_OR_RETURN(const Reply reply, redis.RunScript(keys.tag(), WriteScript(),
                                                             {keys.Meta()}, std::move(arguments)));
  WISSEL_ASSIGN_OR_RETURN(const std::vector<Reply>* answer, reply.AsArray());
  if (answer->empty()) return std::nullopt;
  Expected found;
  WISSEL_ASSIGN_OR_RETURN(absl::string_view incarnation, (*answer)[0].AsString());
  WISSEL_ASSIGN_OR_RETURN(absl::string_view next_offset, (*answer)[1].AsString());
  found.incarnation = std::string(incarnation);
  int64_t offset;
  if (absl::SimpleAtoi(next_offset, &offset)) found.next_offset = offset;
  return found;
}

absl::StatusOr<std::string> BeginAnew(Redis& redis, const PartitionKeys& keys) {
  std::string incarnation = RandomUuid();
  WISSEL_RETURN_IF_ERROR(redis
                             .RunScript(keys.tag(), BeginScript(), {keys.Meta()},
                                        {incarnation, absl::StrCat(kCheckpointFormat)})
                             .status());
  std::string cursor = "0";
  do {
    WISSEL_ASSIGN_OR_RETURN(std::vector<std::string> found, ScanKeys(redis, keys, cursor));
    std::vector<std::string> doomed = {keys.Meta()};
    for (std::string& key : found) {
      if (key != keys.Meta()) doomed.push_back(std::move(key));
    }
    if (doomed.size() == 1) continue;
    WISSEL_ASSIGN_OR_RETURN(const Reply removed,
                            redis.RunScript(keys.tag(), RemoveScript(), doomed, {incarnation}));
    if (removed.integer != 1) {
      return absl::AbortedError(
          absl::StrCat("partition ", keys.partition(), " was begun anew by another writer"));
    }
  } while (cursor != "0");
  return incarnation;
}

absl::StatusOr<std::vector<std::string>> KeysThere(Redis& redis, const PartitionKeys& keys) {
  absl::flat_hash_set<std::string> there;
  std::string cursor = "0";
  do {
    WISSEL_ASSIGN_OR_RETURN(std::vector<std::string> found, ScanKeys(redis, keys, cursor));
    for (std::string& key : found) there.insert(std::move(key));
  } while (cursor != "0");
  return std::vector<std::string>(there.begin(), there.end());
}

absl::StatusOr<std::optional<CheckpointMeta>> ParseMeta(const Reply& reply) {
  WISSEL_ASSIGN_OR_RETURN(const std::vector<Reply>* fields, reply.AsArray());
  if (fields->size() != std::size(kMetaFields)) {
    return absl::InternalError("Redis: HMGET answered something else");
  }
  size_t next = 0;
  const auto take = [&]() -> const Reply& { return (*fields)[next++]; };
  bool readable = true;
  const auto take_number = [&](auto& number) {
    const Reply& field = take();
    if (field.nil() || !absl::SimpleAtoi(field.text, &number)) readable = false;
  };

  if (const Reply& format = take(); format.nil()) {
    return std::nullopt;
  } else if (format.text != absl::StrCat(kCheckpointFormat)) {
    return absl::FailedPreconditionError(
        absl::StrCat("format ", format.text, ", this release has ", kCheckpointFormat));
  }
  CheckpointMeta meta;
  meta.incarnation = take().text;
  const Reply& next_offset = take();
  // Begun, nothing folded in.
  if (next_offset.nil() || next_offset.text.empty()) return meta;
  int64_t offset;
  if (!absl::SimpleAtoi(next_offset.text, &offset)) readable = false;
  bus::RuleState rule;
  int footing = 0;
  take_number(footing);
  if (footing < 0 || footing > static_cast<int>(bus::Footing::kFirm)) readable = false;
  rule.footing = static_cast<bus::Footing>(footing);
  take_number(rule.epoch);
  take_number(rule.claim_offset);
  take_number(rule.next_sequence);
  take_number(rule.epoch_bound);
  rule.owner = take().text;
  meta.position = bus::LogPosition{.offset = offset, .rule = rule};
  if (const Reply& time = take(); !time.text.empty()) {
    int64_t nanoseconds;
    if (!absl::SimpleAtoi(time.text, &nanoseconds)) readable = false;
    meta.time = absl::FromUnixNanos(nanoseconds);
  }
  take_number(meta.state_hash);
  meta.whole = take().text == "1";
  if (const Reply& kept = take(); !kept.text.empty()) {
    if (!absl::SimpleAtoi(kept.text, &meta.messages_kept.emplace())) readable = false;
  }
  if (const Reply& kept = take(); !kept.text.empty()) {
    int64_t milliseconds = 0;
    if (!absl::SimpleAtoi(kept.text, &milliseconds)) readable = false;
    meta.forgotten_kept = absl::Milliseconds(milliseconds);
  }
  if (const Reply& built_to = take(); !built_to.text.empty()) {
    if (!absl::SimpleAtoi(built_to.text, &meta.built_to)) readable = false;
  }
  if (!readable) return absl::DataLossError(absl::StrCat("the place in the log cannot be read"));
  return meta;
}

absl::StatusOr<CheckpointLoad> LoadCheckpoint(Redis& redis, const PartitionKeys& keys) {
  using Outcome = CheckpointLoad::Outcome;
  std::vector<Command> commands = {{"MULTI"}};
  Command& read_meta = commands.emplace_back(Command{"HMGET", keys.Meta()});
  for (absl::string_view field : kMetaFields) read_meta.emplace_back(field);
  for (const domain::PieceKind kind : domain::kPieceKinds) {
    commands.push_back({"HGETALL", keys.Pieces(domain::PieceKindName(kind))});
  }
  commands.push_back({"EXEC"});
  WISSEL_ASSIGN_OR_RETURN(std::vector<Reply> replies, redis.Pipeline(keys.tag(), commands));
  Reply& result = replies.back();
  // A key of another type is an error inside the transaction's result.
  WISSEL_RETURN_IF_ERROR(result.status());
  if (result.elements.size() != 1 + std::size(domain::kPieceKinds)) {
    return absl::InternalError("Redis: EXEC answered something else");
  }
  for (const Reply& part : result.elements) {
    if (part.error()) return NotLoaded(Outcome::kDamaged, part.text);
  }

  auto meta = ParseMeta(result.elements[0]);
  if (absl::IsFailedPrecondition(meta.status())) {
    return NotLoaded(Outcome::kOtherFormat, std::string(meta.status().message()));
  }
  if (absl::IsDataLoss(meta.status())) {
    return NotLoaded(Outcome::kDamaged, std::string(meta.status().message()));
  }
  WISSEL_RETURN_IF_ERROR(meta.status());
  if (!meta->has_value() || !(*meta)->position.has_value()) {
    return NotLoaded(Outcome::kNone, "nothing there");
  }

  CheckpointLoad load;
  load.outcome = Outcome::kLoaded;
  load.checkpoint.meta = **std::move(meta);
  uint64_t sum = 0;
  for (size_t i = 0; i < std::size(domain::kPieceKinds); ++i) {
    std::vector<Reply>& fields = result.elements[1 + i].elements;
    load.checkpoint.pieces.reserve(load.checkpoint.pieces.size() + fields.size() / 2);
    for (size_t j = 0; j + 1 < fields.size(); j += 2) {
      domain::Piece& piece = load.checkpoint.pieces.emplace_back();
      piece.key = {domain::kPieceKinds[i], std::move(fields[j].text)};
      piece.bytes = std::move(fields[j + 1].text);
      sum += domain::PieceHash(piece.key, *piece.bytes);
    }
  }
  if (sum != load.checkpoint.meta.state_hash) {
    return NotLoaded(Outcome::kDamaged, absl::StrCat("the pieces add up to ", sum, ", not to ",
                                                     load.checkpoint.meta.state_hash));
  }
  return load;
}

}  // namespace wissel::views
