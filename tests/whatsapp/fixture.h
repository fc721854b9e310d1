#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/base/timeout.h"
#include "libs/bus/embedded.h"
#include "libs/service/service.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/whatsapp/app.h"
#include "tests/stubs/graph/graph_stub.h"

namespace wissel::whatsapp {

// The whole channel on an embedded log, against a Graph API of the test's own.
class WhatsappTest : public ::testing::Test {
 protected:
  WhatsappTest()
      : bus_(bus::NewEmbeddedBus({.partitions = 4}).value()),
        graph_(stubs::GraphStub::Start({}).value()) {
    settings_.accounts = {Account("wa-nl", "nl", "1060001"), Account("wa-be", "be", "1060002")};
    settings_.webhook.listen = "127.0.0.1:0";
    settings_.webhook.max_body_bytes = 64 << 10;
    settings_.graph.base_url = graph_->base_url();
    settings_.graph.call_timeout = absl::Milliseconds(300);
    settings_.graph.media_timeout = absl::Seconds(3);
    settings_.graph.max_media_bytes = 1000;
    settings_.graph.media_types = {"image/*", "application/pdf"};
    settings_.blobs.folder = dir_.Join("blobs");
    settings_.delivery.policy.start_limit = absl::Seconds(1);
    settings_.delivery.policy.call_timeout = absl::Seconds(1);
    settings_.delivery.policy.settle_wait = absl::Milliseconds(200);
    settings_.delivery.policy.initial_backoff = absl::Milliseconds(20);
    settings_.delivery.policy.reauthorise_retry = absl::Milliseconds(50);
  }

  ~WhatsappTest() override {
    app_.reset();
    graph_.reset();
  }

  static AccountSettings Account(std::string account, std::string group, std::string number) {
    AccountSettings settings;
    settings.account_id = std::move(account);
    settings.workspace_id = "shop";
    settings.routing_group_id = std::move(group);
    settings.phone_number_id = std::move(number);
    settings.access_token = config::Secret("token", "test");
    settings.app_secret = config::Secret("secret", "test");
    settings.verify_token = config::Secret("verify", "test");
    return settings;
  }

  service::Context Context() {
    return {.clock = clock_,
            .log = log_,
            .metrics = metrics_,
            .readiness = readiness_,
            .endpoint = endpoint_,
            .fail = [](absl::Status status) { ADD_FAILURE() << status; }};
  }

  void Start(channel::Role role) {
    settings_.role = role;
    auto app = WhatsappApp::New(*bus_, std::nullopt, settings_, Context());
    ASSERT_THAT(app, wissel::testing::IsOk());
    app_ = *std::move(app);
    if (!channel::Ingests(role)) return;
    AwaitReady();
    graph_->SetWebhookUrl(WebhookUrl());
  }

  void AwaitReady() {
    const Timeout limit(absl::Seconds(5));
    while (!readiness_.Ready() && !limit.Expired()) absl::SleepFor(absl::Milliseconds(2));
    ASSERT_TRUE(readiness_.Ready()) << readiness_.ToJson();
  }

  std::string WebhookUrl() const {
    return "http://127.0.0.1:" + std::to_string(app_->webhook_port()) + settings_.webhook.path;
  }

  // Everything in a topic, partition by partition.
  template <typename Message>
  std::vector<Message> ReadAll(bus::Topic topic) {
    std::vector<Message> all;
    for (int32_t i = 0; i < bus_->PartitionCount(topic).value(); ++i) {
      auto reader = bus_->OpenReader(topic, i, {}).value();
      const auto records = reader->Poll(10'000, absl::ZeroDuration()).value();
      for (const bus::Record& record : records) {
        Message message;
        EXPECT_TRUE(message.ParseFromString(record.value));
        all.push_back(std::move(message));
      }
    }
    return all;
  }

  // What has been logged, line by line.
  std::vector<std::string> lines() const {
    MutexLock lock(lines_mutex_);
    return lines_;
  }

  const SystemClock clock_;
  mutable Mutex lines_mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(lines_mutex_);
  const telemetry::Logger log_{{.write = [this](absl::string_view line) {
    MutexLock lock(lines_mutex_);
    lines_.emplace_back(line);
  }}};
  const wissel::testing::TempDir dir_;
  telemetry::Registry metrics_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{metrics_, readiness_};
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<stubs::GraphStub> graph_;
  WhatsappSettings settings_;
  std::unique_ptr<WhatsappApp> app_;
};

}  // namespace wissel::whatsapp
