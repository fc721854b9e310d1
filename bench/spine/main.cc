// The parts of scripts/bench that are no script: each command does one thing to a spine on Kafka
// and prints what it measured as one JSON object.
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "bench/spine/bare_hop.h"
#include "bench/spine/bare_stream.h"
#include "bench/spine/deliveries.h"
#include "bench/spine/log_tools.h"
#include "bench/spine/webhooks.h"
#include "bench/spine/workload.h"
#include "libs/base/check.h"
#include "libs/bus/kafka.h"

ABSL_FLAG(std::string, brokers, "", "Kafka, HOST:PORT");
ABSL_FLAG(std::string, prefix, "bench.", "what the topics' names begin with");
ABSL_FLAG(int, partitions, 1, "of the topics");
ABSL_FLAG(int64_t, count, 0, "messages, or records, as the command has it");
ABSL_FLAG(int64_t, contacts, 1000, "prepare: customers who write in turn");
ABSL_FLAG(absl::Duration, interval, absl::Milliseconds(20), "probe: between two messages");
ABSL_FLAG(absl::Duration, silence, absl::Seconds(1), "probe: what counts as one");
ABSL_FLAG(absl::Duration, limit, absl::Minutes(2), "probe: at most");
ABSL_FLAG(int, port, 0, "post, deliver: the webhook's");
ABSL_FLAG(std::string, path, "/", "post, deliver: the webhook's");
ABSL_FLAG(std::string, secret, "", "that signs webhooks");
ABSL_FLAG(std::string, phone, "", "post, deliver: the phone number's id");
ABSL_FLAG(int, connections, 64, "post, deliver: kept open");
ABSL_FLAG(double, rate, 0, "deliver: webhooks a second");
ABSL_FLAG(std::string, stream, "", "deliver: HOST:PORT of the server whose stream is watched");
ABSL_FLAG(std::string, token, "", "deliver: a supervisor's, for a gateway's stream");

namespace wissel::bench {
namespace {

constexpr char kUsage[] =
    "wissel-spine-bench COMMAND --brokers HOST:PORT [--prefix P] [--partitions N] [--count N]\n\n"
    "  prepare     make the topics, the shops' configuration and --count inbound messages\n"
    "  bare-hop    copy --count messages from inbound to the log\n"
    "  bare-read   read --count records of the log\n"
    "  decisions   wait for decisions on --count messages: seconds from the first to the last\n"
    "  copies      the same for bare-hop's copies\n"
    "  end         the log's records, by its offsets\n"
    "  count       the log's records, events and bytes\n"
    "  probe       send messages until the log falls silent and speaks again: when it did\n"
    "  bare-webhook  take signed webhooks into inbound; prints its port\n"
    "  bare-stream   send the log's copies to a stream of gRPC; prints its port\n"
    "  post        send --count signed webhooks: seconds from the first to the last answer\n"
    "  deliver     send them at --rate: percentiles of the time until they arrive\n\n"
    "Started by scripts/bench.";

double UnixSeconds(absl::Time time) { return absl::ToDoubleSeconds(time - absl::UnixEpoch()); }

int Run(const std::string& command) {
  const int partitions = absl::GetFlag(FLAGS_partitions);
  const int64_t count = absl::GetFlag(FLAGS_count);
  const BareHopOptions bare{.brokers = absl::GetFlag(FLAGS_brokers),
                            .topic_prefix = absl::GetFlag(FLAGS_prefix),
                            .partitions = partitions,
                            .count = count};
  if (command == "bare-hop") {
    BareHop(bare);
    return 0;
  }
  if (command == "bare-read") {
    std::cout << absl::StrFormat("{\"seconds\":%.6f}\n", BareRead(bare));
    return 0;
  }
  const PostOptions post{.port = absl::GetFlag(FLAGS_port),
                         .path = absl::GetFlag(FLAGS_path),
                         .secret = absl::GetFlag(FLAGS_secret),
                         .phone_number_id = absl::GetFlag(FLAGS_phone),
                         .connections = absl::GetFlag(FLAGS_connections),
                         .count = count,
                         .rate = absl::GetFlag(FLAGS_rate)};
  if (command == "bare-webhook") {
    BareWebhook server({bare.brokers, bare.topic_prefix, post.secret});
    std::cout << absl::StrFormat("{\"message\":\"webhook listens\",\"port\":%d}\n", server.port())
              << std::flush;
    server.Run();
    return 0;
  }
  if (command == "bare-stream") {
    BareStream server(bare);
    std::cout << absl::StrFormat("{\"message\":\"listening\",\"port\":%d}\n", server.port())
              << std::flush;
    server.Run();
    return 0;
  }
  if (command == "post") {
    std::cout << absl::StrFormat("{\"seconds\":%.6f}\n", PostWebhooks(post, [](int64_t) {}));
    return 0;
  }
  if (command == "deliver") {
    const Latency latency = MeasureDeliveries(
        post, {.target = absl::GetFlag(FLAGS_stream), .token = absl::GetFlag(FLAGS_token)});
    std::cout << absl::StrFormat("{\"p50_ms\":%.4f,\"p99_ms\":%.4f}\n", latency.p50_ms,
                                 latency.p99_ms);
    return 0;
  }
  bus::KafkaOptions options;
  options.brokers = bare.brokers;
  options.topic_prefix = bare.topic_prefix;
  auto bus = bus::NewKafkaBus(options);
  WISSEL_CHECK_OK(bus);
  if (command == "prepare") {
    Prepare(
        **bus,
        {.partitions = partitions, .messages = count, .contacts = absl::GetFlag(FLAGS_contacts)});
    std::cout << absl::StrFormat("{\"workspaces\":[\"%s\"]}\n",
                                 absl::StrJoin(Workspaces(partitions), "\",\""));
  } else if (command == "decisions" || command == "copies") {
    const Span span = command == "copies" ? AwaitCopies(**bus, bare) : AwaitDecisions(**bus, bare);
    std::cout << absl::StrFormat("{\"seconds\":%.6f,\"records\":%d}\n",
                                 absl::ToDoubleSeconds(span.duration), span.records);
  } else if (command == "end") {
    std::cout << absl::StrFormat("{\"records\":%d}\n", LogEnds(bare).Sum());
  } else if (command == "count") {
    const LogCount log = CountLog(**bus, partitions);
    std::cout << absl::StrFormat("{\"records\":%d,\"events\":%d,\"bytes\":%d}\n", log.records,
                                 log.events, log.bytes);
  } else if (command == "probe") {
    const Silence silence = AwaitSilence(**bus, {.interval = absl::GetFlag(FLAGS_interval),
                                                 .at_least = absl::GetFlag(FLAGS_silence),
                                                 .limit = absl::GetFlag(FLAGS_limit)});
    WISSEL_CHECK(silence.ended != absl::InfiniteFuture()) << "the log never fell silent";
    std::cout << absl::StrFormat("{\"began\":%.6f,\"ended\":%.6f}\n", UnixSeconds(silence.began),
                                 UnixSeconds(silence.ended));
  } else {
    std::cerr << "unknown command " << command << "\n\n" << kUsage << "\n";
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace wissel::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(wissel::bench::kUsage);
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  if (rest.size() != 2) {
    std::cerr << wissel::bench::kUsage << "\n";
    return 2;
  }
  return wissel::bench::Run(rest[1]);
}
