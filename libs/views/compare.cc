#include "libs/views/compare.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/bus/log_reader.h"
#include "libs/views/checkpoint.h"
#include "libs/views/fold.h"

namespace wissel::views {
namespace {

using store::Command;
using store::Redis;
using store::Reply;

// Keys read at once, and records folded at once.
constexpr size_t kKeysAtOnce = 20;
constexpr int64_t kRecordsAtOnce = 500;
// Of one index or of the forgotten, values read at once.
constexpr size_t kValuesAtOnce = 500;
constexpr absl::Duration kReadTimeout = absl::Seconds(10);

size_t Fingerprint(absl::string_view bytes) { return absl::HashOf(bytes); }

double Number(absl::string_view text) {
  double number = 0;
  WISSEL_CHECK(absl::SimpleAtod(text, &number)) << text;
  return number;
}

struct ExpectedMessage {
  double position = 0;
  std::string id;
  size_t body = 0;
  size_t mark = 0;  // 0: none
};

using Index = absl::flat_hash_map<std::string, double>;  // member -> score

// What the batches of a fold make of views that were empty.
class ExpectedViews {
 public:
  explicit ExpectedViews(const PartitionKeys& keys)
      : messages_prefix_(keys.Messages("")),
        pieces_prefix_(keys.Pieces("")),
        forgotten_(keys.Forgotten()) {}

  void Apply(const Batch& batch) {
    const std::vector<std::string>& words = batch.arguments();
    for (size_t i = 0; i < words.size();) {
      size_t count = 0;
      WISSEL_CHECK(absl::SimpleAtoi(words[i], &count));
      ApplyCommand(&words[i + 1]);
      i += 1 + count;
    }
  }

  const absl::flat_hash_map<std::string, Index>& indexes() const { return indexes_; }
  const absl::flat_hash_map<std::string, std::vector<ExpectedMessage>>& messages() const {
    return messages_;
  }
  // Conversation -> of its last state.
  const absl::flat_hash_map<std::string, size_t>& forgotten() const { return last_states_; }

 private:
  // The commands that Fold makes.
  void ApplyCommand(const std::string* word) {
    const std::string& name = word[0];
    if (name == "HSET" && word[1] == forgotten_) {
      last_states_[word[2]] = Fingerprint(word[3]);
    } else if (name == "HDEL" && word[1] == forgotten_) {
      last_states_.erase(word[2]);
    } else if (name == "HSET" || name == "HDEL") {
      WISSEL_CHECK(absl::StartsWith(word[1], pieces_prefix_)) << word[1];
    } else if (name == "ZADD") {
      indexes_[word[1]][word[3]] = Number(word[2]);
    } else if (name == "ZREM") {
      const auto index = indexes_.find(word[1]);
      if (index == indexes_.end()) return;
      index->second.erase(word[2]);
      if (index->second.empty()) indexes_.erase(index);
    } else if (name == "UNLINK") {
      messages_.erase(Conversation(word[1]));
    } else if (name == "MESSAGE") {
      AddMessage(word);
    } else {
      WISSEL_CHECK(name == "MARK") << name;
      if (ExpectedMessage* message = Find(messages_[Conversation(word[1])], word[2])) {
        message->mark = Fingerprint(word[3]);
      }
    }
  }

  // order, messages, id, position, keep, body
  void AddMessage(const std::string* word) {
    std::vector<ExpectedMessage>& list = messages_[Conversation(word[2])];
    ExpectedMessage message{
        .position = Number(word[4]), .id = word[3], .body = Fingerprint(word[6])};
    if (const ExpectedMessage* before = Find(list, message.id)) {
      message.mark = before->mark;
      list.erase(list.begin() + (before - list.data()));
    }
    list.insert(std::upper_bound(list.begin(), list.end(), message,
                                 [](const ExpectedMessage& a, const ExpectedMessage& b) {
                                   return std::tie(a.position, a.id) < std::tie(b.position, b.id);
                                 }),
                std::move(message));
    size_t keep = 0;
    WISSEL_CHECK(absl::SimpleAtoi(word[5], &keep));
    if (list.size() > keep) list.erase(list.begin(), list.end() - static_cast<int64_t>(keep));
  }

  static ExpectedMessage* Find(std::vector<ExpectedMessage>& list, absl::string_view id) {
    const auto found = std::find_if(list.rbegin(), list.rend(),
                                    [&](const ExpectedMessage& m) { return m.id == id; });
    return found == list.rend() ? nullptr : &*found;
  }

