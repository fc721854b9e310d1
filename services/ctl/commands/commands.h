#pragma once

#include "services/ctl/session.h"

namespace CLI {
class App;
}

namespace wissel::ctl {

// Each adds one command, with its flags, help and examples, to `app`. The command's callback sets
// session.action, which does the work and prints its results to session.out. UNKNOWN without a
// message says that it has printed all there is to say and the exit code is 1.

void AddAgent(CLI::App& app, Session& session);
void AddApply(CLI::App& app, Session& session);
void AddCompletion(CLI::App& app, Session& session);
void AddConversations(CLI::App& app, Session& session);
void AddDeadLetter(CLI::App& app, Session& session);
void AddDiff(CLI::App& app, Session& session);
void AddExplain(CLI::App& app, Session& session);
void AddGet(CLI::App& app, Session& session);
void AddHolidays(CLI::App& app, Session& session);
void AddInject(CLI::App& app, Session& session);
void AddLog(CLI::App& app, Session& session);
void AddNormalize(CLI::App& app, Session& session);
void AddOutbox(CLI::App& app, Session& session);
void AddReplay(CLI::App& app, Session& session);
void AddSla(CLI::App& app, Session& session);
void AddSimulate(CLI::App& app, Session& session);
void AddToken(CLI::App& app, Session& session);
void AddTopics(CLI::App& app, Session& session);

}  // namespace wissel::ctl
