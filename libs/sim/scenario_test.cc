#include "libs/sim/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "libs/domain/testing.h"
#include "libs/testing/status_matchers.h"

namespace wissel::sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kGood[] = R"(start: "2026-03-02T08:00:00Z"
length: 2h
arrivals:
  - account: shop-phone
    per_hour: 10
shifts:
  - agents: [anna]
    from: "09:00"
    to: "17:00"
)";

std::string Errors(const std::string& yaml) {
  const auto scenario = ParseScenario(yaml, "day.yaml");
  if (!scenario.ok()) return std::string(scenario.status().message());
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  return std::string(FitScenario(*scenario, yaml, "day.yaml", config).message());
}

std::string Replaced(const std::string& what, const std::string& by) {
  std::string yaml = kGood;
  const size_t at = yaml.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return yaml.replace(at, what.size(), by);
}

TEST(Scenario, WhatIsWrongIsNamedWithLineAndKey) {
  EXPECT_EQ(Errors(kGood), "");
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "per_day: 10")),
              AllOf(HasSubstr("day.yaml:5: "), HasSubstr("per_hour")));
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "per_hour: -1")), HasSubstr("day.yaml:5: "));
  EXPECT_THAT(Errors(Replaced("length: 2h", "length: soon")), HasSubstr("day.yaml:2: length"));
  EXPECT_THAT(Errors(Replaced("2026-03-02T08:00:00Z", "monday")),
              AllOf(HasSubstr("day.yaml:1: start"), HasSubstr("2026-03-02T08:00:00Z")));
  EXPECT_THAT(Errors(Replaced("2026-03-02T08:00:00Z", "infinite-future")),
              HasSubstr("day.yaml:1: start"));
  EXPECT_THAT(Errors(Replaced("shop-phone", "shop-fax")),
              AllOf(HasSubstr("day.yaml:4: arrivals[0].account"), HasSubstr("shop-phone")));
  EXPECT_THAT(Errors(Replaced("anna", "zoe")),
              AllOf(HasSubstr("day.yaml:7: shifts[0].agents[0]"), HasSubstr("anna")));
  EXPECT_THAT(Errors(Replaced("\"17:00\"", "\"25:00\"")), HasSubstr("day.yaml:9: shifts[0].to"));
  EXPECT_THAT(Errors(Replaced("\"17:00\"", "\"08:00\"")), HasSubstr("later than from"));
  EXPECT_THAT(
      Errors(Replaced("per_hour: 10", "per_hour: 1000000\n    shape: [{from_hour: 1, times: 10}]")),
      HasSubstr("10,000,000"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "shape: [{from_hour: 9}, {from_hour: 8}]")),
              HasSubstr("day.yaml:5: arrivals[0].shape[1].from_hour"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "patience: {distribution: exponential}")),
              HasSubstr("day.yaml:5: arrivals[0].patience"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "bursts: [{at: 1h}]")),
              HasSubstr("day.yaml:5: arrivals[0].bursts[0].lasts"));
  EXPECT_THAT(Errors(Replaced("arrivals:", "time_zone: Mars/Olympus\narrivals:")),
              HasSubstr("day.yaml:3: time_zone"));
  EXPECT_THAT(Errors(std::string(kGood) + "warm_up: 3h\n"), HasSubstr("warm_up"));
  // A thousand days more must have seeds, too.
  EXPECT_EQ(Errors(std::string(kGood) + "seed: 4611686018427387904\n"), "");
  EXPECT_THAT(Errors(std::string(kGood) + "seed: 4611686018427387905\n"),
              HasSubstr("day.yaml:10: seed"));
  EXPECT_THAT(Errors(std::string(kGood) + "more_agents: [{like: zoe}]\n"),
              HasSubstr("day.yaml:10: more_agents[0].like"));
  EXPECT_THAT(Errors(std::string(kGood) + "handling: [{channel: pigeon}]\n"),
              HasSubstr("day.yaml:10: handling[0].channel"));
  EXPECT_THAT(Errors(std::string(kGood) + "handling: [{skill: flying}]\n"),
              HasSubstr("day.yaml:10: handling[0].skill"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10",
                              "facts: {tiers: [{value: gold, share: 0.6}, "
                              "{value: silver, share: 0.6}]}")),
              HasSubstr("day.yaml:5: arrivals[0].facts.tiers: expected shares"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10",
                              "facts: {tags: [{value: " + std::string(65, 'x') + ", share: 1}]}")),
              HasSubstr("day.yaml:5: arrivals[0].facts.tags[0].value: expected 1 to 64 bytes"));
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "facts: {order_states: [{value: a, share: 2}]}")),
              HasSubstr("day.yaml:5: "));
  const std::string lost = "agents:\n  disconnects: {per_hour: 1000}\n";
  EXPECT_EQ(Errors(kGood + lost), "");
  EXPECT_THAT(Errors(kGood + lost + "more_agents: [{like: anna, copies: 500}]\n"),
              HasSubstr("day.yaml:11: agents.disconnects.per_hour: expected at most 1,000,000"));
  EXPECT_THAT(Errors("length: 1h\n"), HasSubstr("arrivals"));
  EXPECT_THAT(Errors("]"), HasSubstr("day.yaml:1"));
}

TEST(Scenario, TheLimitOfConversationsCountsBurstsThatOverlap) {
  std::string apart;
  std::string together;
  for (int i = 0; i < 30; ++i) {
    absl::StrAppend(&apart, "{at: ", i, "m, lasts: 1m, times: 3}, ");
    absl::StrAppend(&together, "{at: ", i, "m, lasts: 1h, times: 3}, ");
  }
  EXPECT_EQ(Errors(Replaced("per_hour: 10", "per_hour: 10\n    bursts: [" + apart + "]")), "");
  EXPECT_THAT(Errors(Replaced("per_hour: 10", "per_hour: 10\n    bursts: [" + together + "]")),
              HasSubstr("day.yaml:3: arrivals: expected at most 10,000,000"));
  // Lessened for a while, then not.
  EXPECT_THAT(Errors(Replaced("per_hour: 10",
                              "per_hour: 10000\n    bursts: [{at: 0s, lasts: 2h, times: 1000}, "
                              "{at: 0s, lasts: 1h, times: 0.1}]")),
              HasSubstr("10,000,000"));
}

