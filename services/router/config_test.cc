#include "services/router/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/config/config.h"
#include "libs/testing/status_matchers.h"

namespace wissel::router {
namespace {

using ::testing::HasSubstr;

absl::Status Load(absl::string_view yaml) {
  Settings settings;
  return config::LoadText([&](config::Binder& b) { settings.Describe(b); }, yaml, "f.yaml");
}

TEST(Settings, WhatCannotWorkIsNotTaken) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"kafka: {brokers: \"\"}", "kafka: brokers: expected HOST:PORT"},
      {"kafka: {protocol: sasl_tls, sasl_mechanism: foo}", "kafka: sasl_mechanism: expected"},
      {"redis: {address: foo}", "redis: expected host:port"},
      {"redis: {tls: true}", "TLS to Redis is not in this build"},
      {"router: {chaos_ignore_seen: true}", "router: chaos_*"},
      {"router: {chaos_ignore_reader_rule: true}", "router: chaos_*"},
      {"router: {max_input_bytes: 2MiB}", "router.max_input_bytes: expected 128 KiB less"},
      {"kafka: {max_record_bytes: 512KiB}", "router.max_input_bytes: expected 128 KiB less"}};
  for (const auto& [yaml, error] : wrong) {
    const absl::Status status = Load(yaml);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
  }
  WISSEL_EXPECT_OK(
      Load("kafka: {brokers: \"a:1,b:2\", sasl_mechanism: PLAIN, max_record_bytes: 640KiB}\n"
           "redis: {address: /run/redis.sock}\nrouter: {max_input_bytes: 512KiB}\n"));
}

}  // namespace
}  // namespace wissel::router
