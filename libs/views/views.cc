#include "libs/views/views.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "libs/views/checkpoint.h"

namespace wissel::views {
namespace {

using history::v1::Message;
using state::v1::AgentState;
using state::v1::ConversationState;
using store::Redis;
using store::Reply;
using store::Script;

constexpr char kEdited = 'e';
constexpr char kDelivery = 'd';

// In front of every script. KEYS[1]: meta; ARGV[1]: the key prefix; ARGV[2..]: the script's own.
// The reply begins with meta's fields.
std::string WithPrologue(absl::string_view script) {
  std::string fields;
  for (absl::string_view field : kMetaFields) absl::StrAppend(&fields, ", '", field, "'");
  return absl::StrCat("local meta = redis.call('HMGET', KEYS[1]", fields, ")\n", R"lua(
local prefix = ARGV[1]
local function conversation(id)
  return redis.call('HGET', prefix .. 'piece:conversation', id) or
         redis.call('HGET', prefix .. 'forgotten', id)
end
-- Bodies and marks of messages, as [id, score, body, mark] one after the other.
local function bodies(conversation_id, ids_and_scores)
  local result = {}
  for i = 1, #ids_and_scores, 2 do
    local id = ids_and_scores[i]
    local both = redis.call('HMGET', prefix .. 'messages:' .. conversation_id, 'b' .. id, 'm' .. id)
    result[#result + 1] = id
    result[#result + 1] = ids_and_scores[i + 1]
    result[#result + 1] = both[1] or ''
    result[#result + 1] = both[2] or ''
  end
  return result
end
local function latest(conversation_id, count)
  return bodies(conversation_id, redis.call('ZREVRANGE', prefix .. 'order:' .. conversation_id,
                                            0, count - 1, 'WITHSCORES'))
end
-- Members and scores, highest first, behind (score, id); score '' begins at the top.
local function page(key, score, id, count)
  if score == '' then return redis.call('ZREVRANGE', key, 0, count - 1, 'WITHSCORES') end
  local result, skip = {}, 0
  while #result < 2 * count do
    local found = redis.call('ZREVRANGEBYSCORE', key, score, '-inf', 'WITHSCORES',
                             'LIMIT', skip, count)
    if #found == 0 then break end
    for i = 1, #found, 2 do
      local behind = tonumber(found[i + 1]) < tonumber(score) or found[i] < id
      if behind and #result < 2 * count then
        result[#result + 1] = found[i]
        result[#result + 1] = found[i + 1]
      end
    end
    skip = skip + count
  end
  return result
end
)lua",
                      script);
}

const Script& AgentWorkScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
local key, count = ARGV[2], tonumber(ARGV[3])
local result = {meta, redis.call('HGET', prefix .. 'piece:agent', key) or ''}
for _, id in ipairs(redis.call('ZRANGE', prefix .. 'work:' .. key, 0, -1)) do
  result[#result + 1] = conversation(id) or ''
  result[#result + 1] = latest(id, count)
end
return result
)lua"));
  return *script;
}

const Script& ConversationScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
local id = ARGV[2]
return {meta, conversation(id) or '', latest(id, tonumber(ARGV[3]))}
)lua"));
  return *script;
}

const Script& MessagesScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
local id = ARGV[2]
return {meta, conversation(id) or '',
        bodies(id, page(prefix .. 'order:' .. id, ARGV[3], ARGV[4], tonumber(ARGV[5])))}
)lua"));
  return *script;
}

const Script& IndexScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
local result = {meta}
local found = page(ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]))
for i = 1, #found, 2 do
  result[#result + 1] = found[i]
  result[#result + 1] = found[i + 1]
  result[#result + 1] = conversation(found[i]) or ''
end
return result
)lua"));
  return *script;
}

const Script& GroupsScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
return {meta, redis.call('ZRANGE', ARGV[2], 0, -1)}
)lua"));
  return *script;
}

