#include "libs/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace wissel::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

enum class Role { kIngest, kDeliver };

struct Account {
  std::string number;
  int64_t per_second = 80;
  void Describe(Binder& b) {
    b.Text("number", &number, "Phone number id.", {.required = true});
    b.Int("per_second", &per_second, "Sends a second.", {.min = 1, .max = 1000});
  }
};

struct Tls {
  std::string certificate;
  void Describe(Binder& b) { b.Text("certificate", &certificate, "PEM file.", {.required = true}); }
};

struct Kafka {
  std::string brokers;
  absl::Duration linger = absl::Milliseconds(1);
  int64_t max_record = 1 << 20;
  void Describe(Binder& b) {
    b.Text("brokers", &brokers, "Bootstrap servers.", {.required = true});
    b.Duration("linger", &linger, "How long an append waits for company.",
               {.max = absl::Seconds(1)});
    b.Bytes("max_record", &max_record, "Largest record.", {.min = 1024, .max = 8 << 20});
  }
};

struct Settings {
  Kafka kafka;
  Role role = Role::kIngest;
  bool strict = true;
  double share = 0.5;
  uint16_t port = 8080;
  std::vector<std::string> hosts = {"localhost"};
  Secret token;
  std::vector<Account> accounts;
  std::map<std::string, Account> named;
  std::optional<Tls> tls;
  int low = 1, high = 10;

  void Describe(Binder& b) {
    b.Group("kafka", &kafka, "The brokers.");
    b.Enum("role", &role, "What to do.", {{"ingest", Role::kIngest}, {"deliver", Role::kDeliver}});
    b.Bool("strict", &strict, "Whether to be strict.");
    b.Real("share", &share, "Share of commands.", {.min = 0, .max = 1});
    b.Int("port", &port, "Port.", {.min = 1});
    b.TextList("hosts", &hosts, "Hosts.", {.max_items = 3});
    b.SecretText("token", &token, "Access token.");
    b.List("accounts", &accounts, "Accounts.", {.max_items = 2});
    b.Map("named", &named, "Accounts by name.");
    b.OptionalGroup("tls", &tls, "Encryption.");
    b.Int("low", &low, "Low.");
    b.Int("high", &high, "High.");
    b.Require(low <= high, "low must not exceed high");
  }
};

class ConfigTest : public ::testing::Test {
 protected:
  Description description_ = [this](Binder& b) { settings_.Describe(b); };

  std::vector<std::string> Errors(absl::string_view yaml) {
    return Lines(LoadText(description_, yaml, "f.yaml"));
  }
  static std::vector<std::string> Lines(const absl::Status& status) {
    if (status.ok()) return {};
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return absl::StrSplit(status.message(), '\n');
  }

