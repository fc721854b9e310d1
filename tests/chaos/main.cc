#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "tests/chaos/run.h"

namespace wissel::chaos {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int Main(int argc, char** argv) {
  RunOptions run;
  CanaryOptions canary;
  std::string canary_name;
  std::string duration = "60s";
  CLI::App app("Runs Wissel's services as processes and breaks them; started by scripts/chaos.");
  app.add_option("--messages", run.messages, "How many messages customers write.")
      ->check(CLI::Range(1, 10'000'000));
  app.add_option("--seed", run.seed, "Decides who writes what, and what breaks when.");
  app.add_option("--for", duration, "How long they write and things break: 60s.");
  app.add_option("--canary", canary_name, "Turn a guard off: epoch, dedupe or ack.")
      ->check(CLI::IsMember({"epoch", "dedupe", "ack"}));
  app.add_flag("--control", canary.control, "With --canary: the same with the guard on.");
  bool no_mail = false;
  app.add_flag("--no-mail", no_mail, "Without mail servers and wissel-email.");
  app.add_option("--bin", run.stage.bin, "The services' binaries.")->required();
  app.add_option("--work", run.stage.work, "A folder for logs.")->required();
  app.add_option("--stack", run.stage.stack, "The folder of scripts/stack.")->required();
  CLI11_PARSE(app, argc, argv);
  run.stage.kafka = Environment("WISSEL_TEST_KAFKA");
  run.stage.redis = Environment("WISSEL_TEST_REDIS");
  if (run.stage.kafka.empty() || run.stage.redis.empty() ||
      !absl::ParseDuration(duration, &run.duration)) {
    std::cerr << "wissel-chaos: needs WISSEL_TEST_KAFKA and WISSEL_TEST_REDIS of scripts/stack, and"
                 " --for as 60s: see scripts/chaos\n";
    return 2;
  }
  if (canary_name.empty() && !no_mail) {
    absl::StatusOr<MailServers> mail = MailServers::FromEnvironment();
    if (!mail.ok()) {
      std::cerr << "wissel-chaos: " << mail.status() << "; see --no-mail\n";
      return 2;
    }
    run.stage.mail = *std::move(mail);
  }
  std::error_code error;
  std::filesystem::create_directories(run.stage.work, error);

  absl::StatusOr<bool> good;
  if (canary_name.empty()) {
    good = RunChaos(run);
  } else {
    static const std::map<std::string, Canary> kNames = {
        {"epoch", Canary::kEpoch}, {"dedupe", Canary::kDedupe}, {"ack", Canary::kAck}};
    canary.run = run;
    canary.canary = kNames.at(canary_name);
    good = RunCanary(canary);
  }
  if (!good.ok()) {
    std::cerr << "wissel-chaos: " << good.status() << "; logs in " << run.stage.work << "\n";
    return 1;
  }
  return *good ? 0 : 1;
}

}  // namespace
}  // namespace wissel::chaos

int main(int argc, char** argv) { return wissel::chaos::Main(argc, argv); }
