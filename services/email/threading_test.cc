#include "services/email/threading.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"

namespace wissel::email {
namespace {

const OutboundId kOutbound("0e0e1b8a-2f7e-5c1d-9a53-0123456789ab");
const ConversationId kConversation("5d3f6c7a-8b9c-5d0e-8f1a-fedcba987654");
constexpr char kAddress[] = "support@shop.example";

ThreadSigner Signer(std::vector<std::string> keys = {"a key of 16 bytes"},
                    const char* workspace = "shop") {
  return *ThreadSigner::Create(WorkspaceId(workspace), std::move(keys));
}

TEST(ThreadSigner, ReadsBackWhatItWrote) {
  const ThreadSigner signer = Signer();
  const std::string id = *signer.MessageId(kOutbound, kConversation, "shop.example");
  EXPECT_EQ(id, *signer.MessageId(kOutbound, kConversation, "shop.example"));
  EXPECT_LE(id.size(), 140u);
  const OwnMessageId own{kOutbound, kConversation};
  EXPECT_EQ(signer.CheckMessageId(id), own);
  EXPECT_EQ(signer.CheckMessageId("<" + id + ">"), own);

  const std::string address = *signer.PlusAddress(kAddress, kConversation);
  EXPECT_LE(address.find('@'), 64u);
  EXPECT_EQ(signer.CheckAddress(kAddress, address), kConversation);
  EXPECT_EQ(signer.CheckAddress(kAddress, absl::AsciiStrToUpper(address)), kConversation);
}

TEST(ThreadSigner, RefusesEveryChangedCharacter) {
  const ThreadSigner signer = Signer();
  const std::string id = *signer.MessageId(kOutbound, kConversation, "shop.example");
  for (size_t i = 0; i < id.find('@'); ++i) {
    std::string forged = id;
    forged[i] = forged[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(signer.CheckMessageId(forged).has_value()) << forged;
    EXPECT_FALSE(signer.CheckMessageId(id.substr(0, i)).has_value());
  }
  const std::string address = *signer.PlusAddress(kAddress, kConversation);
  for (size_t i = 0; i < address.size(); ++i) {
    std::string forged = address;
    forged[i] = forged[i] == 'a' ? 'b' : 'a';
    EXPECT_FALSE(signer.CheckAddress(kAddress, forged).has_value()) << forged;
  }
  EXPECT_FALSE(signer.CheckMessageId("").has_value());
  EXPECT_FALSE(signer.CheckMessageId("@").has_value());
  EXPECT_FALSE(signer.CheckMessageId("a.b.c@d").has_value());
  EXPECT_FALSE(signer.CheckAddress(kAddress, kAddress).has_value());
  EXPECT_FALSE(signer.CheckAddress(kAddress, "").has_value());
}

TEST(ThreadSigner, AnotherWorkspacesIdsAreNotOurs) {
  const std::string id =
      *Signer({"a key of 16 bytes"}, "other").MessageId(kOutbound, kConversation, "shop.example");
  EXPECT_FALSE(Signer().CheckMessageId(id).has_value());
}

TEST(ThreadSigner, AcceptsTheOldKeyWhileItIsListed) {
  const std::string old =
      *Signer({"the old key, 16+"}).MessageId(kOutbound, kConversation, "d.example");
  const ThreadSigner rotated = Signer({"the new key, 16+", "the old key, 16+"});
  EXPECT_TRUE(rotated.CheckMessageId(old).has_value());
  EXPECT_NE(*rotated.MessageId(kOutbound, kConversation, "d.example"), old);
  EXPECT_FALSE(Signer({"the new key, 16+"}).CheckMessageId(old).has_value());
}

TEST(ThreadSigner, RefusesWhatItCannotWrite) {
  EXPECT_FALSE(ThreadSigner::Create(WorkspaceId("shop"), {}).ok());
  EXPECT_FALSE(ThreadSigner::Create(WorkspaceId("shop"), {"short"}).ok());
  const ThreadSigner signer = Signer();
  EXPECT_FALSE(signer.MessageId(OutboundId("a.b"), kConversation, "d").ok());
  EXPECT_FALSE(signer.MessageId(kOutbound, ConversationId("a>\r\nBcc: x"), "d").ok());
  EXPECT_FALSE(signer.MessageId(kOutbound, kConversation, "d>").ok());
  EXPECT_FALSE(signer.PlusAddress(kAddress, ConversationId("not-a-uuid")).ok());
  EXPECT_FALSE(
      signer.PlusAddress("an-address-with-a-long-local-part@shop.example", kConversation).ok());
}

}  // namespace
}  // namespace wissel::email