  std::string WriteFile(absl::string_view name, absl::string_view content) {
    const std::string path = absl::StrCat(::testing::TempDir(), "/wissel_config_test_", name);
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  Settings settings_;
};

TEST_F(ConfigTest, LoadsEveryType) {
  setenv("WISSEL_CONFIG_TEST_TOKEN", "s3cret", 1);
  EXPECT_THAT(Errors(R"(
kafka:
  brokers: k1:9092,k2:9092
  linger: 5ms
  max_record: 2MiB
role: deliver
strict: false
share: 1e-1
port: 443
hosts: [a, 'b']
token: {env: WISSEL_CONFIG_TEST_TOKEN}
accounts:
  - {number: 0123}
  - number: "2"
    per_second: 5
named:
  shop: {number: 3}
tls: {certificate: /c.pem}
)"),
              IsEmpty());
  EXPECT_EQ(settings_.kafka.brokers, "k1:9092,k2:9092");
  EXPECT_EQ(settings_.kafka.linger, absl::Milliseconds(5));
  EXPECT_EQ(settings_.kafka.max_record, 2 << 20);
  EXPECT_EQ(settings_.role, Role::kDeliver);
  EXPECT_FALSE(settings_.strict);
  EXPECT_EQ(settings_.share, 0.1);
  EXPECT_EQ(settings_.port, 443);
  EXPECT_THAT(settings_.hosts, ElementsAre("a", "b"));
  EXPECT_EQ(settings_.token.value(), "s3cret");
  ASSERT_EQ(settings_.accounts.size(), 2u);
  EXPECT_EQ(settings_.accounts[0].number, "0123");
  EXPECT_EQ(settings_.accounts[0].per_second, 80);
  EXPECT_EQ(settings_.accounts[1].per_second, 5);
  EXPECT_EQ(settings_.named.at("shop").number, "3");
  EXPECT_EQ(settings_.tls->certificate, "/c.pem");
}

TEST_F(ConfigTest, KeepsDefaultsForWhatIsNotGiven) {
  EXPECT_THAT(Errors("kafka: {brokers: k}"), IsEmpty());
  EXPECT_EQ(settings_.port, 8080);
  EXPECT_THAT(settings_.hosts, ElementsAre("localhost"));
  EXPECT_TRUE(settings_.token.empty());
  EXPECT_FALSE(settings_.tls.has_value());
}

TEST_F(ConfigTest, ReportsEveryErrorWithItsPlace) {
  EXPECT_THAT(
      Errors("kafka:\n  linger: 5\n  max_record: 16MiB\n  brokerz: x\nrole: both\nstrict: "
             "yes\nshare: 2\n"
             "port: 70000\nhosts: [a, [b]]\ncolour: 1\nport: 1\n"),
      ElementsAre(
          "f.yaml:2: kafka.brokers: not set; expected text that is not empty",
          "f.yaml:2: kafka.linger: found \"5\"; expected a duration such as \"30s\", at most 1s",
          "f.yaml:3: kafka.max_record: found \"16MiB\"; expected a size such as \"16MiB\", from "
          "1KiB to 8MiB",
          "f.yaml:4: kafka.brokerz: unknown key; did you mean brokers?",
          "f.yaml:5: role: found \"both\"; expected one of ingest, deliver",
          "f.yaml:6: strict: found \"yes\"; expected true or false",
          "f.yaml:7: share: found \"2\"; expected a number, from 0 to 1",
          "f.yaml:11: port: given twice; expected once, first on line 8",
          "f.yaml:8: port: found \"70000\"; expected an integer, from 1 to 65535",
          "f.yaml:9: hosts[1]: found a list; expected text",
          "f.yaml:10: colour: unknown key; expected one of kafka, role, strict, share, port, "
          "hosts, "
          "token, "
          "accounts, named, tls, low, high"));
}

TEST_F(ConfigTest, ReportsErrorsInsideListsAndMaps) {
  EXPECT_THAT(
      Errors("kafka: {brokers: k}\naccounts:\n  - per_second: 0\n    number: 1\n  - {}\n"
             "named:\n  x: {number: 1, numbr: 2}\n  x: 3\n"),
      ElementsAre(
          "f.yaml:3: accounts[0].per_second: found \"0\"; expected an integer, from 1 to 1000",
          "f.yaml:5: accounts[1].number: not set; expected text that is not empty",
          "f.yaml:8: named.x: given twice; expected once, first on line 7",
          "f.yaml:7: named.x.numbr: unknown key; did you mean number?",
          "f.yaml:8: named.x: found \"3\"; expected a section"));
}

TEST_F(ConfigTest, BoundsTheNumberOfItems) {
  EXPECT_THAT(
      Errors("kafka: {brokers: k}\naccounts: [{number: 1}, {number: 2}, {number: 3}]\nhosts: "
             "[a,b,c,d]\n"),
      ElementsAre("f.yaml:3: hosts: found 4 items; expected a list of texts, at most 3",
                  "f.yaml:2: accounts: found 3 items; expected a list of sections, at most 2"));
}

TEST_F(ConfigTest, SectionsMustBeSections) {
  EXPECT_THAT(
      Errors("kafka: k\naccounts: {}\nnamed: []\n"),
      ElementsAre("f.yaml:1: kafka: found \"k\"; expected a section",
                  "f.yaml:2: accounts: found a section; expected a list of sections, at most 2",
                  "f.yaml:3: named: found a list; expected named sections, at most 1000"));
  EXPECT_THAT(Errors("[]"),
              ElementsAre(StartsWith("f.yaml:1: top: found a list; expected a section")));
}

TEST_F(ConfigTest, ReportsWhatIsNotYamlWithItsLine) {
  EXPECT_THAT(Errors("a: 1\n b: 2\n"), ElementsAre(StartsWith("f.yaml:2: not YAML: ")));
}

TEST_F(ConfigTest, ChecksWhatMustHoldBetweenSettings) {
  EXPECT_THAT(Errors("kafka: {brokers: k}\nlow: 20\n"),
              ElementsAre("f.yaml:1: low must not exceed high"));
}

TEST_F(ConfigTest, NumbersMustBeWhole) {
  for (const char* port :
       {"''", "' 1'", "1.0", "0x10", "1_000", "~", "1e3", "+", "99999999999999999999"}) {
    EXPECT_EQ(Errors(absl::StrCat("kafka: {brokers: k}\nport: ", port)).size(), 1u) << port;
  }
  for (const char* duration : {"5", "-1s", "inf", "1d", "s", "''", "'1s '"}) {
    EXPECT_EQ(Errors(absl::StrCat("kafka: {brokers: k, linger: ", duration, "}")).size(), 1u)
        << duration;
  }
  for (const char* size : {"-1KiB", "1kb", "1.5MiB", "MiB", "9999999999TiB", "1 MiB"}) {
    EXPECT_EQ(Errors(absl::StrCat("kafka: {brokers: k, max_record: ", size, "}")).size(), 1u)
        << size;
  }
  for (const char* share : {"nan", "inf", "''", "0,5"}) {
    EXPECT_EQ(Errors(absl::StrCat("kafka: {brokers: k}\nshare: '", share, "'")).size(), 1u)
        << share;
  }
}

TEST_F(ConfigTest, ASecretIsAReferenceAndIsNeverShown) {
  const std::string path = WriteFile("secret", "hunter2\n");
  EXPECT_THAT(Errors(absl::StrCat("kafka: {brokers: k}\ntoken: {file: ", path, "}")), IsEmpty());
  EXPECT_EQ(settings_.token.value(), "hunter2");
  EXPECT_EQ(settings_.token.Describe(), absl::StrCat("(from file ", path, ")"));
  EXPECT_THAT(Print(description_), HasSubstr(absl::StrCat("token: {file: \"", path, "\"}")));
  EXPECT_THAT(Print(description_), Not(HasSubstr("hunter2")));

  const std::vector<std::string> literal = Errors("kafka: {brokers: k}\ntoken: hunter2\n");
  EXPECT_THAT(literal,
              ElementsAre("f.yaml:2: token: found a literal; expected a reference to a secret, "
                          "{file: PATH} or {env: NAME}"));
  EXPECT_THAT(Errors("kafka: {brokers: k}\ntoken: {file: /none}\n"),
              ElementsAre("f.yaml:2: token: /none: cannot be read: No such file or directory"));
  EXPECT_THAT(Errors("kafka: {brokers: k}\ntoken: {env: WISSEL_NONE}\n"),
              ElementsAre("f.yaml:2: token: the environment has no WISSEL_NONE"));
  EXPECT_EQ(Errors("kafka: {brokers: k}\ntoken: {value: hunter2}\n").size(), 1u);
}

TEST_F(ConfigTest, EnvironmentAndAssignmentsWinOverTheFile) {
  const std::string path = WriteFile("layers", "kafka: {brokers: file, linger: 2ms}\nport: 1\n");
  const absl::Status loaded =
      Load(description_, {.file = path,
                          .environment = {{"WISSEL_X_KAFKA_BROKERS", "env"},
                                          {"WISSEL_X_PORT", "2"},
                                          {"WISSEL_X_HOSTS", "a,b"},
                                          {"WISSEL_X_TLS_CERTIFICATE", "c=d"}},
                          .environment_prefix = "WISSEL_X_",
                          .assignments = {"port=3"}});
  ASSERT_TRUE(loaded.ok()) << loaded;
  EXPECT_EQ(settings_.kafka.brokers, "env");
  EXPECT_EQ(settings_.kafka.linger, absl::Milliseconds(2));
  EXPECT_EQ(settings_.port, 3);
  EXPECT_THAT(settings_.hosts, ElementsAre("a", "b"));
  EXPECT_EQ(settings_.tls->certificate, "c=d");
}

TEST_F(ConfigTest, OverridesAreAsStrictAsTheFile) {
  const std::vector<std::string> errors =
      Lines(Load(description_, {.file = "",
                                .environment = {{"WISSEL_X_KAFKA_BROKER", "k"},
                                                {"WISSEL_X_PORT", "many"},
                                                {"WISSEL_X_SERVICE_HOST", "10.0.0.1"},
                                                {"WISSEL_X_PORT_8080_TCP_ADDR", "10.0.0.1"},
                                                {"WISSEL_X_TOKEN", "hunter2"}},
                                .environment_prefix = "WISSEL_X_",
                                .assignments = {"prot=1", "nonsense", "accounts=1"}}));
  EXPECT_THAT(
      errors,
      UnorderedElementsAre(
          "--set nonsense: expected KEY=VALUE",
          "configuration: kafka.brokers: not set; expected text that is not empty",
          "environment WISSEL_X_PORT: port: found \"many\"; expected an integer, from 1 to 65535",
          "environment WISSEL_X_TOKEN: token: found a literal; expected a reference to a secret, "
          "file:PATH or env:NAME",
          StartsWith("--set accounts: unknown setting"),
          "--set prot: unknown setting; did you mean port?",
          "environment WISSEL_X_KAFKA_BROKER: names no setting; did you mean "
          "WISSEL_X_KAFKA_BROKERS?"));
}

TEST_F(ConfigTest, SaysWhichFileCannotBeRead) {
  const absl::Status status = Load(description_, {.file = "/none.yaml"});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "/none.yaml: cannot be read: No such file or directory");
}

