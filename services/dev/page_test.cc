#include "services/dev/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/bus/embedded.h"
#include "libs/http/client.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "wissel/deadletter/v1/deadletter.pb.h"

namespace wissel::dev {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class PageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
    WISSEL_ASSERT_OK_AND_ASSIGN(blobs_, channel::NewFolderBlobStore({.folder = dir_.path()}));
    publisher_ =
        std::make_unique<channel::Publisher>(bus_.get(), &clock_, channel::PublisherOptions{});
    WISSEL_ASSERT_OK(publisher_->Connect());
    const PageOptions options{.listen = "127.0.0.1:0",
                              .outbox_folder = dir_.path(),
                              .mailboxes = {{.workspace = WorkspaceId("shop"),
                                             .routing_group = RoutingGroupId("main"),
                                             .account = ChannelAccountId("support"),
                                             .address = "support@shop.example"}}};
    WISSEL_ASSERT_OK_AND_ASSIGN(page_, StartPage(options, publisher_.get(), blobs_.get()));
    WISSEL_ASSERT_OK_AND_ASSIGN(http_, http::Client::Create({}));
  }

  http::FetchResult Inject(std::string mail) {
    return http_->FetchAndWait(
        {.method = "POST",
         .url = absl::StrCat("http://127.0.0.1:", page_->port(), "/inject/email"),
         .headers = {{"Content-Type", "message/rfc822"}},
         .body = std::move(mail)},
        {.total_timeout = absl::Seconds(20)});
  }

  template <class Message>
  std::vector<Message> ReadAll(bus::Topic topic) {
    std::vector<Message> all;
    const auto reader = bus_->OpenReader(topic, 0, {}).value();
    const std::vector<bus::Record> records = reader->Poll(100, absl::ZeroDuration()).value();
    for (const bus::Record& record : records) {
      EXPECT_TRUE(all.emplace_back().ParseFromString(record.value));
    }
    return all;
  }

  const SystemClock clock_;
  const wissel::testing::TempDir dir_;
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::unique_ptr<channel::Publisher> publisher_;
  std::unique_ptr<http::Server> page_;
  std::unique_ptr<http::Client> http_;
};

TEST_F(PageTest, TakesAMailAsTheChannelWould) {
  const http::FetchResult result =
      Inject("From: jan@example.org\nTo: support@shop.example\n\nwhere is it?\n");
  EXPECT_EQ(result.status, 200) << result.body;
  const auto messages = ReadAll<message::v1::InboundMessage>(bus::Topic::kInbound);
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].sender().address(), "jan@example.org");
  EXPECT_THAT(result.body, HasSubstr(messages[0].envelope().id()));
}

TEST_F(PageTest, AMailThatNoMessageCanBeMadeOfBecomesADeadLetter) {
  const std::string mail = "To: support@shop.example\n\nwho am I?\n";
  const http::FetchResult result = Inject(mail);
  EXPECT_EQ(result.status, 422);
  const auto letters = ReadAll<deadletter::v1::DeadLetter>(bus::Topic::kDeadLetter);
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].reason(), deadletter::v1::REASON_INVALID);
  EXPECT_EQ(letters[0].raw(), mail);
  EXPECT_EQ(letters[0].workspace_id(), "shop");
  EXPECT_EQ(letters[0].origin().provider().account_id(), "support");
  EXPECT_THAT(result.body, HasSubstr(letters[0].dead_letter_id()));
  EXPECT_THAT(result.body, HasSubstr("no sender"));
  // Tried again, it is the same one.
  Inject(mail);
  const auto again = ReadAll<deadletter::v1::DeadLetter>(bus::Topic::kDeadLetter);
  ASSERT_THAT(again, SizeIs(2));
  EXPECT_EQ(again[1].dead_letter_id(), letters[0].dead_letter_id());
}

TEST_F(PageTest, AnswersOnlyWhoAsksForThisMachine) {
  const auto ask = [&](const std::string& method, const std::string& path,
                       const std::string& host) {
    return http_
        ->FetchAndWait({.method = method,
                        .url = absl::StrCat("http://127.0.0.1:", page_->port(), path),
                        .headers = {{"Host", host}, {"Content-Type", "message/rfc822"}},
                        .body = method == "POST" ? "From: jan@example.org\n\nhello\n" : ""},
                       {.total_timeout = absl::Seconds(20)})
        .status;
  };
  for (const char* host :
       {"localhost", "LocalHost:8085", "127.0.0.1:8085", "192.168.1.7", "[::1]", "[::1]:8085"}) {
    EXPECT_EQ(ask("GET", "/outbox.json", host), 200) << host;
  }
  // As a page would whose own name now means this machine.
  for (const char* host : {"evil.example", "evil.example:8085", "localhost.evil.example",
                           "127.0.0.1.evil.example:80", "[evil.example]", "::1"}) {
    EXPECT_EQ(ask("GET", "/outbox.json", host), 421) << host;
  }
  for (const char* path : {"/", "/outbox"}) EXPECT_EQ(ask("GET", path, "evil.example"), 421);
  EXPECT_EQ(ask("POST", "/inject/email", "evil.example"), 421);
  EXPECT_THAT(ReadAll<message::v1::InboundMessage>(bus::Topic::kInbound), SizeIs(0));
}

}  // namespace
}  // namespace wissel::dev