const Script& QueueScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
return {meta, redis.call('ZCARD', ARGV[2]), redis.call('ZCARD', ARGV[3]),
        redis.call('ZCARD', ARGV[4]), redis.call('ZRANGE', ARGV[2], 0, 0, 'WITHSCORES')}
)lua"));
  return *script;
}

const Script& AgentsScript() {
  static const Script* const script = new Script(WithPrologue(R"lua(
local result = {meta}
for _, id in ipairs(redis.call('ZRANGE', ARGV[2], 0, -1)) do
  result[#result + 1] = redis.call('HGET', prefix .. 'piece:agent', ARGV[3] .. id) or ''
end
return result
)lua"));
  return *script;
}

struct Answer {
  Place place;
  std::vector<Reply> parts;  // what follows meta
};

absl::StatusOr<Answer> ReadUnfinished(Redis& redis, const PartitionKeys& keys, const Script& script,
                                      std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), keys.prefix());
  WISSEL_ASSIGN_OR_RETURN(Reply reply,
                          redis.RunScript(keys.tag(), script, {keys.Meta()}, std::move(arguments)));
  if (reply.kind != Reply::Kind::kArray || reply.elements.empty()) {
    return absl::InternalError("Redis: a script answered something else");
  }
  const auto meta = ParseMeta(reply.elements[0]);
  if (!meta.ok() && !absl::IsFailedPrecondition(meta.status())) return meta.status();
  if (!meta.ok() || !meta->has_value() || !(*meta)->position.has_value() || !(*meta)->whole) {
    return BeingBuilt(keys.partition());
  }
  Answer answer;
  answer.place = {.partition = keys.partition(),
                  .position = *(*meta)->position,
                  .time = (*meta)->time,
                  .built = (*meta)->position->offset >= (*meta)->built_to};
  answer.parts.assign(std::make_move_iterator(reply.elements.begin() + 1),
                      std::make_move_iterator(reply.elements.end()));
  return answer;
}

absl::StatusOr<Answer> Read(Redis& redis, const PartitionKeys& keys, const Script& script,
                            std::vector<std::string> arguments) {
  WISSEL_ASSIGN_OR_RETURN(Answer answer, ReadUnfinished(redis, keys, script, std::move(arguments)));
  if (!answer.place.built) return BeingBuilt(keys.partition());
  return answer;
}

template <class Proto>
absl::StatusOr<Proto> Parse(const Reply& reply) {
  Proto proto;
  if (!proto.ParseFromString(reply.text)) {
    return absl::DataLossError(absl::StrCat("a view of ", proto.GetTypeName(), " does not parse"));
  }
  return proto;
}

void ApplyMark(absl::string_view mark, Message& message) {
  if (mark.empty()) return;
  if (mark[0] == kEdited) message.set_edited(true);
  int state;
  if (mark[0] == kDelivery && absl::SimpleAtoi(mark.substr(1), &state) &&
      receipt::v1::DeliveryState_IsValid(state)) {
    message.set_delivery_state(static_cast<receipt::v1::DeliveryState>(state));
  }
}

// What becomes of a message that stands in its conversation's order, and whose body is gone.
enum class Bodiless { kDataLoss, kLeftOut };

// From the scripts' [id, score, body, mark]*, newest first.
absl::StatusOr<std::vector<std::pair<Cursor, Message>>> ParseMessages(const Reply& reply,
                                                                      Bodiless bodiless) {
  std::vector<std::pair<Cursor, Message>> messages;
  for (size_t i = 0; i + 3 < reply.elements.size(); i += 4) {
    Cursor cursor;
    cursor.id = reply.elements[i].text;
    if (!absl::SimpleAtod(reply.elements[i + 1].text, &cursor.score)) {
      return absl::DataLossError("a message's place cannot be read");
    }
    if (reply.elements[i + 2].text.empty()) {
      if (bodiless == Bodiless::kLeftOut) continue;
      return absl::DataLossError(
          absl::StrCat("message ", cursor.id,
                       " is gone from the views, though its conversation names it: `wisselctl log "
                       "verify` tells what else is; emptying Redis builds them again"));
    }
    WISSEL_ASSIGN_OR_RETURN(Message message, Parse<Message>(reply.elements[i + 2]));
    ApplyMark(reply.elements[i + 3].text, message);
    messages.emplace_back(std::move(cursor), std::move(message));
  }
  return messages;
}