// As a ConfigMap is that was mounted without naming its key.
TEST_F(ConfigTest, AFolderIsNoEmptyFile) {
  const std::string folder = ::testing::TempDir();
  const absl::Status status = Load(description_, {.file = folder});
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), absl::StrCat(folder, ": cannot be read: Is a directory"));
  const std::vector<std::string> errors =
      Errors(absl::StrCat("kafka: {brokers: k}\ntoken: {file: ", folder, "}\n"));
  EXPECT_THAT(errors, ElementsAre(absl::StrCat("f.yaml:2: token: ", folder,
                                               ": cannot be read: Is a directory")));
}

// Kubernetes links a ConfigMap's files to where they are; shells have `<(...)`.
TEST_F(ConfigTest, LinksAndPipesAreRead) {
  const std::string file = WriteFile("linked", "kafka: {brokers: linked}\n");
  const std::string link = absl::StrCat(::testing::TempDir(), "/wissel_config_test_link");
  unlink(link.c_str());
  ASSERT_EQ(symlink(file.c_str(), link.c_str()), 0);
  EXPECT_TRUE(Load(description_, {.file = link}).ok());
  EXPECT_EQ(settings_.kafka.brokers, "linked");

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const absl::string_view text = "kafka: {brokers: piped}\n";
  ASSERT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  close(ends[1]);
  EXPECT_TRUE(Load(description_, {.file = absl::StrCat("/dev/fd/", ends[0])}).ok());
  EXPECT_EQ(settings_.kafka.brokers, "piped");
  close(ends[0]);
}

