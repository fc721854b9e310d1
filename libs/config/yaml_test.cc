#include "libs/config/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace wissel::config {
namespace {

using ::testing::HasSubstr;

TEST(Yaml, KeepsTextAndPlaces) {
  const absl::StatusOr<YamlNode> root =
      ParseYaml("a: 007\nb:\n  - yes\n  - ~\nc: {d: 'x'}\na: 2\n");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->kind, YamlNode::Kind::kMap);
  ASSERT_EQ(root->keys.size(), 4u);
  EXPECT_EQ(root->keys[0].name, "a");
  EXPECT_EQ(root->items[0].scalar, "007");
  EXPECT_EQ(root->items[1].items[0].scalar, "yes");
  EXPECT_EQ(root->items[1].items[0].line, 3);
  EXPECT_EQ(root->items[1].items[1].kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root->items[2].items[0].scalar, "x");
  EXPECT_EQ(root->keys[3].name, "a");
  EXPECT_EQ(root->keys[3].line, 6);
}

TEST(Yaml, TellsWhatStoodInQuotes) {
  const absl::StatusOr<YamlNode> root = ParseYaml("[1, '1', \"1\"]\n");
  ASSERT_TRUE(root.ok()) << root.status();
  EXPECT_FALSE(root->items[0].quoted);
  EXPECT_TRUE(root->items[1].quoted);
  EXPECT_TRUE(root->items[2].quoted);
}

TEST(Yaml, PrintableIsOneShortLine) {
  EXPECT_EQ(Printable("a \"b\"\n\x01"), "a \\\"b\\\"\\n\\u0001");
  EXPECT_EQ(Printable(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(Printable(std::string(81, 'x')), std::string(80, 'x') + "...");
}

TEST(Yaml, NothingIsNull) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n"}) {
    const absl::StatusOr<YamlNode> root = ParseYaml(text);
    ASSERT_TRUE(root.ok()) << text;
    EXPECT_EQ(root->kind, YamlNode::Kind::kNull) << text;
  }
}

struct Refusal {
  std::string text;
  std::string error;
};

TEST(Yaml, RefusesWhatConfigurationHasNoUseFor) {
  const std::string deep = absl::StrCat(std::string(100, '['), std::string(100, ']'));
  std::string bomb = "a: &a [x]\n";
  for (char c = 'b'; c < 'm'; ++c) {
    const std::string before(1, static_cast<char>(c - 1));
    absl::StrAppend(&bomb, std::string(1, c), ": &", std::string(1, c), " [*", before, ",*", before,
                    "]\n");
  }
  for (const Refusal& refusal : std::vector<Refusal>{
           {"x: 1\ny: *x\n", "line 2: "},
           {"x: &a 1\n", "line 1: anchors are not supported"},
           {bomb, "anchors are not supported"},
           {"x: !!int 1\n", "line 1: tags are not supported"},
           {"x: !foo {}\n", "line 1: tags are not supported"},
           {"a: 1\n---\nb: 1\n", "a second document; expected one"},
           {"a: 1\n? [b]\n: 2\n", "line 2: a key that is not text"},
           {"~: 2\n", "line 1: a key without text"},
           {deep, "line 1: nested too deeply"},
           {"a: [1\n", "not YAML"},
           {"a: 1\n b: 2\n", "line 2: not YAML"},
           {"a: \"b", "not YAML"},
           {"a: \"b\n", "not YAML"},
           {"a: 'b\n", "not YAML"},
           {"a: \"\n", "not YAML"},
           {"a: [\"b\n", "not YAML"},
           {std::string("a: \0", 4), "expected UTF-8"},
           {"a: \xff\n", "expected UTF-8"},
           {std::string(kMaxYamlBytes + 1, ' '), "expected at most"},
       }) {
    const absl::StatusOr<YamlNode> root = ParseYaml(refusal.text);
    ASSERT_FALSE(root.ok()) << refusal.text.substr(0, 100);
    EXPECT_EQ(root.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(root.status().message()), HasSubstr(refusal.error));
  }
}

}  // namespace
}  // namespace wissel::config