absl::StatusOr<ConversationWork> ParseWork(const Reply& conversation, const Reply& messages,
                                           Bodiless bodiless) {
  ConversationWork work;
  WISSEL_ASSIGN_OR_RETURN(work.conversation, Parse<ConversationState>(conversation));
  WISSEL_ASSIGN_OR_RETURN(auto newest_first, ParseMessages(messages, bodiless));
  for (auto& [cursor, message] : newest_first) work.messages.push_back(std::move(message));
  std::reverse(work.messages.begin(), work.messages.end());
  return work;
}

std::string Score(double score) {
  char text[32];
  snprintf(text, sizeof(text), "%.17g", score);
  return text;
}

std::vector<std::string> PageArguments(const std::optional<Cursor>& after, int limit) {
  if (!after.has_value()) return {"", "", absl::StrCat(limit)};
  return {Score(after->score), after->id, absl::StrCat(limit)};
}

bool Belongs(const ConversationState& conversation, absl::string_view workspace_id) {
  return conversation.workspace_id() == workspace_id;
}

}  // namespace

absl::Status BeingBuilt(int32_t partition) {
  return absl::UnavailableError(
      absl::StrCat("the views of partition ", partition, " are being built"));
}

absl::StatusOr<AgentWork> ReadAgentWork(Redis& redis, const PartitionKeys& keys,
                                        absl::string_view workspace_id,
                                        absl::string_view agent_id) {
  WISSEL_ASSIGN_OR_RETURN(Answer answer, ReadUnfinished(redis, keys, AgentWorkScript(),
                                                        {domain::AgentKey(workspace_id, agent_id),
                                                         absl::StrCat(kMessagesOfWork)}));
  AgentWork work;
  work.place = std::move(answer.place);
  if (!answer.parts[0].text.empty()) {
    WISSEL_ASSIGN_OR_RETURN(work.agent, Parse<AgentState>(answer.parts[0]));
  }
  for (size_t i = 1; i + 1 < answer.parts.size(); i += 2) {
    WISSEL_ASSIGN_OR_RETURN(ConversationWork conversation,
                            ParseWork(answer.parts[i], answer.parts[i + 1], Bodiless::kLeftOut));
    work.conversations.push_back(std::move(conversation));
  }
  return work;
}

absl::StatusOr<ConversationView> ReadConversation(Redis& redis, const PartitionKeys& keys,
                                                  absl::string_view workspace_id,
                                                  absl::string_view conversation_id, int messages) {
  WISSEL_ASSIGN_OR_RETURN(Answer answer,
                          Read(redis, keys, ConversationScript(),
                               {std::string(conversation_id), absl::StrCat(messages)}));
  ConversationView view;
  view.place = std::move(answer.place);
  if (answer.parts[0].text.empty()) return view;
  WISSEL_ASSIGN_OR_RETURN(ConversationWork work,
                          ParseWork(answer.parts[0], answer.parts[1], Bodiless::kDataLoss));
  if (Belongs(work.conversation, workspace_id)) view.conversation = std::move(work);
  return view;
}

absl::StatusOr<MessagePage> ReadMessages(Redis& redis, const PartitionKeys& keys,
                                         absl::string_view workspace_id,
                                         absl::string_view conversation_id,
                                         const std::optional<Cursor>& after, int limit) {
  std::vector<std::string> arguments = PageArguments(after, limit);
  arguments.insert(arguments.begin(), std::string(conversation_id));
  WISSEL_ASSIGN_OR_RETURN(Answer answer, Read(redis, keys, MessagesScript(), std::move(arguments)));
  MessagePage page;
  page.place = std::move(answer.place);
  ConversationState conversation;
  if (!answer.parts[0].text.empty()) {
    WISSEL_ASSIGN_OR_RETURN(conversation, Parse<ConversationState>(answer.parts[0]));
  }
  if (answer.parts[0].text.empty() || !Belongs(conversation, workspace_id)) {
    return absl::NotFoundError(absl::StrCat("no conversation ", conversation_id));
  }
  WISSEL_ASSIGN_OR_RETURN(page.messages, ParseMessages(answer.parts[1], Bodiless::kDataLoss));
  return page;
}