  std::string Conversation(absl::string_view messages_key) const {
    return std::string(absl::StripPrefix(messages_key, messages_prefix_));
  }

  const std::string messages_prefix_;
  const std::string pieces_prefix_;
  const std::string forgotten_;
  absl::flat_hash_map<std::string, Index> indexes_;                          // by key
  absl::flat_hash_map<std::string, std::vector<ExpectedMessage>> messages_;  // by conversation
  absl::flat_hash_map<std::string, size_t> last_states_;
};

// Counts what differs in one view.
class Findings {
 public:
  void Missing(absl::string_view what) { Note(missing_, what); }
  void Unexpected(absl::string_view what) { Note(unexpected_, what); }
  void Different(absl::string_view what) { Note(different_, what); }
  void Unreadable(absl::string_view what) { Note(unreadable_, what); }

  bool any() const {
    return missing_.count + unexpected_.count + different_.count + unreadable_.count > 0;
  }
  std::string Text() const {
    std::string text;
    const auto append = [&](absl::string_view name, const Kind& kind) {
      if (kind.count == 0) return;
      absl::StrAppend(&text, text.empty() ? "" : ", ", kind.count, " ", name, " (", kind.first,
                      kind.count > 1 ? ", …)" : ")");
    };
    append("missing", missing_);
    append("not of the log", unexpected_);
    append("different", different_);
    append("unreadable", unreadable_);
    return text;
  }

 private:
  struct Kind {
    int64_t count = 0;
    std::string first;  // in order of the text, so that the same difference reads the same
  };
  static void Note(Kind& kind, absl::string_view what) {
    if (kind.count++ == 0 || what < kind.first) kind.first = std::string(what);
  }

  Kind missing_;
  Kind unexpected_;
  Kind different_;
  Kind unreadable_;
};

class Comparison {
 public:
  Comparison(bus::Bus& bus, Redis& redis, const PartitionKeys& keys)
      : bus_(bus), redis_(redis), keys_(keys), expected_(keys) {}

  absl::StatusOr<ViewComparison> Run() {
    WISSEL_RETURN_IF_ERROR(ReadTogether({}).status());
    if (!result_.not_compared.empty()) return result_;
    WISSEL_RETURN_IF_ERROR(ReadForgottenIds());
    WISSEL_ASSIGN_OR_RETURN(const std::set<std::string> names, Names());
    std::vector<std::string> indexes;
    std::vector<std::string> conversations;
    for (const std::string& name : names) {
      absl::string_view conversation = name;
      if (absl::ConsumePrefix(&conversation, keys_.Order(""))) {
        conversations.emplace_back(conversation);
      } else {
        indexes.push_back(name);
      }
      if (indexes.size() == kKeysAtOnce) WISSEL_RETURN_IF_ERROR(CompareIndexes(indexes));
      if (conversations.size() == kKeysAtOnce) {
        WISSEL_RETURN_IF_ERROR(CompareConversations(conversations));
      }
    }
    WISSEL_RETURN_IF_ERROR(CompareIndexes(indexes));
    WISSEL_RETURN_IF_ERROR(CompareConversations(conversations));
    WISSEL_RETURN_IF_ERROR(CompareForgotten());
    std::sort(result_.differences.begin(), result_.differences.end(),
              [](const ViewDifference& a, const ViewDifference& b) { return a.key < b.key; });
    return std::move(result_);
  }

 private:
  // Reads with the place that all of it stands for, and takes the fold there. An error is a value.
  absl::StatusOr<std::vector<Reply>> ReadTogether(std::vector<Command> reads) {
    std::vector<Command> commands = {{"MULTI"}};
    Command& read_meta = commands.emplace_back(Command{"HMGET", keys_.Meta()});
    for (absl::string_view field : kMetaFields) read_meta.emplace_back(field);
    std::move(reads.begin(), reads.end(), std::back_inserter(commands));
    commands.push_back({"EXEC"});
    WISSEL_ASSIGN_OR_RETURN(std::vector<Reply> replies, redis_.Pipeline(keys_.tag(), commands));
    Reply& together = replies.back();
    WISSEL_RETURN_IF_ERROR(together.status());
    if (together.elements.size() != commands.size() - 2) {
      return absl::InternalError("Redis: EXEC answered something else");
    }
    WISSEL_RETURN_IF_ERROR(TakeFoldTo(together.elements.front()));
    together.elements.erase(together.elements.begin());
    return std::move(together.elements);
  }

