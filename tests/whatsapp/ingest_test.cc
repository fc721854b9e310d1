#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/notification.h"
#include "libs/channel/blob.h"
#include "libs/http/client.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/unacknowledged_bus.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/graph.h"
#include "services/whatsapp/media.h"
#include "services/whatsapp/normalise.h"
#include "services/whatsapp/signature.h"
#include "tests/whatsapp/fixture.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::whatsapp {
namespace {

using deadletter::v1::DeadLetter;
using message::v1::InboundMessage;
using receipt::v1::Receipt;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;

std::string ReadFile(const std::string& name) {
  std::stringstream text;
  text << std::ifstream("services/whatsapp/testdata/corpus/" + name + ".json").rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

std::string MediaWebhook(const std::string& type, const std::string& id, const std::string& mime) {
  return absl::StrCat(
      R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{)"
      R"("metadata":{"phone_number_id":"1060001"},"messages":[{"from":"31611111111","id":"wamid.M)",
      id, R"(","timestamp":"1763900000","type":")", type, R"(",")", type, R"(":{"id":")", id,
      R"(","mime_type":")", mime, R"(","filename":"a.pdf"}}]}}]}]})");
}

class IngestTest : public WhatsappTest {
 protected:
  void SetUp() override { client_ = http::Client::Create({}).value(); }

  http::FetchResult Post(const std::string& body, const std::string& signature) {
    http::FetchRequest request;
    request.method = "POST";
    request.url = WebhookUrl();
    request.body = body;
    if (!signature.empty()) request.headers.push_back({"X-Hub-Signature-256", signature});
    http::FetchOptions options;
    options.idempotent = true;
    return client_->FetchAndWait(std::move(request), options);
  }
  int PostSigned(const std::string& body) { return Post(body, Sign("secret", body)).status; }

  http::FetchResult Get(const std::string& query) {
    return client_->FetchAndWait({.url = WebhookUrl() + "?" + query}, {});
  }

  std::vector<InboundMessage> Messages() { return ReadAll<InboundMessage>(bus::Topic::kInbound); }
  std::vector<Receipt> Receipts() { return ReadAll<Receipt>(bus::Topic::kReceipts); }
  std::vector<DeadLetter> DeadLetters() { return ReadAll<DeadLetter>(bus::Topic::kDeadLetter); }

  std::unique_ptr<http::Client> client_;
};

TEST_F(IngestTest, VerifiesASubscription) {
  Start(channel::Role::kIngest);
  const http::FetchResult good =
      Get("hub.mode=subscribe&hub.verify_token=verify&hub.challenge=1158201444");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, "1158201444");
  EXPECT_EQ(Get("hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1").status, 403);
  EXPECT_EQ(Get("hub.mode=subscribe&hub.verify_token=&hub.challenge=1").status, 403);
  EXPECT_EQ(Get("hub.mode=unsubscribe&hub.verify_token=verify&hub.challenge=1").status, 403);
  EXPECT_EQ(Get("hub.mode=subscribe&hub.verify_token=verify").status, 403);
}

TEST_F(IngestTest, AnswersWhenTheBusHasAcknowledgedEverythingAndNotBefore) {
  wissel::testing::UnacknowledgedBus holding(*bus_);
  settings_.role = channel::Role::kIngest;
  app_ = WhatsappApp::New(holding, std::nullopt, settings_, Context()).value();
  const absl::Cleanup stop = [this] { app_.reset(); };
  AwaitReady();
  const auto post = [this](std::atomic<int>* status) {
    const std::string body = ReadFile("batch");  // Three messages, a status and a dead letter.
    return std::jthread([this, body, status] { *status = PostSigned(body); });
  };
  // Counted as the last acknowledgement comes, before the answer goes.
  constexpr absl::string_view kAccepted =
      "wissel_whatsapp_webhooks_total{outcome=\"accepted\"} 1\n";
  std::atomic<int> status = 0;
  std::jthread webhook = post(&status);
  ASSERT_TRUE(holding.WaitForHeld(5));
  EXPECT_THAT(Messages(), SizeIs(3)) << "the broker has them, and has not said so";
  for (int left = 5; left > 0; --left) {
    EXPECT_THAT(metrics_.Expose(), Not(HasSubstr(kAccepted))) << left << " are not acknowledged";
    holding.Release();
  }
  webhook.join();
  EXPECT_EQ(status, 200);
  EXPECT_THAT(metrics_.Expose(), HasSubstr(kAccepted));

  std::atomic<int> second = 0;
  webhook = post(&second);
  ASSERT_TRUE(holding.WaitForHeld(5));
  for (int i = 0; i < 4; ++i) holding.Release();
  holding.Release(absl::UnavailableError("not acknowledged in time"));
  webhook.join();
  EXPECT_EQ(second, 503) << "one of five is not known to be durable";
}

