#include "services/ctl/cli.h"

#include <CLI/CLI.hpp>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/version.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/completion.h"
#include "services/ctl/exit_code.h"
#include "services/ctl/reference.h"

namespace wissel::ctl {
namespace {

constexpr char kFooter[] = R"(
Exit codes: 0 done; 1 failed, or a comparison found a difference; 2 the command line or a file it
names is not right; 3 a server could not be reached or did not answer in time; 4 refused, or the
state of things does not allow it; 5 not found.

Times in tables are UTC.

Secrets never stand on the command line: a token comes from --token-file or WISSEL_TOKEN.

Examples:
  wisselctl apply -f deploy/examples/web-shop.yaml --dry-run
  wisselctl conversations list --output json | jq -r '.conversations[].conversation_id'
  wisselctl agent --as anna)";

// Behind the footer, of wisselctl itself only. context_test reads the examples.
constexpr char kContextFooter[] = R"(

The context file says where things are, in YAML. Flags and environment go before it. Any key may
be left out, one that is not known is an error; files are relative to its folder:

  # context.yaml
  server: gateway.shop.example:8443             # the agents' service
  admin_server: admin.shop.example:8443         # the admin and the history service, where they
  history_server: history.shop.example:8443     #   are servers of their own; else `server`
  workspace: web-shop
  ca: ca.pem                                    # else the system's authorities
  token_files:                                  # for --as NAME; without it admin's and
    admin: tokens/admin                         #   supervisor's are used for what needs them
    supervisor: tokens/supervisor
    anna: tokens/anna
  connections: connections.yaml                 # where the log and Redis are
  statez: [router-0:9464, router-1:9464]        # `telemetry.listen` of each router, for log verify
  webhooks:                                     # for inject
    whatsapp: https://hooks.shop.example/whatsapp/webhook
  whatsapp_secret_file: secrets/app-secret      # the app's, which signs them

The file of `connections`, or --connections, has the services' settings `kafka` and `redis`
(docs/reference/config-router.md). Its files are relative to where wisselctl is started:

  # connections.yaml
  kafka:
    brokers: kafka-0:9093,kafka-1:9093
    topic_prefix: wissel.
    protocol: sasl_tls
    username: operator
    password: {env: KAFKA_PASSWORD}
  redis:
    address: redis:6379
    password: {env: REDIS_PASSWORD}

For what has neither encryption nor login, as wissel-dev writes it at each start:

  # context.yaml
  server: 127.0.0.1:7440
  insecure_local: true                          # plain text, to servers on this machine only
  log_file: log.sqlite                          # the embedded log, or
  kafka: 127.0.0.1:9092                         #   the cluster that the log is on
  redis: /run/redis.sock                        # or HOST:PORT
  outbox: http://127.0.0.1:7444/outbox.json     # of wissel-dev, for outbox)";

// They print a line of JSON for each thing that happens, or figures: --output yaml is refused,
// where a script that asked for it would be given JSON.
constexpr absl::string_view kWithoutYaml[] = {"agent", "conversations tail", "log tail", "replay",
                                              "simulate"};

// They speak to nobody, so what the context says does not matter to them.
constexpr absl::string_view kWithoutContext[] = {"completion bash", "completion zsh", "holidays",
                                                 "normalize",       "simulate",       "version"};

void AddGlobalFlags(CLI::App& app, Session& s) {
  GlobalFlags& f = s.flags;
  app.add_option("--server", f.server, "The gRPC services (WISSEL_SERVER)")->type_name("HOST:PORT");
  app.add_option("--token-file", f.token_file, "File with the bearer token (else WISSEL_TOKEN)")
      ->type_name("FILE");
  app.add_option("--as", f.as, "Use the context's token of this person")->type_name("NAME");
  app.add_option("--workspace", f.workspace, "The workspace (WISSEL_WORKSPACE)")->type_name("ID");
  app.add_option("--ca", f.ca_file, "Authorities that may sign the server's certificate, PEM")
      ->type_name("FILE");
  app.add_flag("--insecure-local", f.insecure_local,
               "Plain text instead of TLS; only to a server on this machine");
  app.add_option("-o,--output", f.output, "How to print; not every command has YAML")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();
  app.add_option("--timeout", f.timeout, "How long to wait for an answer")
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(kDefaultTimeout));
  app.add_option(
         "--context", f.context_file,
         "File that says where things are (WISSEL_CONTEXT; .wissel/dev/context.yaml where it "
         "is there)")
      ->type_name("FILE");
  app.add_option("--kafka", f.kafka, "Read the log from this cluster (WISSEL_KAFKA)")
      ->type_name("HOST:PORT");
  app.add_option("--connections", f.connections_file,
                 "How Kafka and Redis are reached: the services' kafka and redis settings, YAML")
      ->type_name("FILE");
  app.add_option("--log-file", f.log_file, "Read the log from this file of wissel-dev's")
      ->type_name("FILE");
}

}  // namespace

