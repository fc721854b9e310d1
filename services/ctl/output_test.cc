#include "services/ctl/output.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <boost/json.hpp>
#include <sstream>

namespace wissel::ctl {
namespace {

TEST(Table, AlignsByCodePointsAndDoesNotPadTheEnd) {
  Table table({"NAME", "TEXT", "N"});
  table.Add({"zoë", "a", "1"});
  table.Add({"anna", "longer", "12"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "NAME  TEXT    N\n"
            "zoë   a       1\n"
            "anna  longer  12\n");
}

TEST(OneLine, WhatACustomerWroteCannotSteerTheTerminal) {
  EXPECT_EQ(OneLine("a\x1b[2Jb\r\nc\x7f", 100), "a [2Jb  c ");
  EXPECT_EQ(OneLine("x\xc2\x9b"
                    "31m",
                    100),
            "x 31m");
  EXPECT_EQ(OneLine("é\xc2\xa0ü", 100), "é\xc2\xa0ü");
  EXPECT_EQ(OneLine("a\u202eb\u2066c\u2028d\u200be\ufefff", 100), "a b c d e f");
  EXPECT_EQ(OneLine("a\x9b"
                    "b",
                    100),
            "a\xef\xbf\xbd"
            "b");
}

TEST(OneLine, CutsBetweenCodePoints) { EXPECT_EQ(OneLine("ééééé", 3), "ééé…"); }

TEST(PrintJson, YamlSaysTheSame) {
  const boost::json::object value{{"text", "yes"},
                                  {"number", "0123"},
                                  {"a: b", "# c\nd"},
                                  {"steering", "a\u202eb"},
                                  {"empty", ""},
                                  {"whole", -7},
                                  {"large", uint64_t{1} << 63},
                                  {"real", 0.5},
                                  {"truth", true},
                                  {"nothing", nullptr},
                                  {"list", {1, "2", {{"k", "v"}}}},
                                  {"none", boost::json::array()}};
  std::ostringstream json;
  PrintJson(value, Format::kJson, json);
  EXPECT_EQ(boost::json::parse(json.str()), value);
  std::ostringstream out;
  PrintJson(value, Format::kYaml, out);
  EXPECT_EQ(out.str().find("\u202e"), std::string::npos);
  const YAML::Node yaml = YAML::Load(out.str());
  EXPECT_EQ(yaml.size(), value.size());
  for (const char* text : {"text", "number", "a: b", "steering", "empty"}) {
    EXPECT_EQ(yaml[text].Scalar(), value.at(text).as_string()) << text;
    EXPECT_TRUE(std::string(text) == "a: b" || yaml[text].Tag() == "!") << text << ": in quotes";
  }
  EXPECT_EQ(yaml["whole"].as<int>(), -7);
  EXPECT_EQ(yaml["large"].as<uint64_t>(), uint64_t{1} << 63);
  EXPECT_EQ(yaml["real"].as<double>(), 0.5);
  EXPECT_TRUE(yaml["truth"].as<bool>());
  EXPECT_TRUE(yaml["nothing"].IsNull());
  EXPECT_EQ(yaml["list"][1].Tag(), "!");
  EXPECT_EQ(yaml["list"][2]["k"].Scalar(), "v");
  EXPECT_TRUE(yaml["none"].IsSequence());
}

TEST(FormatTime, IsUtcWithMilliseconds) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(FormatTime(time), "-");
  time.set_seconds(1'767'225'600);
  time.set_nanos(123'456'789);
  EXPECT_EQ(FormatTime(time), "2026-01-01 00:00:00.123");
}

}  // namespace
}  // namespace wissel::ctl
