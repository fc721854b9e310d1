#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <utility>

#include "libs/config/secret.h"
#include "tests/stubs/graph/graph_stub.h"

int main(int argc, char** argv) {
  wissel::stubs::GraphStub::Options options;
  CLI::App app{"A stand-in for Meta's Graph API that keeps a book and misbehaves on demand."};
  app.add_option("--listen", options.listen, "ADDRESS:PORT; port 0 picks one");
  std::string access_token_file, app_secret_file;
  app.add_option("--access-token-file", access_token_file, "Has the bearer token it accepts")
      ->required();
  app.add_option("--app-secret-file", app_secret_file, "Has the secret that signs the webhooks")
      ->required();
  app.add_option("--webhook-url", options.webhook_url, "Where webhooks go");
  app.add_flag("--send-statuses", options.send_statuses, "Report accepted messages as delivered");
  app.add_option("--seed", options.seed, "Of everything that goes by lot");
  CLI11_PARSE(app, argc, argv);

  for (const auto& [file, value] : {std::pair(&access_token_file, &options.access_token),
                                    std::pair(&app_secret_file, &options.app_secret)}) {
    const auto secret = wissel::config::Secret::FromFile(*file);
    if (!secret.ok()) {
      std::fprintf(stderr, "stub-graph: %s\n", secret.status().ToString().c_str());
      return 1;
    }
    *value = secret->value();
  }

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  auto stub = wissel::stubs::GraphStub::Start(options);
  if (!stub.ok()) {
    std::fprintf(stderr, "stub-graph: %s\n", stub.status().ToString().c_str());
    return 1;
  }
  std::printf("listening on %s\n", (*stub)->base_url().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  return 0;
}