  absl::Status TakeFoldTo(const Reply& meta_reply) {
    const auto found = meta_reply.error()
                           ? absl::StatusOr<std::optional<CheckpointMeta>>(meta_reply.status())
                           : ParseMeta(meta_reply);
    std::string absent;
    if (!found.ok()) {
      absent = std::string(found.status().message());
    } else if (!found->has_value() || !(*found)->position.has_value()) {
      absent = "nothing there";
    } else if (!(*found)->whole) {
      absent = "not whole yet";
    }
    if (reader_ == nullptr) {
      result_.not_compared = absent;
      if (!absent.empty()) return absl::OkStatus();
      WISSEL_RETURN_IF_ERROR(BeginFold(**found));
    } else if (!absent.empty() || (*found)->incarnation != incarnation_) {
      return absl::AbortedError("the views were begun anew while they were compared");
    }
    meta_ = **found;
    const int64_t place = meta_.position->offset;
    if (place <= reader_->offset()) return absl::OkStatus();
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader_->EndOffset());
    if (end < place) {
      result_.not_compared = absl::StrCat("the log ends before ", place);
      return reader_->offset() == begin_ ? absl::OkStatus()
                                         : absl::AbortedError(result_.not_compared);
    }
    while (reader_->offset() < place) {
      const int64_t before = reader_->offset();
      const int64_t left = std::min(kRecordsAtOnce, place - before);
      WISSEL_ASSIGN_OR_RETURN(const auto entries,
                              reader_->Poll(static_cast<size_t>(left), kReadTimeout));
      if (reader_->offset() == before) {
        return absl::UnavailableError(
            absl::StrCat("the log's partition ", keys_.partition(), " goes to offset ", end,
                         ", but from ", before, " on nothing came within ",
                         absl::FormatDuration(kReadTimeout), ": is the broker away?"));
      }
      for (const bus::LogEntry& entry : entries) {
        fold_->Apply(entry);
        if (!fold_->state().whole()) whole_from_ = entry.offset + 1;
      }
      expected_.Apply(fold_->Take(reader_->position()).batch);
    }
    if (!fold_->state().whole()) result_.not_compared = "the log's head is cut off";
    return absl::OkStatus();
  }

  absl::Status BeginFold(const CheckpointMeta& meta) {
    incarnation_ = meta.incarnation;
    WISSEL_ASSIGN_OR_RETURN(reader_, bus::LogReader::Open(bus_, keys_.partition(), {}));
    begin_ = reader_->offset();
    domain::State state;
    if (begin_ > 0) state.BeginsAfterCut();
    FoldOptions options{.from_nothing = true};
    if (meta.messages_kept) options.messages_kept = *meta.messages_kept;
    messages_kept_ = static_cast<size_t>(options.messages_kept);
    fold_.emplace(keys_, options, std::move(state));
    return absl::OkStatus();
  }

  bool HeadIsCut() const { return begin_ > 0; }
  bool Known(absl::string_view conversation) const {
    return fold_->state().FindConversation(conversation) != nullptr;
  }
  // Forgotten for so long that the projector may have taken it out.
  bool MayBeGone(const std::string& conversation) const {
    const auto times = expected_.indexes().find(keys_.ForgottenTime());
    if (times == expected_.indexes().end()) return false;
    const auto time = times->second.find(conversation);
    if (time == times->second.end()) return false;
    const absl::Duration kept = meta_.forgotten_kept.value_or(absl::ZeroDuration());
    return absl::FromUnixMicros(static_cast<int64_t>(time->second)) < meta_.time - kept;
  }
  // Forgotten before what is left of the log, or before a restating round named it.
  bool ForgottenBeforeTheCut(const std::string& conversation) const {
    return HeadIsCut() && forgotten_ids_.contains(conversation) && !Known(conversation) &&
           !expected_.forgotten().contains(conversation);
  }

  absl::Status ReadForgottenIds() {
    WISSEL_ASSIGN_OR_RETURN(const auto replies,
                            ReadTogether({{"ZRANGE", keys_.ForgottenTime(), "0", "-1"}}));
    for (const Reply& id : replies[0].elements) forgotten_ids_.insert(id.text);
    return absl::OkStatus();
  }

