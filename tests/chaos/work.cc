#include "tests/chaos/work.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/chaos/checking.h"

namespace wissel::chaos {

std::vector<std::string> MissingWork(const History& history, const std::vector<HeldState>& held,
                                     const Wanted& wanted) {
  std::vector<std::string> missing;
  const auto miss = [&](bool there, const auto&... what) {
    if (!there) missing.push_back(absl::StrCat(what...));
  };
  const auto any = [](const auto& all, const auto& is) {
    return std::any_of(all.begin(), all.end(), is);
  };

  miss(history.messages.size() >= static_cast<size_t>(wanted.messages), "customers wrote ",
       history.messages.size(), " of ", wanted.messages, " messages");
  int64_t refused = 0;
  std::string example;
  for (const CustomerMessage& message : history.messages) {
    if (message.acknowledged) continue;
    ++refused;
    example = message.provider_message_id;
  }
  miss(refused == 0, refused, " of ", history.messages.size(),
       " messages were never acknowledged, as ", example);

  int64_t answers = 0;
  std::set<int32_t> used;
  ForEachDecision(history, [&](size_t partition, const auto&, const log::v1::Decision& decision) {
    used.insert(static_cast<int32_t>(partition));
    for (const conversation::v1::Event& event : decision.events())
      answers += event.has_reply_sent();
  });
  miss(!used.empty(), "no decision is in the log");
  miss(answers > 0, "no answer is in the log");
  miss(!history.book.empty(), "the provider accepted no answer");
  miss(!wanted.mail || !history.arrived.empty(), "no answer by mail arrived");
  miss(any(history.transcripts, [](const Transcript& t) { return !t.replies_done.empty(); }),
       "no agent was told that an answer is done");
  miss(any(history.transcripts,
           [](const Transcript& t) {
             return std::any_of(t.stretches.begin(), t.stretches.end(),
                                [](const Stretch& s) { return !s.shown.empty(); });
           }),
       "no stream showed anything");
  miss(any(history.told, [](const Told& told) { return told.status.ok() && !told.in_peace; }),
       "history told nobody of a conversation while things broke");
  miss(any(history.told, [](const Told& told) { return told.status.ok() && told.whole; }),
       "history told of no conversation at the end");
  miss(any(history.config_attempts, [](const ConfigAttempt& a) { return a.status.ok(); }),
       "no configuration was accepted");

  for (const int32_t partition : used) {
    const auto compared = [&](const auto& is) {
      return any(held, [&](const HeldState& h) { return h.partition == partition && is(h); });
    };
    miss(compared([](const HeldState& h) { return h.next_offset < 0; }), "partition ", partition,
         ": no router's state was compared");
    for (const char* holder : {kCheckpoint, kCheckpointAfterFlush}) {
      miss(compared([&](const HeldState& h) { return h.next_offset >= 0 && h.holder == holder; }),
           "partition ", partition, ": no ", holder, " was compared");
    }
  }
  return missing;
}

}  // namespace wissel::chaos