TEST(Duration, TakesDaysAsAWorkspaceFileDoes) {
  absl::Duration interval;
  const auto load = [&](absl::string_view text) {
    return LoadText([&](Binder& b) { b.Duration("interval", &interval, "How often."); },
                    absl::StrCat("interval: ", text), "f.yaml");
  };
  EXPECT_TRUE(load("7d").ok()) << load("7d");
  EXPECT_EQ(interval, absl::Hours(7 * 24));
  for (const char* wrong : {"367d", "-1d", "1.5d", "d", "9223372036854775807d"}) {
    EXPECT_FALSE(load(wrong).ok()) << wrong;
  }
}

TEST_F(ConfigTest, AddressesToListenOnAndFilesAreLookedAt) {
  struct {
    std::string listen;
    std::string ca_file;
    void Describe(Binder& b) {
      b.HostPort("listen", &listen, "Where to listen.");
      b.File("ca_file", &ca_file, "Authorities.");
    }
  } settings;
  const auto errors = [&](absl::string_view yaml) {
    return Lines(LoadText([&](Binder& b) { settings.Describe(b); }, yaml, "f.yaml"));
  };
  for (const char* good : {"127.0.0.1:0", "localhost:8080", "[::1]:65535", "0.0.0.0:9464"}) {
    EXPECT_THAT(errors(absl::StrCat("listen: '", good, "'")), IsEmpty()) << good;
  }
  for (const char* bad : {"", "abc", "9464", ":80", "host:", "host:http", "host:65536", "host:-1",
                          "host:+1", "::1:80", "[::1]", "[::1:80", "a b:1"}) {
    const std::vector<std::string> found = errors(absl::StrCat("listen: '", bad, "'"));
    ASSERT_EQ(found.size(), 1u) << bad;
    EXPECT_THAT(found[0], HasSubstr("; expected HOST:PORT such as")) << bad;
  }
  EXPECT_THAT(errors("listen: nonsense\n"),
              ElementsAre("f.yaml:1: listen: found \"nonsense\"; expected HOST:PORT such as "
                          "\"127.0.0.1:8080\", IPv6 in brackets"));
  EXPECT_THAT(errors(absl::StrCat("ca_file: ", WriteFile("ca", "pem"))), IsEmpty());
  EXPECT_THAT(errors("ca_file: ''"), IsEmpty());
  EXPECT_THAT(errors("\nca_file: /none.pem"),
              ElementsAre("f.yaml:2: ca_file: found \"/none.pem\"; expected the path of a file "
                          "that can be read"));
  EXPECT_THAT(errors("ca_file: /tmp"), ElementsAre(HasSubstr("a file that can be read")));
}

