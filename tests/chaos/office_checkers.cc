// The checkers of what the services behind said: history and admin.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/chaos/checkers.h"
#include "tests/chaos/checking.h"
#include "wissel/history/v1/history_service.pb.h"

namespace wissel::chaos {
namespace {

using conversation::v1::Event;
using log::v1::Decision;
using receipt::v1::DeliveryState;

// What the history service must tell of each conversation, oldest first.
class Lines {
 public:
  void Apply(const bus::LogEntry& entry) {
    const Decision& decision = entry.record.decision();
    for (const Event& event : decision.events()) {
      history::v1::Message line;
      *line.mutable_time() = decision.time();
      line.set_log_offset(entry.offset);
      if (event.has_conversation_opened()) {
        lines_[event.conversation_opened().conversation_id()];
      } else if (event.has_message_received()) {
        line.set_id(event.message_received().message().envelope().id());
        *line.mutable_inbound() = event.message_received().message();
        lines_[event.message_received().conversation_id()].push_back(std::move(line));
      } else if (event.has_reply_sent()) {
        line.set_id(event.reply_sent().outbound_id());
        *line.mutable_outbound() = event.reply_sent().message();
        *line.mutable_actor() = event.reply_sent().actor();
        line.set_delivery_state(DeliveryState::DELIVERY_STATE_PENDING);
        lines_[event.reply_sent().conversation_id()].push_back(std::move(line));
      } else if (event.has_delivery_updated()) {
        for (history::v1::Message& sent : lines_[event.delivery_updated().conversation_id()]) {
          if (sent.id() != event.delivery_updated().outbound_id()) continue;
          sent.set_delivery_state(event.delivery_updated().state());
        }
      }
    }
  }

  // Adds what is wrong with this answer as of now.
  void Judge(const Told& told, Violations& violations) const {
    const auto wrong = [&](const auto&... what) {
      Add(violations, Fault::kHistoryWrong,
          absl::StrCat("conversation ", told.conversation_id,
                       told.whole ? " at the end"
                                  : absl::StrCat(" as of ", At(static_cast<size_t>(told.partition),
                                                               told.offset)),
                       ": ", what...));
    };
    const auto found = lines_.find(told.conversation_id);
    if (found == lines_.end()) return wrong("not in the log");
    const std::vector<history::v1::Message>& all = found->second;
    const size_t due = std::min(all.size(), told.whole ? kMessagesKept : kMessagesShown);
    if (told.messages.size() != due) {
      return wrong(told.messages.size(), " messages told, ", due, " are due of ", all.size());
    }
    for (size_t i = 0; i < due; ++i) {
      history::v1::Message expected = all[all.size() - due + i];
      history::v1::Message got = told.messages[i];
      if (told.whole) {
        // How far it came may have changed while the pages were read.
        expected.clear_delivery_state();
        got.clear_delivery_state();
      }
      if (got.SerializeAsString() != expected.SerializeAsString()) {
        return wrong("message ", i, " is ", got.id(), " of offset ", got.log_offset(), ", ",
                     receipt::v1::DeliveryState_Name(got.delivery_state()), ", not ", expected.id(),
                     " of offset ", expected.log_offset(), ", ",
                     receipt::v1::DeliveryState_Name(expected.delivery_state()));
      }
    }
  }

  const std::map<std::string, std::vector<history::v1::Message>>& conversations() const {
    return lines_;
  }

 private:
  // What history shows with a conversation, and what the projector keeps of it.
  static constexpr size_t kMessagesShown = 20;
  static constexpr size_t kMessagesKept = 200;

