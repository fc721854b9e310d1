#include "libs/telemetry/endpoint.h"

#include <curl/curl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/base/thread.h"

namespace wissel::telemetry {
namespace {

using ::testing::HasSubstr;

struct Reply {
  long status = 0;
  std::string body;
};

class EndpointTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(endpoint_.Start("127.0.0.1:0").ok()); }

  Reply Request(const std::string& path, const char* method = "GET") {
    Reply reply;
    CURL* curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL,
                     absl::StrCat("http://127.0.0.1:", endpoint_.port(), path).c_str());
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
    EXPECT_EQ(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    curl_easy_cleanup(curl);
    return reply;
  }

  static size_t Append(char* data, size_t size, size_t count, void* body) {
    static_cast<std::string*>(body)->append(data, size * count);
    return size * count;
  }

  Registry registry_;
  Readiness readiness_;
  Endpoint endpoint_{registry_, readiness_};
};

TEST_F(EndpointTest, ServesMetricsAndHealth) {
  registry_.AddCounter("wissel_x_total", "X.").Increment();
  EXPECT_GT(endpoint_.port(), 0);
  EXPECT_EQ(Request("/healthz").status, 200);
  const Reply metrics = Request("/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr("wissel_x_total 1\n"));
}

TEST_F(EndpointTest, ReadinessSaysWhatIsMissing) {
  EXPECT_EQ(Request("/readyz").status, 200);
  Readiness::Condition kafka = readiness_.Add("kafka");
  Readiness::Condition redis = readiness_.Add("redis");
  redis.SetReady();
  kafka.SetNotReady("broker \"k1\" is down");
  Reply reply = Request("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(
      reply.body,
      "{\"ready\":false,\"conditions\":[{\"name\":\"kafka\",\"ready\":false,\"reason\":\"broker "
      "\\\"k1\\\" is down\"},{\"name\":\"redis\",\"ready\":true}]}\n");
  kafka.SetReady();
  EXPECT_EQ(Request("/readyz").status, 200);
}

TEST_F(EndpointTest, ServesAddedPagesWithTheirQueryWhileTheyExist) {
  {
    const Endpoint::Page page = endpoint_.AddPage("/x/statez", [](absl::string_view query) {
      return HttpReply{.body = absl::StrCat("query=", query)};
    });
    EXPECT_EQ(Request("/x/statez?a=1&b=2").body, "query=a=1&b=2");
    EXPECT_EQ(Request("/x/statez").body, "query=");
  }
  EXPECT_EQ(Request("/x/statez").status, 404);
  const Endpoint::Page again =
      endpoint_.AddPage("/x/statez", [](absl::string_view) { return HttpReply{.body = "new"}; });
  EXPECT_EQ(Request("/x/statez").body, "new");
}

TEST_F(EndpointTest, APageIsNotTakenAwayDuringItsCall) {
  Notification called, go_on;
  std::atomic<bool> finished = false;
  auto page = std::make_unique<Endpoint::Page>(endpoint_.AddPage("/slow", [&](absl::string_view) {
    called.Notify();
    go_on.Wait();
    finished = true;
    return HttpReply{.body = "slow"};
  }));
  Reply reply;
  std::jthread client = StartThread("client", [&] { reply = Request("/slow"); });
  called.Wait();
  std::jthread raiser = StartThread("raiser", [&] { go_on.Notify(); });
  page.reset();
  EXPECT_TRUE(finished);
  client.join();
  EXPECT_EQ(reply.body, "slow");
}

TEST(Readiness, TakenNamesAreNumbered) {
  Readiness readiness;
  Readiness::Condition first = readiness.Add("kafka");
  Readiness::Condition second = readiness.Add("kafka");
  second.SetReady();
  EXPECT_FALSE(readiness.Ready());
  EXPECT_THAT(readiness.ToJson(), HasSubstr("\"name\":\"kafka_2\",\"ready\":true"));
  first.SetReady();
  EXPECT_TRUE(readiness.Ready());
}

TEST_F(EndpointTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Request("/nothing").status, 404);
  EXPECT_THAT(Request("/nothing").body, HasSubstr("/metrics\n"));
  EXPECT_EQ(Request("/metrics/more").status, 404);
  EXPECT_EQ(Request("/metrics", "POST").status, 405);
}

TEST_F(EndpointTest, SaysWhyItCannotStart) {
  Endpoint second(registry_, readiness_);
  const absl::Status taken = second.Start(absl::StrCat("127.0.0.1:", endpoint_.port()));
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()),
              HasSubstr(absl::StrCat(endpoint_.port(), ": Address already in use")));
  EXPECT_FALSE(second.Start("nonsense").ok());
}

}  // namespace
}  // namespace wissel::telemetry
