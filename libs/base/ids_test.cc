#include "libs/base/ids.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "absl/container/flat_hash_set.h"
#include "libs/base/uuid.h"

namespace wissel {
namespace {

// The DNS namespace of RFC 9562, appendix A.
Uuid Dns() { return *Uuid::Parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"); }

TEST(Uuid, Version5MatchesTheExampleOfRfc9562) {
  EXPECT_EQ(UuidV5OfName(Dns(), "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

TEST(Uuid, PartsAreJoinedUnambiguously) {
  EXPECT_NE(UuidV5(Dns(), {"a", "bc"}), UuidV5(Dns(), {"ab", "c"}));
  EXPECT_NE(UuidV5(Dns(), {"a", ""}), UuidV5(Dns(), {"a"}));
  // The joined name, written out, is what another language must hash.
  EXPECT_EQ(UuidV5(Dns(), {"a", "bc"}),
            UuidV5OfName(Dns(), absl::string_view("\0\0\0\1a\0\0\0\2bc", 11)));
}

TEST(Uuid, ParseAcceptsOnlyTheCanonicalForm) {
  EXPECT_EQ(Uuid::Parse("6BA7B810-9DAD-11D1-80B4-00C04FD430C8")->ToString(),
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  for (const char* text :
       {"", "6ba7b8109dad11d180b400c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c",
        "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "6ba7b8109-dad-11d1-80b4-00c04fd430c8",
        "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}"}) {
    EXPECT_FALSE(Uuid::Parse(text).ok()) << text;
  }
}

TEST(Uuid, RandomOnesAreVersion4AndDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string text = RandomUuid();
    EXPECT_EQ(text[14], '4');
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos);
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(DerivedIds, AreStableAndSeparateByEveryPart) {
  const WorkspaceId shop("shop");
  const ChannelAccountId account("wa-1");
  // Pinned: ids in existing logs depend on it.
  EXPECT_EQ(DeriveMessageId(shop, account, "wamid.1").value(),
            "a51ed801-3b0b-5786-ac36-9a58348c5c1c");
  EXPECT_EQ(DeriveMessageId(shop, account, "wamid.1"), DeriveMessageId(shop, account, "wamid.1"));
  EXPECT_NE(DeriveMessageId(shop, account, "wamid.1"), DeriveMessageId(shop, account, "wamid.2"));
  EXPECT_NE(DeriveMessageId(shop, account, "x"),
            DeriveMessageId(shop, ChannelAccountId("wa-2"), "x"));
  EXPECT_NE(DeriveMessageId(shop, account, "x"), DeriveMessageId(WorkspaceId("b"), account, "x"));
  EXPECT_NE(DeriveContactId(shop, "email", "a@example.com").value(),
            DeriveContactId(shop, "whatsapp", "a@example.com").value());
  EXPECT_NE(DeriveContactId(shop, "wa-1", "x").value(),
            DeriveMessageId(shop, account, "x").value());
}

TEST(StrongId, IsOrderedHashedAndPrintedByItsValue) {
  const AgentId a("a"), b("b");
  EXPECT_LT(a, b);
  EXPECT_NE(a, b);
  EXPECT_TRUE(AgentId().empty());
  const absl::flat_hash_set<AgentId> set = {a, b, AgentId("a")};
  EXPECT_EQ(set.size(), 2u);
  std::ostringstream out;
  out << a;
  EXPECT_EQ(out.str(), "a");
  static_assert(!std::is_convertible_v<std::string, AgentId>);
  static_assert(!std::is_constructible_v<AgentId, QueueId>);
}

}  // namespace
}  // namespace wissel