  std::map<std::string, std::vector<history::v1::Message>> lines_;
};

}  // namespace

Violations CheckTold(const History& history) {
  Violations violations;
  std::map<std::string, const Told*> whole;
  std::vector<std::vector<const Told*>> placed(history.log.size());
  for (const Told& told : history.told) {
    if (!told.status.ok()) {
      Add(violations, Fault::kHistoryWrong,
          absl::StrCat("conversation ", told.conversation_id, ": ", told.status.ToString()));
    } else if (told.whole) {
      whole[told.conversation_id] = &told;
    } else {
      placed[static_cast<size_t>(told.partition)].push_back(&told);
    }
  }
  for (size_t partition = 0; partition < history.log.size(); ++partition) {
    std::vector<const Told*>& open = placed[partition];
    std::stable_sort(open.begin(), open.end(),
                     [](const Told* a, const Told* b) { return a->offset < b->offset; });
    Lines lines;
    auto next = open.begin();
    for (const bus::LogEntry& entry : history.log[partition]) {
      for (; next != open.end() && (*next)->offset < entry.offset; ++next) {
        lines.Judge(**next, violations);
      }
      lines.Apply(entry);
    }
    for (; next != open.end(); ++next) lines.Judge(**next, violations);
    for (const auto& [conversation, messages] : lines.conversations()) {
      const auto found = whole.find(conversation);
      if (found == whole.end()) {
        Add(violations, Fault::kHistoryWrong,
            absl::StrCat("conversation ", conversation, " is not told of at the end"));
      } else {
        lines.Judge(*found->second, violations);
        whole.erase(found);
      }
    }
  }
  for (const auto& [conversation, told] : whole) {
    Add(violations, Fault::kHistoryWrong,
        absl::StrCat("conversation ", conversation, " is told of and not in the log"));
  }
  return violations;
}

Violations CheckConfigs(const History& history) {
  Violations violations;
  const auto wrong = [&](const auto&... what) {
    Add(violations, Fault::kConfigWrong, absl::StrCat(what...));
  };
  // By partition: the labels of versions 1, 2, …
  std::vector<std::vector<std::string>> in_force(history.log.size());
  ForEachDecision(history,
                  [&](size_t partition, const bus::LogEntry& entry, const Decision& decision) {
                    for (const Event& event : decision.events()) {
                      if (!event.has_config_applied()) continue;
                      const config::v1::WorkspaceConfig& config = event.config_applied().config();
                      std::vector<std::string>& labels = in_force[partition];
                      if (config.version() == static_cast<int64_t>(labels.size()) + 1) {
                        labels.push_back(config.display_name());
                      } else {
                        wrong(At(partition, entry.offset), ": version ", config.version(),
                              " after version ", labels.size());
                      }
                    }
                  });
  const std::vector<std::string>& labels = in_force[0];
  for (size_t partition = 1; partition < in_force.size(); ++partition) {
    if (in_force[partition] == labels) continue;
    wrong("partition ", partition, " has ", in_force[partition].size(), " versions, partition 0 ",
          labels.size(), ", or others");
  }
  const config::v1::WorkspaceConfig& last = history.config_in_force;
  if (last.version() != static_cast<int64_t>(labels.size()) ||
      (!labels.empty() && last.display_name() != labels.back())) {
    wrong("admin says that version ", last.version(), " is in force, \"", last.display_name(),
          "\"; the log, ", labels.size());
  }
  std::map<std::string, std::vector<size_t>> versions;
  for (size_t i = 0; i < labels.size(); ++i) versions[labels[i]].push_back(i + 1);
  for (const ConfigAttempt& attempt : history.config_attempts) {
    const std::vector<size_t>& found = versions[attempt.label];
    const std::string what =
        absl::StrCat("\"", attempt.label, "\", version ", attempt.version, ", was answered with ",
                     attempt.status.ToString(), " and is in force ", found.size(), " times");
    switch (attempt.status.code()) {
      case absl::StatusCode::kOk:
        if (found != std::vector<size_t>{static_cast<size_t>(attempt.version)}) wrong(what);
        break;
      case absl::StatusCode::kFailedPrecondition:
        if (!found.empty()) wrong(what);
        break;
      case absl::StatusCode::kUnavailable:
        if (attempt.label.empty() || found.size() > 1) wrong(what);
        break;
      default:
        wrong(what);
    }
  }
  return violations;
}

}  // namespace wissel::chaos
