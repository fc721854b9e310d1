#include "services/email/smtp.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/email/scripted_server.h"

namespace wissel::email {
namespace {

using Kind = SmtpReply::Kind;

// Answers by the first word of a command; "" closes the connection, "." is the answer to the mail.
using Answers = std::map<std::string, std::string>;

void ServeSmtp(ScriptedPeer& peer, const Answers& answers, std::string* mail) {
  const auto answer = [&](const std::string& command, absl::string_view usual) {
    const auto found = answers.find(command);
    const std::string text = found == answers.end() ? std::string(usual) : found->second;
    if (text.empty()) return false;
    peer.WriteLine(text);
    return true;
  };
  if (!answer("CONNECT", "220 test")) return;
  while (const auto line = peer.ReadLine()) {
    const std::string command = std::string(line->substr(0, line->find_first_of(" :")));
    if (command == "EHLO" || command == "HELO") {
      if (!answer(command, "250-test\r\n250 AUTH PLAIN")) return;
    } else if (command == "AUTH") {
      if (!answer(command, "235 ok")) return;
    } else if (command == "DATA") {
      if (!answer(command, "354 go on")) return;
      if (answers.contains("DATA") && answers.at("DATA").front() != '3') continue;
      mail->clear();
      while (const auto text = peer.ReadLine()) {
        if (answers.contains("TEXT")) return;
        if (*text == ".") break;
        *mail += *text + "\n";
      }
      if (!answer(".", "250 2.0.0 queued")) return;
    } else if (command == "QUIT") {
      peer.WriteLine("221 bye");
      return;
    } else if (!answer(command, "250 ok")) {
      return;
    }
  }
}

class SmtpTest : public ::testing::Test {
 protected:
  SmtpReply Send(const Answers& answers,
                 absl::string_view mail = "Subject: x\r\n\r\nhi\r\n.dot\r\n") {
    ScriptedServer server([&](ScriptedPeer& peer) { ServeSmtp(peer, answers, &received_); });
    SmtpConnection connection(Login(server.port()));
    return connection.Send({.from = "support@shop.example", .to = "jan@example.org"}, mail);
  }
  ServerLogin Login(uint16_t port) {
    return {.host = "127.0.0.1",
            .port = port,
            .security = Security::kNone,
            .ca_file = "",
            .user = "support",
            .password = "secret",
            .timeout = absl::Seconds(2)};
  }
  std::string received_;
};

TEST_F(SmtpTest, HandsAMailOver) {
  const SmtpReply reply = Send({});
  EXPECT_EQ(reply.kind, Kind::kAccepted) << reply.text;
  EXPECT_EQ(received_, "Subject: x\n\nhi\n..dot\n");
}

TEST_F(SmtpTest, TellsForNowFromForGood) {
  for (const char* stage : {"MAIL", "RCPT", "DATA", "."}) {
    SmtpReply reply = Send({{stage, "450 4.2.1 busy"}});
    EXPECT_EQ(reply.kind, Kind::kRetry) << stage;
    EXPECT_EQ(reply.code, 450) << stage;
    EXPECT_EQ(reply.text, "450 4.2.1 busy") << stage;
    reply = Send({{stage, "550 5.1.1 no such mailbox"}});
    EXPECT_EQ(reply.kind, Kind::kRefused) << stage;
    EXPECT_EQ(reply.code, 550) << stage;
    EXPECT_EQ(reply.text, "550 5.1.1 no such mailbox") << stage;
  }
}

TEST_F(SmtpTest, KnowsThatItMayNotSend) {
  EXPECT_EQ(Send({{"AUTH", "535 5.7.8 wrong password"}}).kind, Kind::kNoAccess);
  EXPECT_EQ(Send({{"AUTH", "454 4.7.0 try later"}}).kind, Kind::kRetry);
}

TEST_F(SmtpTest, ALostConnectionIsUncertainOnlyBehindTheLastByte) {
  EXPECT_EQ(Send({{"CONNECT", ""}}).kind, Kind::kRetry);
  EXPECT_EQ(Send({{"CONNECT", "421 too busy"}}).kind, Kind::kRetry);
  EXPECT_EQ(Send({{"RCPT", ""}}).kind, Kind::kRetry);
  EXPECT_EQ(Send({{".", ""}}).kind, Kind::kUncertain);
  std::string large = "Subject: x\r\n\r\n";
  while (large.size() < 20'000'000) large += std::string(70, 'x') + "\r\n";
  EXPECT_EQ(Send({{"TEXT", "closes"}}, large).kind, Kind::kRetry);
}

TEST_F(SmtpTest, NobodyThereIsARetry) {
  uint16_t port;
  {
    ScriptedServer server([](ScriptedPeer&) {});
    port = server.port();
  }
  SmtpConnection connection(Login(port));
  EXPECT_EQ(connection.Send({.from = "a@b", .to = "c@d"}, "x\r\n").kind, Kind::kRetry);
}

TEST_F(SmtpTest, SilenceBehindTheMailIsUncertain) {
  ScriptedServer server([](ScriptedPeer& peer) {
    peer.WriteLine("220 test");
    while (const auto line = peer.ReadLine()) {
      if (absl::StartsWith(*line, "EHLO")) peer.WriteLine("250-test\r\n250 AUTH PLAIN");
      if (absl::StartsWith(*line, "AUTH")) peer.WriteLine("235 ok");
      if (absl::StartsWith(*line, "MAIL") || absl::StartsWith(*line, "RCPT"))
        peer.WriteLine("250 ok");
      if (*line == "DATA") peer.WriteLine("354 go on");
    }
  });
  ServerLogin login = Login(server.port());
  login.timeout = absl::Milliseconds(300);
  SmtpConnection connection(login);
  EXPECT_EQ(connection.Send({.from = "a@b", .to = "c@d"}, "x\r\n").kind, Kind::kUncertain);
}

TEST_F(SmtpTest, SendsNoPasswordWithoutTheProtectionAskedFor) {
  bool asked = false;
  ScriptedServer server([&](ScriptedPeer& peer) {
    peer.WriteLine("220 test");
    while (const auto line = peer.ReadLine()) {
      asked = asked || absl::StartsWith(*line, "AUTH");
      if (absl::StartsWith(*line, "EHLO")) {
        peer.WriteLine("250-test\r\n250 AUTH PLAIN");  // no STARTTLS
      } else {
        peer.WriteLine("502 no");
      }
    }
  });
  ServerLogin login = Login(server.port());
  login.security = Security::kStartTls;
  SmtpConnection connection(login);
  EXPECT_EQ(connection.Send({.from = "a@b", .to = "c@d"}, "x\r\n").kind, Kind::kNoAccess);
  EXPECT_FALSE(asked);
}

}  // namespace
}  // namespace wissel::email