TEST_F(IngestTest, DropsWhatIsUnsignedOrForged) {
  Start(channel::Role::kIngest);
  const std::string body = ReadFile("text");
  EXPECT_EQ(Post(body, "").status, 401);
  EXPECT_EQ(Post(body, "sha256=").status, 401);
  EXPECT_EQ(Post(body, Sign("not the secret", body)).status, 401);
  EXPECT_EQ(Post(body, Sign("secret", body + " ")).status, 401) << "changed on the way";
  EXPECT_EQ(Post(body, Sign("secret", body).substr(7)).status, 401) << "without sha256=";
  EXPECT_THAT(Messages(), IsEmpty());
  EXPECT_THAT(DeadLetters(), IsEmpty());
}

TEST_F(IngestTest, TakesTheFormerSecretWhileItIsChanged) {
  settings_.accounts[0].app_secret = config::Secret("new", "test");
  settings_.accounts[0].previous_app_secret = config::Secret("secret", "test");
  Start(channel::Role::kIngest);
  const std::string body = ReadFile("text");
  EXPECT_EQ(Post(body, Sign("secret", body)).status, 200);
  EXPECT_EQ(Post(body, Sign("new", body)).status, 200);
  EXPECT_THAT(Messages(), SizeIs(2));
}

TEST_F(IngestTest, AnAppSpeaksForItsOwnNumbersOnly) {
  settings_.accounts[1].app_secret = config::Secret("other app", "test");
  Start(channel::Role::kIngest);
  const std::string body = ReadFile("text");  // For wa-nl.
  EXPECT_EQ(Post(body, Sign("other app", body)).status, 200);
  EXPECT_THAT(Messages(), IsEmpty());
  const std::vector<DeadLetter> letters = DeadLetters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_EQ(letters[0].reason(), deadletter::v1::REASON_UNKNOWN_ACCOUNT);
}

TEST_F(IngestTest, TakesABatchApart) {
  Start(channel::Role::kIngest);
  EXPECT_EQ(PostSigned(ReadFile("batch")), 200);
  std::set<std::string> groups;
  for (const InboundMessage& message : Messages()) {
    groups.insert(message.envelope().routing_group_id());
  }
  EXPECT_THAT(Messages(), SizeIs(3));
  EXPECT_THAT(groups, UnorderedElementsAre("nl", "be"));
  EXPECT_THAT(Receipts(), SizeIs(1));
  ASSERT_THAT(DeadLetters(), SizeIs(1));
  EXPECT_THAT(DeadLetters()[0].raw(), HasSubstr("verdwaald"));
}

TEST_F(IngestTest, RepeatsOnSeveralConnectionsHaveOneId) {
  Start(channel::Role::kIngest);
  const std::string body = ReadFile("text");
  std::vector<std::jthread> pods;
  for (int i = 0; i < 4; ++i) {
    pods.emplace_back([&] {
      for (int j = 0; j < 5; ++j) EXPECT_EQ(PostSigned(body), 200);
    });
  }
  pods.clear();
  std::set<std::string> ids;
  for (const InboundMessage& message : Messages()) ids.insert(message.envelope().id());
  EXPECT_THAT(Messages(), SizeIs(20));
  EXPECT_THAT(ids, SizeIs(1));
}