TEST(Scenario, ManyBurstsThatDoNotOverlapEnd) {
  std::string bursts;
  for (int i = 0; i < 30; ++i) absl::StrAppend(&bursts, "{at: ", 4 * i, "m, lasts: 2m, times: 3},");
  const std::string yaml = Replaced("per_hour: 10", "per_hour: 20\n    bursts: [" + bursts + "]");
  const auto scenario = ParseScenario(yaml, "day.yaml");
  WISSEL_ASSERT_OK(scenario);
  const config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  int in_bursts = 0;
  int between = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const auto behaviour = DrawBehaviour(*scenario, config, seed);
    while (const auto customer = behaviour->NextCustomer()) {
      const int64_t minute = absl::ToInt64Minutes(customer->arrival - scenario->StartTime());
      ++(minute % 4 < 2 ? in_bursts : between);
    }
  }
  // Of 50 times 20 an hour for an hour between them: 1,000, and three times as many in them.
  EXPECT_NEAR(between, 1000, 130);
  EXPECT_NEAR(in_bursts, 3000, 230);
}

TEST(Scenario, MoreAgentsAreCopiesUnderNewNames) {
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  const std::string yaml = std::string(kGood) + "more_agents: [{like: anna, copies: 2}]\n";
  const auto scenario = ParseScenario(yaml, "day.yaml");
  WISSEL_ASSERT_OK(scenario);
  WISSEL_ASSERT_OK(FitScenario(*scenario, yaml, "day.yaml", config));
  ASSERT_EQ(config.agents_size(), 5);
  EXPECT_EQ(config.agents(3).agent_id(), "anna-2");
  EXPECT_EQ(config.agents(4).agent_id(), "anna-3");
  EXPECT_EQ(config.agents(4).queue_ids_size(), config.agents(0).queue_ids_size());
}

TEST(Scenario, CustomersAreTheSameWhateverThePolicy) {
  const auto scenario = ParseScenario(kGood, "day.yaml");
  WISSEL_ASSERT_OK(scenario);
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  config::v1::WorkspaceConfig other = config;
  other.mutable_queues(0)->set_auto_accept(true);
  const auto one = DrawBehaviour(*scenario, config, 7);
  const auto two = DrawBehaviour(*scenario, other, 7);
  int count = 0;
  while (true) {
    const auto a = one->NextCustomer();
    const auto b = two->NextCustomer();
    ASSERT_EQ(a.has_value(), b.has_value());
    if (!a.has_value()) break;
    EXPECT_EQ(a->arrival, b->arrival);
    EXPECT_EQ(a->message.SerializeAsString(), b->message.SerializeAsString());
    EXPECT_EQ(a->steps.back().at, b->steps.back().at);
    ++count;
  }
  EXPECT_GT(count, 5);
}

// Written out, so that a machine with other random numbers or another libm is noticed.
TEST(Random, GivesTheSameNumbersEverywhere) {
  // As the authors' own program gives them.
  Random plain(1234567);
  EXPECT_EQ(plain.Next(), UINT64_C(6457827717110365317));
  EXPECT_EQ(plain.Next(), UINT64_C(3203168211198807973));
  Random random = Random::Stream(1, 2, 3);
  EXPECT_EQ(random.Next(), UINT64_C(2399657773382937285));
  const Distribution exponential{.mean = absl::Minutes(5)};
  EXPECT_EQ(exponential.Sample(random), absl::Microseconds(248'128'102));
  const Distribution lognormal{
      .kind = Distribution::Kind::kLognormal, .mean = absl::Minutes(5), .variation = 0.8};
  EXPECT_EQ(lognormal.Sample(random), absl::Microseconds(226'325'452));
}

// Once in so many years: not in this run, and not once a microsecond either.
TEST(Random, WhatIsRareIsLate) {
  Random random(7);
  for (const double per_hour : {1e-7, 1e-10, 1e-12, 1e-300}) {
    const Distribution gap{.mean = absl::Hours(1) / per_hour};
    for (int i = 0; i < 100; ++i) {
      const absl::Duration sample = gap.Sample(random);
      EXPECT_GT(sample, absl::Hours(24)) << per_hour;
      EXPECT_LE(sample, absl::Hours(24 * 365 * 100)) << per_hour;
    }
  }
}

TEST(Random, DistributionsHaveTheirMeanAndVariation) {
  Random random(42);
  for (const auto kind : {Distribution::Kind::kConstant, Distribution::Kind::kExponential,
                          Distribution::Kind::kLognormal}) {
    const Distribution distribution{.kind = kind, .mean = absl::Seconds(100), .variation = 0.5};
    constexpr int kSamples = 20'000;
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kSamples; ++i) {
      const double x = absl::ToDoubleSeconds(distribution.Sample(random));
      sum += x;
      squares += x * x;
    }
    const double mean = sum / kSamples;
    const double deviation = std::sqrt(std::max(0.0, squares / kSamples - mean * mean));
    EXPECT_NEAR(mean, 100, 2.5);
    EXPECT_NEAR(deviation,
                kind == Distribution::Kind::kConstant      ? 0
                : kind == Distribution::Kind::kExponential ? 100
                                                           : 50,
                3);
  }
}

}  // namespace
}  // namespace wissel::sim
