#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "tests/stubs/graph/graph_stub.h"

int main(int argc, char** argv) {
  wissel::stubs::GraphStub::Options options;
  CLI::App app{"A stand-in for Meta's Graph API that keeps a book and misbehaves on demand."};
  app.add_option("--listen", options.listen, "ADDRESS:PORT; port 0 picks one");
  app.add_option("--access-token", options.access_token, "The bearer token it accepts");
  app.add_option("--app-secret", options.app_secret, "Signs the webhooks");
  app.add_option("--webhook-url", options.webhook_url, "Where webhooks go");
  app.add_flag("--send-statuses", options.send_statuses, "Report accepted messages as delivered");
  app.add_option("--seed", options.seed, "Of everything that goes by lot");
  CLI11_PARSE(app, argc, argv);

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