TEST_F(IngestTest, SignedNonsenseIsKeptAndNotRepeatedForEver) {
  Start(channel::Role::kIngest);
  for (const char* name : {"not_json", "truncated", "deep", "array", "surrogate", "other_field"}) {
    EXPECT_EQ(PostSigned(ReadFile(name)), 200) << name;
  }
  EXPECT_THAT(DeadLetters(), SizeIs(6));
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(IngestTest, RefusesWhatIsTooLarge) {
  Start(channel::Role::kIngest);
  EXPECT_EQ(PostSigned(std::string(settings_.webhook.max_body_bytes + 1, ' ')), 413);
  EXPECT_EQ(Get(std::string(20'000, 'x')).status, 431);
  const std::string page = metrics_.Expose();
  EXPECT_THAT(page, HasSubstr("wissel_whatsapp_requests_refused_total{status=\"413\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("wissel_whatsapp_requests_refused_total{status=\"431\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("wissel_whatsapp_requests_refused_total{status=\"503\"} 0\n"));
}

TEST_F(IngestTest, KeepsTheBoundsThatItsConfigurationGives) {
  settings_.webhook.max_header_bytes = 2 << 10;
  settings_.publish.max_in_flight_bytes = 1;
  Start(channel::Role::kIngest);
  EXPECT_EQ(Get(std::string(3'000, 'x')).status, 431);
  EXPECT_EQ(Get(std::string(1'000, 'x')).status, 403);
  EXPECT_EQ(PostSigned(ReadFile("text")), 503);
  EXPECT_THAT(Messages(), IsEmpty());
}

TEST_F(IngestTest, FetchesMediaIntoTheBlobStore) {
  Start(channel::Role::kIngest);
  const std::string id = graph_->AddMedia("bytes of a picture", "image/jpeg");
  EXPECT_EQ(PostSigned(MediaWebhook("image", id, "image/jpeg")), 200);
  const std::vector<InboundMessage> messages = Messages();
  ASSERT_THAT(messages, SizeIs(1));
  const message::v1::Media& media = messages[0].contents(0).media();
  EXPECT_EQ(media.unavailable_reason(), "");
  EXPECT_EQ(media.blob().blob_id(), Sha256Hex("bytes of a picture"));
  EXPECT_EQ(media.blob().size_bytes(), 18);
  EXPECT_EQ(media.blob().content_type(), "image/jpeg");
  auto blobs = channel::NewFolderBlobStore({.folder = settings_.blobs.folder}).value();
  EXPECT_EQ(blobs->Get(media.blob().blob_id()).value(), "bytes of a picture");
}

TEST_F(IngestTest, MediaThatCannotBeHadDoesNotHoldTheMessageBack) {
  Start(channel::Role::kIngest);
  const std::string large = graph_->AddMedia(std::string(1001, 'x'), "image/jpeg");
  const std::string program = graph_->AddMedia("MZ", "application/x-msdownload");
  EXPECT_EQ(PostSigned(MediaWebhook("image", large, "image/jpeg")), 200);
  EXPECT_EQ(PostSigned(MediaWebhook("document", program, "application/x-msdownload")), 200);
  EXPECT_EQ(PostSigned(MediaWebhook("image", "999", "image/jpeg")), 200);
  std::vector<std::string> reasons;
  for (const InboundMessage& message : Messages()) {
    EXPECT_FALSE(message.contents(0).media().has_blob());
    reasons.push_back(message.contents(0).media().unavailable_reason());
  }
  EXPECT_THAT(reasons, UnorderedElementsAre(HasSubstr("larger than the limit"),
                                            HasSubstr("application/x-msdownload is not taken"),
                                            HasSubstr("refused by the provider: 100")));
}

TEST_F(IngestTest, MediaWithARefusedTokenIsMarkedSo) {
  settings_.accounts[0].access_token = config::Secret("expired", "test");
  Start(channel::Role::kIngest);
  const std::string id = graph_->AddMedia("x", "image/jpeg");
  EXPECT_EQ(PostSigned(MediaWebhook("image", id, "image/jpeg")), 200);
  ASSERT_THAT(Messages(), SizeIs(1));
  EXPECT_THAT(Messages()[0].contents(0).media().unavailable_reason(), HasSubstr("190"));
}

TEST_F(IngestTest, MediaOfAProviderThatIsAwayIsMarkedSo) {
  settings_.graph.base_url = "http://127.0.0.1:1";  // Nobody listens there.
  settings_.graph.media_timeout = absl::Milliseconds(300);
  Start(channel::Role::kIngest);
  EXPECT_EQ(PostSigned(MediaWebhook("image", "1", "image/jpeg")), 200);
  ASSERT_THAT(Messages(), SizeIs(1));
  EXPECT_FALSE(Messages()[0].contents(0).media().has_blob());
  EXPECT_THAT(Messages()[0].contents(0).media().unavailable_reason(), Not(IsEmpty()));
}

TEST_F(IngestTest, MediaThatComesTooLateIsMarkedSo) {
  settings_.graph.media_timeout = absl::Milliseconds(300);
  Start(channel::Role::kIngest);
  const std::string id = graph_->AddMedia("bytes of a picture", "image/jpeg");
  graph_->HoldMedia();
  EXPECT_EQ(PostSigned(MediaWebhook("image", id, "image/jpeg")), 200);
  ASSERT_THAT(Messages(), SizeIs(1));
  EXPECT_FALSE(Messages()[0].contents(0).media().has_blob());
  EXPECT_THAT(Messages()[0].contents(0).media().unavailable_reason(), Not(IsEmpty()));
  graph_->ReleaseMedia();
}

// A store whose disk is full: some of a download may fit before that is seen.
class FullBlobs : public channel::BlobStore {
 public:
  enum class Fits { kDownload, kNothing };
  FullBlobs(std::string folder, Fits fits) : folder_(std::move(folder)), fits_(fits) {}

  absl::StatusOr<message::v1::BlobRef> Put(absl::string_view, const channel::BlobInfo&) override {
    return absl::ResourceExhaustedError("blob store: no space left");
  }
  absl::StatusOr<message::v1::BlobRef> PutFile(const std::string& path,
                                               const channel::BlobInfo& info) override {
    unlink(path.c_str());
    return Put("", info);
  }
  std::string NewTempPath() override {
    const std::string path = absl::StrCat(folder_, "/", ++paths_);
    if (fits_ == Fits::kNothing) EXPECT_EQ(symlink("/dev/full", path.c_str()), 0);
    return path;
  }
  absl::StatusOr<std::string> PathOf(absl::string_view) override { return Get(""); }
  absl::StatusOr<std::string> Get(absl::string_view) override {
    return absl::NotFoundError("nothing was stored");
  }
  int64_t max_blob_bytes() const override { return 1 << 20; }

 private:
  const std::string folder_;
  const Fits fits_;
  int paths_ = 0;
};

TEST_F(IngestTest, WhereTheBlobStoreIsFullTheMessageArrivesWithItsMediumMarkedSo) {
  const Accounts accounts(settings_.accounts);
  Graph graph(settings_.graph, client_.get());
  Metrics metrics(metrics_);
  const std::string id = graph_->AddMedia("bytes of a picture", "image/jpeg");
  const auto fetch = [&](channel::BlobStore& blobs, std::string raw) {
    Normalised webhook =
        Normalise(MediaWebhook("image", id, "image/jpeg"),
                  [&](absl::string_view number) { return &accounts.ByNumber(number)->ref; });
    webhook.messages[0].raw = std::move(raw);
    absl::StatusOr<InboundMessage> got;
    Notification done;
    MediaFetcher fetcher(&graph, &blobs, &metrics);
    fetcher.Fetch(*accounts.ByNumber("1060001"), std::move(webhook.messages[0]),
                  [&](absl::StatusOr<InboundMessage> message) {
                    got = std::move(message);
                    done.Notify();
                  });
    done.Wait();
    return got;
  };
  const std::pair<FullBlobs::Fits, std::string> cases[] = {
      {FullBlobs::Fits::kDownload, "no space left"}, {FullBlobs::Fits::kNothing, "No space left"}};
  for (const auto& [fits, reason] : cases) {
    const wissel::testing::TempDir folder;
    FullBlobs blobs(folder.Join(""), fits);
    const absl::StatusOr<InboundMessage> message = fetch(blobs, "");
    ASSERT_THAT(message, IsOk());
    EXPECT_EQ(message->provider_message_id(), "wamid.M" + id);
    EXPECT_FALSE(message->contents(0).media().has_blob());
    EXPECT_THAT(message->contents(0).media().unavailable_reason(), HasSubstr(reason));
    EXPECT_TRUE(std::filesystem::is_empty(folder.Join(""))) << "nothing is left behind";
    // What has no other place than the store: the provider has to send it again.
    EXPECT_THAT(fetch(blobs, "{}"), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_THAT(metrics_.Expose(),
              HasSubstr("wissel_whatsapp_media_total{outcome=\"unavailable\"} 4\n"));
}

// A blob store that is at one thing until it is let go.
class HangingBlobs final : public FullBlobs {
 public:
  explicit HangingBlobs(std::string folder) : FullBlobs(std::move(folder), Fits::kDownload) {}

  absl::StatusOr<message::v1::BlobRef> Put(absl::string_view bytes,
                                           const channel::BlobInfo& info) override {
    let_go_.Wait();
    return FullBlobs::Put(bytes, info);
  }
  void LetGo() { let_go_.Notify(); }

 private:
  Notification let_go_;
};

TEST_F(IngestTest, AMediumThatFindsTheQueueFullLeavesNoFileBehind) {
  const Accounts accounts(settings_.accounts);
  Graph graph(settings_.graph, client_.get());
  Metrics metrics(metrics_);
  const wissel::testing::TempDir folder;
  HangingBlobs blobs(folder.Join(""));
  std::atomic<bool> full = false;
  MediaFetcher fetcher(&graph, &blobs, &metrics);
  for (int i = 0; i < 20'000 && !full; ++i) {
    NormalisedMessage message;
    message.raw = "{}";
    fetcher.Fetch(*accounts.ByNumber("1060001"), std::move(message),
                  [&](const absl::StatusOr<InboundMessage>&) { full = true; });
  }
  ASSERT_TRUE(full);
  const std::string id = graph_->AddMedia("bytes of a picture", "image/jpeg");
  Normalised webhook =
      Normalise(MediaWebhook("image", id, "image/jpeg"),
                [&](absl::string_view number) { return &accounts.ByNumber(number)->ref; });
  Notification done;
  fetcher.Fetch(*accounts.ByNumber("1060001"), std::move(webhook.messages[0]),
                [&](const absl::StatusOr<InboundMessage>&) { done.Notify(); });
  done.Wait();
  EXPECT_TRUE(std::filesystem::is_empty(folder.Join("")));
  blobs.LetGo();
}

TEST_F(IngestTest, WhatIsTooLongForTheLogIsKeptBeside) {
  Start(channel::Role::kIngest);
  settings_.webhook.max_body_bytes = 1 << 20;
  app_.reset();
  Start(channel::Role::kIngest);
  const std::string body = absl::StrCat(
      R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{)"
      R"("metadata":{"phone_number_id":"1060001"},"messages":[{"from":"1","id":"w","type":"new","new":")",
      std::string(100'000, 'x'), R"("}]}}]}]})");
  EXPECT_EQ(PostSigned(body), 200);
  ASSERT_THAT(Messages(), SizeIs(1));
  auto blobs = channel::NewFolderBlobStore({.folder = settings_.blobs.folder}).value();
  EXPECT_THAT(blobs->Get(Messages()[0].raw().blob_id()).value(), SizeIs(::testing::Gt(100'000u)));
}

TEST_F(IngestTest, AsksMetaToComeBackWhileTheBusIsAway) {
  wissel::testing::AwayBus away(bus_.get());
  settings_.role = channel::Role::kIngest;
  app_ = WhatsappApp::New(away, std::nullopt, settings_, Context()).value();
  const std::string body = ReadFile("text");
  const http::FetchResult result = Post(body, Sign("secret", body));
  EXPECT_EQ(result.status, 503);
  EXPECT_GT(result.RetryAfter(absl::Now()), absl::ZeroDuration());
  EXPECT_EQ(Post(body, "").status, 401) << "who it is comes first";
  app_.reset();  // Before the bus that it stands on.
}

TEST_F(IngestTest, EverythingACustomerWritesArrivesThroughRepeatsAndDisorder) {
  Start(channel::Role::kIngest);
  graph_->SetManners({.repeat = 0.3, .max_delay = absl::Milliseconds(100)});
  std::set<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.insert(graph_->CustomerWrites(i % 2 == 0 ? "1060001" : "1060002",
                                       absl::StrCat("3161000000", i % 5), absl::StrCat("hi ", i)));
  }
  ASSERT_TRUE(graph_->WaitForWebhooks(absl::Seconds(20)));
  std::set<std::string> arrived;
  for (const InboundMessage& message : Messages()) arrived.insert(message.provider_message_id());
  EXPECT_EQ(arrived, sent);
}

TEST_F(IngestTest, TheCanaryIsRefusedWithoutItsEnvironment) {
  unsetenv("WISSEL_CHAOS_CANARY");
  settings_.webhook.chaos_ack_before_publish = true;
  EXPECT_THAT(WhatsappApp::New(*bus_, std::nullopt, settings_, Context()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("WISSEL_CHAOS_CANARY")));
  setenv("WISSEL_CHAOS_CANARY", "1", 1);
  wissel::testing::AwayBus away(bus_.get());
  settings_.role = channel::Role::kIngest;
  app_ = WhatsappApp::New(away, std::nullopt, settings_, Context()).value();
  const Timeout limit(absl::Seconds(5));
  int status = 0;
  while (status != 200 && !limit.Expired()) status = PostSigned(ReadFile("text"));
  EXPECT_EQ(status, 200) << "this is what the canary is for: acknowledged, and lost";
  app_.reset();
  unsetenv("WISSEL_CHAOS_CANARY");
}

TEST_F(IngestTest, RefusesLimitsThatContradictEachOther) {
  settings_.blobs.max_blob_bytes = settings_.webhook.max_body_bytes - 1;
  EXPECT_THAT(WhatsappApp::New(*bus_, std::nullopt, settings_, Context()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_blob_bytes")));
  settings_.blobs.max_blob_bytes = settings_.webhook.max_body_bytes;
  settings_.delivery.policy.call_timeout = settings_.graph.call_timeout;
  EXPECT_THAT(WhatsappApp::New(*bus_, std::nullopt, settings_, Context()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("call_timeout")));
}

TEST_F(IngestTest, WhatACustomerWritesStaysInOrderThoughAMediaIsSlow) {
  Start(channel::Role::kIngest);
  const std::string media = graph_->AddMedia("bytes", "image/png");
  const auto message = [](const std::string& from, const std::string& id,
                          const std::string& content) {
    return absl::StrCat(R"({"from":")", from, R"(","id":")", id, R"(",)", content, "}");
  };
  const auto webhook = [](const std::string& messages) {
    return absl::StrCat(
        R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages",)",
        R"("value":{"metadata":{"phone_number_id":"1060001"},"messages":[)", messages, "]}}]}]}");
  };
  const std::string text = R"("type":"text","text":{"body":"x"})";
  graph_->HoldMedia();
  std::jthread one([&] {
    EXPECT_EQ(PostSigned(webhook(absl::StrCat(
                  message("31611111111", "photo",
                          absl::StrCat(R"("type":"image","image":{"id":")", media, R"("})")),
                  ",", message("31611111111", "text", text)))),
              200);
  });
  const auto found = [this](int messages) {
    const Timeout limit(absl::Seconds(20));
    const std::string line = absl::StrCat("wissel_whatsapp_messages_total ", messages, "\n");
    while (metrics_.Expose().find(line) == std::string::npos && !limit.Expired()) {
      absl::SleepFor(absl::Milliseconds(2));
    }
    return !limit.Expired();
  };
  ASSERT_TRUE(found(2));
  std::jthread two(
      [&] { EXPECT_EQ(PostSigned(webhook(message("31611111111", "later", text))), 200); });
  ASSERT_TRUE(found(3));
  // Another customer's need not wait.
  EXPECT_EQ(PostSigned(webhook(message("31622222222", "other", text))), 200);
  graph_->ReleaseMedia();
  one.join();
  two.join();
  std::vector<std::string> ids;
  for (const InboundMessage& m : Messages()) ids.push_back(m.provider_message_id());
  EXPECT_THAT(ids, ElementsAre("other", "photo", "text", "later"));
}

TEST_F(IngestTest, RefusesAccountsThatContradictEachOther) {
  settings_.accounts[1].phone_number_id = settings_.accounts[0].phone_number_id;
  EXPECT_THAT(WhatsappApp::New(*bus_, std::nullopt, settings_, Context()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("phone_number_id")));
}

// Every message of such an account would be refused later, after its webhook has got its 200.
TEST_F(IngestTest, RefusesAccountsOutOfTheContractsBounds) {
  const auto refusal = [this](auto change) {
    WhatsappSettings settings = settings_;
    change(settings.accounts[1]);
    return WhatsappApp::New(*bus_, std::nullopt, settings, Context()).status();
  };
  EXPECT_THAT(refusal([](AccountSettings& a) { a.workspace_id = "Web_Shop"; }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workspace_id")));
  EXPECT_THAT(refusal([](AccountSettings& a) { a.routing_group_id = std::string(65, 'a'); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("routing_group_id")));
  EXPECT_THAT(refusal([](AccountSettings& a) { a.account_id = std::string(129, 'a'); }),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("account_id")));
}

TEST_F(IngestTest, AMessageRefusedForItsBoundsIsLoggedAndCounted) {
  Start(channel::Role::kIngest);
  std::string body = MediaWebhook("text", "1", "");
  body.replace(body.find("wamid.M"), 7, std::string(999, 'w'));
  EXPECT_EQ(PostSigned(body), 200);
  const std::vector<DeadLetter> letters = DeadLetters();
  ASSERT_THAT(letters, SizeIs(1));
  EXPECT_THAT(letters[0].detail(), HasSubstr("provider_message_id"));
  EXPECT_THAT(metrics_.Expose(),
              HasSubstr("wissel_whatsapp_dead_letters_total{reason=\"invalid\"} 1"));
  EXPECT_THAT(lines(), Contains(AllOf(HasSubstr("dead letter"), HasSubstr("provider_message_id"))));
}

}  // namespace
}  // namespace wissel::whatsapp