TEST_F(ConfigTest, PrintsWhatLoadsToTheSame) {
  ASSERT_THAT(Errors("kafka: {brokers: 'a: \"b\" # c', linger: 1ms}\nhosts: ['', '- x', \"\\n\"]\n"
                     "accounts: [{number: 1}, {number: 2}]\nnamed: {'a b': {number: 3}}\n"
                     "tls: {certificate: c}\n"),
              IsEmpty());
  const std::string printed = Print(description_);
  EXPECT_THAT(printed, HasSubstr("accounts:\n  - number: \"1\"\n    per_second: 80\n"));
  Settings again;
  const Description describe_again = [&](Binder& b) { again.Describe(b); };
  const absl::Status loaded = LoadText(describe_again, printed, "printed");
  EXPECT_TRUE(loaded.ok()) << loaded << "\n" << printed;
  EXPECT_EQ(Print(describe_again), printed);
  EXPECT_EQ(again.kafka.brokers, "a: \"b\" # c");
}

TEST_F(ConfigTest, HelpAndReferenceListEverySettingOnceAndChangeNothing) {
  const std::string help = Help(description_);
  EXPECT_THAT(help, HasSubstr("  kafka.linger  (duration, at most 1s; default 1ms)\n"
                              "      How long an append waits for company.\n"));
  EXPECT_THAT(help, HasSubstr("kafka.brokers  (text; required)"));
  const std::string page = Reference(description_);
  EXPECT_THAT(page, HasSubstr("| `role` | one of ingest, deliver | `ingest` | What to do. |\n"));
  EXPECT_THAT(page, HasSubstr("| `accounts[].number` | text | required | Phone number id. |\n"));
  EXPECT_THAT(page, HasSubstr("| `named.NAME.per_second` | integer, from 1 to 1000 | `80` |"));
  EXPECT_THAT(page, HasSubstr("| `kafka` | section |  | The brokers. |\n"));
  EXPECT_THAT(page, HasSubstr("| `tls` | section, absent unless something in it is given |  | "
                              "Encryption. |\n"));
  EXPECT_THAT(page, HasSubstr("| `tls.certificate` | text | required | PEM file. |\n"));
  EXPECT_THAT(settings_.accounts, IsEmpty());
  EXPECT_THAT(settings_.named, IsEmpty());
  EXPECT_FALSE(settings_.tls.has_value());
}

