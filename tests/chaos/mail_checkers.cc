// The checker of mail.

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/chaos/checkers.h"
#include "tests/chaos/checking.h"

namespace wissel::chaos {
namespace {

using conversation::v1::Event;
using log::v1::Decision;
using receipt::v1::DeliveryState;

// What the log says of an answer by mail.
struct Answer {
  std::string conversation;
  std::string to;
  DeliveryState state = DeliveryState::DELIVERY_STATE_PENDING;
  int uncertain = 0;  // How often nobody knew what became of an attempt.
};

struct Log {
  std::map<std::string, Answer> answers;
  // The answers of each conversation, in the log's order.
  std::map<std::string, std::vector<std::string>> conversations;
  // The conversation of each message of a customer's.
  std::unordered_map<std::string, std::string> received;
};

Log ReadLog(const History& history) {
  Log log;
  ForEachDecision(history, [&](size_t, const bus::LogEntry&, const Decision& decision) {
    for (const Event& event : decision.events()) {
      if (event.has_message_received()) {
        log.received.try_emplace(event.message_received().message().provider_message_id(),
                                 event.message_received().conversation_id());
      } else if (event.has_reply_sent() && IsMail(event.reply_sent())) {
        const conversation::v1::ReplySent& reply = event.reply_sent();
        const bool first = log.answers
                               .try_emplace(reply.outbound_id(),
                                            Answer{.conversation = reply.conversation_id(),
                                                   .to = reply.message().recipient().address()})
                               .second;
        if (first) log.conversations[reply.conversation_id()].push_back(reply.outbound_id());
      } else if (event.has_delivery_updated()) {
        const auto answer = log.answers.find(event.delivery_updated().outbound_id());
        if (answer == log.answers.end()) continue;
        answer->second.state = event.delivery_updated().state();
        answer->second.uncertain +=
            event.delivery_updated().state() == DeliveryState::DELIVERY_STATE_UNCERTAIN;
      }
    }
  });
  return log;
}

// What arrived of one answer.
struct Arrived {
  int copies = 0;
  std::set<std::string> message_ids;
};

void CheckOrder(const History& history, const Log& log,
                const std::map<std::string, Arrived>& arrived, Violations& violations) {
  // By Message-ID: where it stands first.
  std::unordered_map<std::string, size_t> places;
  for (const std::string& id : history.mails_taken) places.try_emplace(id, places.size());
  for (const auto& [conversation, answers] : log.conversations) {
    size_t before = 0;
    for (const std::string& outbound_id : answers) {
      const auto mail = arrived.find(outbound_id);
      if (mail == arrived.end()) continue;
      size_t place = history.mails_taken.size();
      for (const std::string& id : mail->second.message_ids) {
        if (const auto it = places.find(id); it != places.end()) {
          place = std::min(place, it->second);
        }
      }
      if (place < before) {
        Add(violations, Fault::kOutOfOrder,
            absl::StrCat("answer ", outbound_id, " of conversation ", conversation,
                         " went out before an earlier one"));
      }
      before = std::max(before, place);
    }
  }
}

}  // namespace

Violations CheckMails(const History& history) {
  Violations violations;
  const Log log = ReadLog(history);
  std::map<std::string, Arrived> arrived;
  for (const ArrivedMail& mail : history.arrived) {
    const auto answer = log.answers.find(mail.outbound_id);
    if (answer == log.answers.end()) {
      Add(violations, Fault::kDoubled,
          absl::StrCat("mail ", mail.message_id, " to ", mail.to, " is no answer of the log's"));
    } else if (mail.to != answer->second.to) {
      Add(violations, Fault::kLost,
          absl::StrCat("answer ", mail.outbound_id, " went to ", mail.to, ", not to ",
                       answer->second.to));
    } else {
      Arrived& found = arrived[mail.outbound_id];
      ++found.copies;
      found.message_ids.insert(mail.message_id);
    }
  }
  for (const auto& [outbound_id, answer] : log.answers) {
    const auto found = arrived.find(outbound_id);
    if (found == arrived.end()) {
      if (!IsReported(answer.state)) {
        Add(violations, Fault::kLost,
            absl::StrCat("answer ", outbound_id, " never reached ", answer.to, "; the log says ",
                         receipt::v1::DeliveryState_Name(answer.state)));
      }
      continue;
    }
    if (found->second.message_ids.size() > 1) {
      Add(violations, Fault::kDoubled,
          absl::StrCat("answer ", outbound_id, " reached ", answer.to, " under ",
                       found->second.message_ids.size(), " Message-IDs"));
    } else if (found->second.copies > 1 + answer.uncertain) {
      Add(violations, Fault::kDoubled,
          absl::StrCat("answer ", outbound_id, " reached ", answer.to, " ", found->second.copies,
                       " times, and was uncertain ", answer.uncertain, " times"));
    }
  }
  CheckOrder(history, log, arrived, violations);
  for (const CustomerMessage& mail : history.messages) {
    const auto answered = log.answers.find(mail.answers);
    const auto received = log.received.find(mail.provider_message_id);
    if (answered == log.answers.end() || received == log.received.end()) continue;
    if (received->second == answered->second.conversation) continue;
    Add(violations, Fault::kLost,
        absl::StrCat("mail ", mail.provider_message_id, " answers one of conversation ",
                     answered->second.conversation, " and is in ", received->second));
  }
  return violations;
}

}  // namespace wissel::chaos