std::shared_ptr<CLI::App> MakeCommandLine(Session& session) {
  auto app = std::make_shared<CLI::App>(
      "Operates Wissel: configuration, conversations, agents' work, "
      "the log.",
      "wisselctl");
  app->footer(kFooter);
  app->fallthrough();
  app->require_subcommand(0, 1);
  app->get_formatter()->column_width(34);
  AddGlobalFlags(*app, session);
  app->set_version_flag("--version", std::string(Version()));
  app->add_flag_callback(
      "--help-all", [&session, root = app.get()] { session.out << ReferencePage(*root); },
      "Print the help of every command as one Markdown page");

  AddApply(*app, session);
  AddGet(*app, session);
  AddDiff(*app, session);
  AddConversations(*app, session);
  AddExplain(*app, session);
  AddAgent(*app, session);
  AddNormalize(*app, session);
  AddHolidays(*app, session);
  AddInject(*app, session);
  AddOutbox(*app, session);
  AddLog(*app, session);
  AddDeadLetter(*app, session);
  AddTopics(*app, session);
  AddReplay(*app, session);
  AddSimulate(*app, session);
  AddSla(*app, session);
  AddToken(*app, session);
  AddCompletion(*app, session);
  app->add_subcommand("version", "Print the version")->callback([&session] {
    session.action = [&session] {
      session.out << "wisselctl " << Version() << "\n";
      return absl::OkStatus();
    };
  });
  // Last: what was added before has its parent's.
  app->footer(absl::StrCat(kFooter, kContextFooter));
  return app;
}

namespace {

// The chosen command as it is typed, without "wisselctl": "log tail".
std::string Chosen(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
    at = at->get_subcommands().front();
    words.push_back(at->get_name());
  }
  return absl::StrJoin(words, " ");
}

ExitCode RunCommand(int argc, const char* const* argv, Session& session) {
  const auto app = MakeCommandLine(session);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // Help and version are "errors" with code 0.
    const int code = app->exit(e, session.out, session.err);
    return code == 0 ? ExitCode::kOk : ExitCode::kUsage;
  }
  if (!session.action) {
    if (app->count("--help-all") > 0) return ExitCode::kOk;
    session.err << app->help();
    return ExitCode::kUsage;
  }
  const std::string command = Chosen(*app);
  if (session.format() == Format::kYaml && absl::c_linear_search(kWithoutYaml, command)) {
    session.err << "wisselctl: " << command << " prints no YAML: give --output json\n";
    return ExitCode::kUsage;
  }
  session.does_without_context = absl::c_linear_search(kWithoutContext, command);
  absl::Status status = session.Resolve();
  if (status.ok()) status = session.action();
  if (!status.ok() && !IsDifference(status)) {
    // It may name what a server or a file holds.
    session.err << "wisselctl: ";
    for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
      session.err << OneLine(line, line.size()) << "\n";
    }
  }
  return ExitCodeOf(status);
}

}  // namespace

int Run(int argc, const char* const* argv, Session& session) {
  ExitCode code = RunCommand(argc, argv, session);
  session.out.flush();
  if (!session.out) {
    session.err << "wisselctl: the output could not be written\n";
    if (code == ExitCode::kOk) code = ExitCode::kFailed;
  }
  return static_cast<int>(code);
}

}  // namespace wissel::ctl
