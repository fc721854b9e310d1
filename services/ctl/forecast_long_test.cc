// The engine's forecasts on simulated days, two of each kind that docs/guides/routing.md shows
// twenty of: a change for the worse in what goes into them shows here.

#include <boost/json.hpp>

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

boost::json::value Judge(const char* scenario) {
  const std::string file = absl::StrCat("deploy/examples/scenarios/", scenario);
  const Result result = Wisselctl({"simulate", file.c_str(), "--forecast", "50", "--seed", "101",
                                   "--seeds", "2", "--output", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  return boost::json::parse(result.out).at("forecast");
}

struct Bounds {
  int64_t conversations;  // with a target, at least
  double skill;           // at least
  double bias_s;          // at most, either way
  double right;           // of the warnings, at least
  double earlier;         // than as many warnings at a fixed share: so many times, at least
  double off;             // of what was said to what came, in a tenth with fifty, at most
};

void ExpectWithin(const Bounds& bounds, const boost::json::value& forecast) {
  const auto number = [](const boost::json::value& value) { return value.to_number<double>(); };
  const double missed = number(forecast.at("missed"));
  const boost::json::value& warnings = forecast.at("forecast");
  EXPECT_GE(forecast.at("with_target").as_int64(), bounds.conversations);
  EXPECT_GT(missed, 100);
  EXPECT_GE(1 - number(forecast.at("brier")) / number(forecast.at("brier_of_base_rate")),
            bounds.skill);
  EXPECT_LE(std::abs(number(forecast.at("expected_wait").at("bias_s"))), bounds.bias_s);
  // Better than what needs no model.
  EXPECT_LT(number(forecast.at("expected_wait").at("mean_absolute_s")),
            number(forecast.at("last_wait").at("mean_absolute_s")));
  // Every miss is warned of, and not by warning of everything.
  EXPECT_EQ(number(warnings.at("right")), missed);
  EXPECT_GE(number(warnings.at("right")) / number(warnings.at("said")), bounds.right);
  EXPECT_GE(number(warnings.at("lead_s")),
            bounds.earlier * number(forecast.at("as_many").at("lead_s")));
  int judged = 0;
  for (const boost::json::value& bin : forecast.at("bins").as_array()) {
    const double count = number(bin.at("count"));
    if (count < 50) continue;
    ++judged;
    EXPECT_LE(std::abs(number(bin.at("said")) - number(bin.at("missed"))) / count, bounds.off)
        << bin;
  }
  EXPECT_GE(judged, 5);
}

TEST(ForecastLong, OnABusyDay) {
  ExpectWithin({.conversations = 2500,
                .skill = 0.4,
                .bias_s = 40,
                .right = 0.45,
                .earlier = 1.5,
                .off = 0.15},
               Judge("busy.yaml"));
}

TEST(ForecastLong, InThreeLanguages) {
  ExpectWithin({.conversations = 2000,
                .skill = 0.35,
                .bias_s = 120,
                .right = 0.4,
                .earlier = 1.4,
                .off = 0.25},
               Judge("languages.yaml"));
}

}  // namespace
}  // namespace wissel::ctl