  // Of the views that should be there and of those that are, without the pieces and what deliverers
  // keep beside them. Messages by their order's name alone.
  absl::StatusOr<std::set<std::string>> Names() {
    std::set<std::string> names;
    for (const auto& [key, index] : expected_.indexes()) names.insert(key);
    for (const auto& [conversation, messages] : expected_.messages()) {
      if (!messages.empty()) names.insert(keys_.Order(conversation));
    }
    WISSEL_ASSIGN_OR_RETURN(const std::vector<std::string> there, KeysThere(redis_, keys_));
    for (const std::string& key : there) {
      absl::string_view conversation = key;
      if (absl::ConsumePrefix(&conversation, keys_.Messages(""))) {
        names.insert(keys_.Order(conversation));
      } else if (key != keys_.Meta() && key != keys_.Forgotten() &&
                 !absl::StartsWith(key, keys_.Pieces("")) &&
                 !absl::StartsWith(key, keys_.Outbox(""))) {
        names.insert(key);
      }
    }
    return names;
  }

  void Report(const std::string& key, size_t expected, size_t found, const Findings& findings) {
    ++result_.views;
    if (!findings.any()) return;
    if (++result_.differing > static_cast<int64_t>(kMaxViewDifferences)) return;
    result_.differences.push_back({.key = key,
                                   .expected = static_cast<int64_t>(expected),
                                   .found = static_cast<int64_t>(found),
                                   .detail = findings.Text()});
  }

  absl::Status CompareIndexes(std::vector<std::string>& names) {
    std::vector<Command> reads;
    for (const std::string& name : names) {
      reads.push_back({"ZRANGE", name, "0", "-1", "WITHSCORES"});
    }
    WISSEL_ASSIGN_OR_RETURN(const auto replies, ReadTogether(std::move(reads)));
    for (size_t i = 0; i < names.size(); ++i) CompareIndex(names[i], replies[i]);
    names.clear();
    return absl::OkStatus();
  }

  static Index ReadIndex(const Reply& members_and_scores, Findings& findings) {
    Index index;
    if (members_and_scores.error()) findings.Unreadable(members_and_scores.text);
    const std::vector<Reply>& words = members_and_scores.elements;
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      double score = 0;
      if (!absl::SimpleAtod(words[i + 1].text, &score)) findings.Unreadable(words[i].text);
      index[words[i].text] = score;
    }
    return index;
  }

  void CompareIndex(const std::string& name, const Reply& reply) {
    static const Index* const kNone = new Index;
    const auto it = expected_.indexes().find(name);
    const Index& expected = it != expected_.indexes().end() ? it->second : *kNone;
    Findings findings;
    const Index found = ReadIndex(reply, findings);
    for (const auto& [member, score] : expected) {
      const auto there = found.find(member);
      if (there == found.end()) {
        const bool gone = name == keys_.ForgottenTime() || !Known(member);
        if (!gone || !MayBeGone(member)) findings.Missing(member);
      } else if (there->second != score) {
        findings.Different(member);
      }
    }
    // A group whose conversations are all forgotten stays named.
    const bool of_old = HeadIsCut() && absl::StartsWith(name, keys_.Groups(""));
    for (const auto& [member, score] : found) {
      if (!expected.contains(member) && !of_old && !ForgottenBeforeTheCut(member)) {
        findings.Unexpected(member);
      }
    }
    Report(name, expected.size(), found.size(), findings);
  }

  absl::Status CompareConversations(std::vector<std::string>& conversations) {
    std::vector<Command> reads;
    for (const std::string& id : conversations) {
      reads.push_back({"ZRANGE", keys_.Order(id), "0", "-1", "WITHSCORES"});
      reads.push_back({"HGETALL", keys_.Messages(id)});
    }
    WISSEL_ASSIGN_OR_RETURN(const auto replies, ReadTogether(std::move(reads)));
    for (size_t i = 0; i < conversations.size(); ++i) {
      CompareMessages(conversations[i], replies[2 * i], replies[2 * i + 1]);
    }
    conversations.clear();
    return absl::OkStatus();
  }

