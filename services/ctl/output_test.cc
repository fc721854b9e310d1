#include "services/ctl/output.h"

#include <gtest/gtest.h>

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

TEST(FormatTime, IsUtcWithMilliseconds) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(FormatTime(time), "-");
  time.set_seconds(1'767'225'600);
  time.set_nanos(123'456'789);
  EXPECT_EQ(FormatTime(time), "2026-01-01 00:00:00.123");
}

}  // namespace
}  // namespace wissel::ctl
