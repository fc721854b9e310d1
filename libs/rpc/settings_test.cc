#include "libs/rpc/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/config/config.h"

namespace wissel::rpc {
namespace {

using ::testing::HasSubstr;

absl::Status Load(absl::string_view yaml) {
  AuthSettings settings;
  return config::LoadText([&](config::Binder& b) { settings.Describe(b); }, yaml, "f.yaml");
}

TEST(AuthSettings, WhatCannotWorkIsNotTaken) {
  setenv("WISSEL_TEST_SHORT", "geheim", 1);
  setenv("WISSEL_TEST_LONG", "0123456789abcdef0123456789abcdef", 1);
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"hs256_secret: {env: WISSEL_TEST_SHORT}", "hs256_secret: expected 32 bytes or more"},
      {"jwks_file: nowhere.json", "jwks_file: found \"nowhere.json\""},
      {"jwks_url: foo", "jwks_url: expected https://"},
      {"{jwks_url: 'http://id.example/keys', issuer: i}", "jwks_url: expected https://"},
      {"{jwks_url: 'http://127.0.0.1@id.example/', issuer: i}", "jwks_url: expected https://"},
      {"{jwks_url: 'http://localhost.id.example', issuer: i}", "jwks_url: expected https://"},
      {"jwks_url: 'https://id.example/keys'", "give issuer or audience"},
      {"jwks_file: CMakeLists.txt", "give issuer or audience"}};
  for (const auto& [yaml, error] : wrong) {
    const absl::Status status = Load(yaml);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << yaml;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("geheim")));
  }
  for (const char* right :
       {"hs256_secret: {env: WISSEL_TEST_LONG}", "{jwks_file: CMakeLists.txt, audience: wissel}",
        "{jwks_url: 'https://id.example/keys', issuer: 'https://id.example'}",
        "{jwks_url: 'http://127.0.0.1:8080/keys', issuer: i}",
        "{jwks_url: 'http://[::1]:8080/keys', issuer: i}",
        "{jwks_url: 'http://localhost/keys', issuer: i}"}) {
    EXPECT_TRUE(Load(right).ok()) << Load(right);
  }
}

}  // namespace
}  // namespace wissel::rpc