  void CompareMessages(const std::string& conversation, const Reply& order_reply,
                       const Reply& bodies_reply) {
    static const std::vector<ExpectedMessage>* const kNone = new std::vector<ExpectedMessage>;
    const auto it = expected_.messages().find(conversation);
    const std::vector<ExpectedMessage>& expected =
        it != expected_.messages().end() ? it->second : *kNone;
    Findings order_findings;
    Findings findings;
    const Index order = ReadIndex(order_reply, order_findings);
    // "b<id>" and "m<id>"
    absl::flat_hash_map<std::string, size_t> fields;
    size_t bodies = 0;
    if (bodies_reply.error()) findings.Unreadable(bodies_reply.text);
    for (size_t i = 0; i + 1 < bodies_reply.elements.size(); i += 2) {
      const std::string& name = bodies_reply.elements[i].text;
      fields[name] = Fingerprint(bodies_reply.elements[i + 1].text);
      bodies += absl::StartsWith(name, "b") ? 1 : 0;
    }
    if (order.empty() && fields.empty() && !Known(conversation) && MayBeGone(conversation)) return;

    absl::flat_hash_set<std::string> ours;
    for (const ExpectedMessage& message : expected) {
      ours.insert(message.id);
      const auto place = order.find(message.id);
      if (place == order.end()) order_findings.Missing(message.id);
      if (place != order.end() && place->second != message.position) {
        order_findings.Different(message.id);
      }
      const auto body = fields.find(absl::StrCat("b", message.id));
      const auto mark = fields.find(absl::StrCat("m", message.id));
      if (body == fields.end()) {
        findings.Missing(message.id);
      } else if (body->second != message.body ||
                 (mark == fields.end() ? 0 : mark->second) != message.mark) {
        findings.Different(message.id);
      }
    }
    for (const auto& [id, position] : order) {
      if (ours.contains(id)) continue;
      const bool before_the_cut = HeadIsCut() && position < static_cast<double>(whole_from_);
      // It was kept when more were kept.
      const bool of_more = expected.size() >= messages_kept_ && position < expected[0].position;
      if (!before_the_cut && !of_more) order_findings.Unexpected(id);
      if (!fields.contains(absl::StrCat("b", id))) findings.Missing(id);
    }
    for (const auto& [field, fingerprint] : fields) {
      const std::string id = field.substr(std::min<size_t>(1, field.size()));
      if (!ours.contains(id) && !order.contains(id)) findings.Unexpected(id);
    }
    Report(keys_.Order(conversation), expected.size(), order.size(), order_findings);
    Report(keys_.Messages(conversation), expected.size(), bodies, findings);
  }

  // The last states of the forgotten: some at a time, as there may be very many.
  absl::Status CompareForgotten() {
    WISSEL_ASSIGN_OR_RETURN(const auto keys, ReadTogether({{"HKEYS", keys_.Forgotten()}}));
    Findings findings;
    if (keys[0].error()) findings.Unreadable(keys[0].text);
    absl::flat_hash_set<std::string> found;
    for (const Reply& id : keys[0].elements) {
      found.insert(id.text);
      if (!expected_.forgotten().contains(id.text) && !ForgottenBeforeTheCut(id.text)) {
        findings.Unexpected(id.text);
      }
    }
    std::vector<std::string> both;
    for (const auto& [id, fingerprint] : expected_.forgotten()) {
      if (found.contains(id)) {
        both.push_back(id);
      } else if (!MayBeGone(id)) {
        findings.Missing(id);
      }
    }
    const size_t expected = expected_.forgotten().size();
    for (size_t i = 0; i < both.size(); i += kValuesAtOnce) {
      const size_t end = std::min(both.size(), i + kValuesAtOnce);
      Command read = {"HMGET", keys_.Forgotten()};
      read.insert(read.end(), both.begin() + static_cast<int64_t>(i),
                  both.begin() + static_cast<int64_t>(end));
      WISSEL_ASSIGN_OR_RETURN(const auto replies, ReadTogether({std::move(read)}));
      if (replies[0].elements.size() != end - i) {
        findings.Unreadable(both[i]);
        continue;
      }
      for (size_t j = i; j < end; ++j) {
        const Reply& state = replies[0].elements[j - i];
        if (state.nil()) {
          if (!MayBeGone(both[j])) findings.Missing(both[j]);
        } else if (Fingerprint(state.text) != expected_.forgotten().at(both[j])) {
          findings.Different(both[j]);
        }
      }
    }
    if (expected > 0 || !found.empty() || findings.any()) {
      Report(keys_.Forgotten(), expected, found.size(), findings);
    }
    return absl::OkStatus();
  }

  bus::Bus& bus_;
  Redis& redis_;
  const PartitionKeys& keys_;
  ExpectedViews expected_;
  ViewComparison result_;

  std::string incarnation_;
  CheckpointMeta meta_;  // of what was read last
  std::unique_ptr<bus::LogReader> reader_;
  std::optional<Fold> fold_;
  size_t messages_kept_ = 0;
  int64_t begin_ = 0;       // what retention has left of the log begins here
  int64_t whole_from_ = 0;  // behind the last record after which the state was not whole
  absl::flat_hash_set<std::string> forgotten_ids_;  // in Redis
};

}  // namespace

absl::StatusOr<ViewComparison> CompareViews(bus::Bus& bus, Redis& redis,
                                            const PartitionKeys& keys) {
  return Comparison(bus, redis, keys).Run();
}

}  // namespace wissel::views