// What stands in back quotes on the page for a type, in the column `column`.
std::vector<std::string> ExamplesOf(absl::string_view page, absl::string_view type, size_t column) {
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() <= column || cells[0] != absl::StrCat("| ", type)) continue;
    std::vector<std::string> examples;
    const std::vector<std::string> parts = absl::StrSplit(cells[column], '`');
    for (size_t i = 1; i < parts.size(); i += 2) examples.push_back(parts[i]);
    return examples;
  }
  return {};
}

TEST_F(ConfigTest, TheReferenceWritesValuesAsTheyAreRead) {
  struct {
    Secret token;
    absl::Duration interval;
    int64_t limit = 0;
    std::vector<std::string> hosts;
    void Describe(Binder& b) {
      b.SecretText("token", &token, "Token.");
      b.Duration("interval", &interval, "How often.");
      b.Bytes("limit", &limit, "The most.");
      b.TextList("hosts", &hosts, "Hosts.");
    }
  } settings;
  const Description describe = [&](Binder& b) { settings.Describe(b); };
  const std::string page = ReferenceOfTypes();
  const std::string path = WriteFile("of_the_page", "secret");
  setenv("WISSEL_CONFIG_TEST_PAGE", "secret", 1);
  const auto named = [&](absl::string_view example) {
    return absl::StrReplaceAll(example, {{"PATH", path}, {"NAME", "WISSEL_CONFIG_TEST_PAGE"}});
  };
  const std::pair<const char*, const char*> keys[] = {
      {"token", "secret"}, {"interval", "duration"}, {"limit", "size"}, {"hosts", "list of texts"}};
  for (const auto& [key, type] : keys) {
    const std::vector<std::string> in_the_file = ExamplesOf(page, type, 1);
    EXPECT_THAT(in_the_file, Not(IsEmpty())) << type;
    for (const std::string& example : in_the_file) {
      EXPECT_TRUE(LoadText(describe, absl::StrCat(key, ": ", named(example)), "f").ok()) << example;
    }
    std::vector<std::string> assigned = ExamplesOf(page, type, 2);
    if (assigned.empty()) assigned = in_the_file;  // "the same"
    for (const std::string& example : assigned) {
      EXPECT_TRUE(
          Load(describe, {.file = "", .assignments = {absl::StrCat(key, "=", named(example))}})
              .ok())
          << example;
    }
  }
  EXPECT_EQ(settings.token.value(), "secret");
  EXPECT_EQ(settings.interval, absl::Hours(7 * 24));
  EXPECT_THAT(settings.hosts, ElementsAre("one", "two"));
  EXPECT_EQ(settings.limit, int64_t{64} << 40);
  EXPECT_THAT(Lines(Load(description_, {.file = "",
                                        .assignments = {"kafka.brokers=k", "accounts[0].number=1",
                                                        "named.shop.number=1"}})),
              ElementsAre(StartsWith("--set accounts[0].number: unknown setting"),
                          StartsWith("--set named.shop.number: unknown setting")));
}

TEST(Environment, PrefixComesFromTheServicesName) {
  EXPECT_EQ(EnvironmentPrefix("wissel-agent-gateway"), "WISSEL_AGENT_GATEWAY_");
  setenv("WISSEL_CONFIGTEST_A", "b=c", 1);
  EXPECT_THAT(EnvironmentWithPrefix("WISSEL_CONFIGTEST_"),
              ElementsAre(Pair("WISSEL_CONFIGTEST_A", "b=c")));
}

}  // namespace
}  // namespace wissel::config