absl::StatusOr<ConversationPage> ReadIndex(Redis& redis, const PartitionKeys& keys,
                                           absl::string_view index,
                                           const std::optional<Cursor>& after, int limit) {
  std::vector<std::string> arguments = PageArguments(after, limit);
  arguments.insert(arguments.begin(), std::string(index));
  WISSEL_ASSIGN_OR_RETURN(Answer answer, Read(redis, keys, IndexScript(), std::move(arguments)));
  ConversationPage page;
  page.place = std::move(answer.place);
  for (size_t i = 0; i + 2 < answer.parts.size(); i += 3) {
    Cursor cursor;
    cursor.id = answer.parts[i].text;
    if (!absl::SimpleAtod(answer.parts[i + 1].text, &cursor.score)) {
      return absl::DataLossError("an index's score cannot be read");
    }
    WISSEL_ASSIGN_OR_RETURN(ConversationState conversation,
                            Parse<ConversationState>(answer.parts[i + 2]));
    page.conversations.emplace_back(std::move(cursor), std::move(conversation));
  }
  return page;
}

absl::StatusOr<std::vector<std::string>> ReadGroups(Redis& redis, const PartitionKeys& keys,
                                                    absl::string_view workspace_id) {
  WISSEL_ASSIGN_OR_RETURN(Answer answer,
                          Read(redis, keys, GroupsScript(), {keys.Groups(workspace_id)}));
  std::vector<std::string> groups;
  for (Reply& group : answer.parts[0].elements) groups.push_back(std::move(group.text));
  return groups;
}

absl::StatusOr<QueueView> ReadQueue(Redis& redis, const PartitionKeys& keys,
                                    absl::string_view group, absl::string_view queue_id) {
  WISSEL_ASSIGN_OR_RETURN(Answer answer,
                          Read(redis, keys, QueueScript(),
                               {keys.Waiting(group, queue_id), keys.Offered(group, queue_id),
                                keys.Active(group, queue_id)}));
  QueueView view;
  view.place = std::move(answer.place);
  WISSEL_ASSIGN_OR_RETURN(view.waiting, answer.parts[0].AsInteger());
  WISSEL_ASSIGN_OR_RETURN(view.offered, answer.parts[1].AsInteger());
  WISSEL_ASSIGN_OR_RETURN(view.active, answer.parts[2].AsInteger());
  double oldest;
  if (answer.parts[3].elements.size() == 2 &&
      absl::SimpleAtod(answer.parts[3].elements[1].text, &oldest)) {
    view.oldest_waiting_since = absl::FromUnixMicros(static_cast<int64_t>(oldest));
  }
  return view;
}

absl::StatusOr<std::vector<AgentState>> ReadAgents(Redis& redis, const PartitionKeys& keys,
                                                   absl::string_view workspace_id,
                                                   absl::string_view group) {
  WISSEL_ASSIGN_OR_RETURN(
      Answer answer,
      Read(redis, keys, AgentsScript(), {keys.Agents(group), domain::AgentKey(workspace_id, "")}));
  std::vector<AgentState> agents;
  for (const Reply& part : answer.parts) {
    WISSEL_ASSIGN_OR_RETURN(AgentState agent, Parse<AgentState>(part));
    agents.push_back(std::move(agent));
  }
  return agents;
}

std::string EditedMark() { return std::string(1, kEdited); }

std::string DeliveryMark(receipt::v1::DeliveryState state) {
  return absl::StrCat(absl::string_view(&kDelivery, 1), static_cast<int>(state));
}

}  // namespace wissel::views
