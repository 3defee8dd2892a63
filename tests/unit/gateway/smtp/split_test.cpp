// The same octets must mean the same however they are cut: every script is fed whole, octet by
// octet, and split in two at every place.
#include <gtest/gtest.h>

#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::smtp::test {
namespace {

struct Result {
  std::string replies;
  std::vector<std::string> messages;
  std::vector<std::string> events;
  bool closed = false;
  friend bool operator==(const Result&, const Result&) = default;
};

Result run(const std::vector<std::string_view>& pieces, Duration tarpit = {},
           const config::SmtpRuleSettings& rules = make_profile()->rules) {
  auto profile = make_profile();
  profile->rules = rules;
  profile->protocol_errors_max = 12;
  profile->message_octets_max = 300;
  profile->header_octets_max = 80;
  profile->hops_max = 2;
  profile->tarpit_delay = tarpit;
  profile->prepare_replies();
  SmtpDriver driver(profile);
  driver.open();
  for (const std::string_view piece : pieces) driver.feed(piece);
  while (driver.session.conversation().wait == Wait::tarpit) driver.pass(tarpit);
  Result result;
  result.closed = driver.closed();
  driver.end_of_input();
  result.replies = driver.take();
  for (const StoredMessage& message : driver.stored) {
    result.messages.push_back(message.envelope.reverse_path + "\n" + message.octets);
    for (const auto& recipient : message.envelope.recipients) {
      result.messages.back() += "\n" + recipient.address;
    }
  }
  result.events = driver.events;
  return result;
}

const std::string kScripts[] = {
    "EHLO c\r\nMAIL FROM:<a@b> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
    "Received: from x\r\n by mx.example.org\r\nA: b\r\n\r\n..x\r\n.y\r\n\r\n.\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<bob@example.org>\r\nRCPT "
    "TO:<nobody@example.org>\r\nDATA\r\n.\r\nQUIT\r\n",
    "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nBDAT 8\r\nA: b\r\n\r\nBDAT "
    "6\r\n.\r\n.\r\n"
    "BDAT 0\r\nBDAT 2 LAST\r\nx\nMAIL FROM:<c@d>\r\nBDAT 3\r\nabcRCPT TO:<alice@example.org>\r\n"
    "BDAT 3 LAST\r\nabcNOOP\r\n",
    "HELO c\r\nmail from:<a@b>\r\nrcpt "
    "to:<alice@example.org>\r\ndata\r\na\n.\nb\r\n.\rc\r\n.\r\n.\r\n"
    "FOO\r\nNOOP\n\nNOOP\r\r\nDATA\r\nQUIT\r\n",
    "EHLO c\r\nAUTH PLAIN\r\nAGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\r\nAUTH LOGIN\r\nMAIL "
    "FROM:<a@b>\r\n"
    "RCPT TO:<x@elsewhere.example>\r\nDATA\r\nx\r\n.\r\nRSET\r\nVRFY x\r\nHELP\r\nQUIT\r\n",
    "EHLO c\r\nAUTH LOGIN\r\nYQ==\r\nYg==\r\nAUTH PLAIN\r\n*\r\nAUTH PLAIN =\r\nEXPN\r\n",
    "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n\r\n" +
        std::string(400, 'x') +
        "\r\n.\r\nMAIL FROM:<a@b> SIZE=301\r\nRCPT TO:<alice@example.org>\r\nBDAT 2 "
        "LAST\r\nxxNOOP\r\n",
    // Several limits in one message: the one that is exceeded first is named.
    "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nReceived: a\r\nReceived: "
    "b\r\n"
    "Received: c\r\n" +
        std::string(400, 'x') +
        "\n\r\n.\r\nMAIL FROM:<a@b>\r\n"
        "RCPT TO:<alice@example.org>\r\nBDAT 351 LAST\r\n\r\n" +
        std::string(348, 'x') +
        "\n"
        "MAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nBDAT 91 LAST\r\nA: " +
        std::string(75, 'h') +
        "\r\n\r\nReceived\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\nA: " +
        std::string(76, 'h') + "\nReceived: x\r\n\r\n.\r\n",
    "EHLO c\r\nBDAT x\r\nNOOP\r\n",
    "GET / HTTP/1.1\r\n\r\n",
};

TEST(SmtpSplit, EverySplitGivesTheSame) {
  for (const std::string& script : kScripts) {
    for (const Duration tarpit : {Duration{}, Duration{std::chrono::seconds(5)}}) {
      const Result whole = run({script}, tarpit);
      EXPECT_FALSE(whole.replies.empty());
      for (std::size_t at = 1; at < script.size(); ++at) {
        const std::string_view view(script);
        ASSERT_EQ(run({view.substr(0, at), view.substr(at)}, tarpit), whole) << script << at;
      }
      std::vector<std::string_view> octets;
      for (std::size_t at = 0; at < script.size(); ++at) {
        octets.push_back(std::string_view(script).substr(at, 1));
      }
      ASSERT_EQ(run(octets, tarpit), whole) << script;
    }
  }
}

// What is changed in a message hangs on its octets, not on how they came.
TEST(SmtpSplit, EverySplitIsChangedTheSame) {
  const std::string messages[] = {
      "Subject: x\r\nBcc: a@b,\r\n c@d\r\nTo: e\nResent-Bcc : f\r\n\r\n..x\ny\rz\r\n.\n\r\n",
      "Date : now\r\nmessage-ID:\r\n <1@x>\r\nbcc:\r\n\r\r\nx",
      "bcc\r\n\r\nBcc: of the body\r\n",
      "Bcc: only",
      "Subject: no body\r\n",
      "no header\rat all\n",
      std::string("\r\nDate: of the body\0\r\n", 21),
      "A: b\n\nbody\n",
      "",
  };
  for (const auto policy : {config::LineEndPolicy::normalize, config::LineEndPolicy::allow}) {
    config::SmtpRuleSettings rules{.bare_newline = policy, .pipelining_strict = false};
    rules.add_missing_fields = true;
    rules.remove_bcc = true;
    for (const std::string& message : messages) {
      const std::string envelope = "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\n";
      for (const std::string& script :
           {envelope + "DATA\r\n" + message + "\r\n.\r\n",
            envelope + "BDAT " + std::to_string(message.size()) + " LAST\r\n" + message}) {
        const Result whole = run({script}, {}, rules);
        EXPECT_EQ(codes(whole.replies).substr(0, 15), "220 250 250 250");
        EXPECT_EQ(whole.messages.size(), message.find('\0') == std::string::npos ? 1U : 0U);
        std::vector<std::string_view> octets;
        for (std::size_t at = 1; at < script.size(); ++at) {
          const std::string_view view(script);
          ASSERT_EQ(run({view.substr(0, at), view.substr(at)}, {}, rules), whole) << script << at;
          octets.push_back(view.substr(at, 1));
        }
        octets.insert(octets.begin(), std::string_view(script).substr(0, 1));
        ASSERT_EQ(run(octets, {}, rules), whole) << script;
      }
    }
  }
}

// What stands behind a line of any length is judged all the same.
TEST(SmtpSplit, LongHeaderLinesAreJudgedTheSame) {
  const std::string hop = "Received: by other\r\n";
  const std::string long_hop = "Received: from " + std::string(3000, 'h') + "\r\n";
  const std::string messages[] = {std::string(1500, 'X') + ": v\r\n" + hop + hop,
                                  std::string(1500, 'X') + "\r\n" + hop + hop, long_hop + long_hop};
  for (const std::string& message : messages) {
    const std::string script =
        "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n" + message +
        "\r\nx\r\n.\r\n";
    for (const std::size_t piece : {script.size(), std::size_t{1}, std::size_t{1000}}) {
      auto profile = make_profile();
      profile->hops_max = 1;
      SmtpDriver driver(profile);
      driver.open();
      for (std::size_t at = 0; at < script.size(); at += piece) {
        driver.feed(std::string_view(script).substr(at, piece));
      }
      const bool field = !message.starts_with("X") || message[1500] == ':';
      EXPECT_EQ(codes(driver.take()), field ? "220 250 250 250 354 554" : "220 250 250 250 354 250")
          << message.substr(1490, 20) << " by " << piece;
    }
  }
}

TEST(SmtpSplit, TheScriptsDoWhatTheyAreFor) {
  EXPECT_EQ(run({kScripts[0]}).messages.size(), 2U);
  EXPECT_EQ(codes(run({kScripts[0]}).replies), "220 250 250 250 354 250 250 250 550 354 250 221");
  EXPECT_EQ(codes(run({kScripts[1]}).replies),
            "220 250 250 250 250 250 250 550 250 554 250 250 250");
  EXPECT_EQ(codes(run({kScripts[2]}).replies),
            "220 250 250 250 354 550 500 500 500 500 500 503 221");
  EXPECT_EQ(codes(run({kScripts[3]}).replies),
            "220 250 334 235 503 250 250 354 250 250 252 214 221");
  EXPECT_EQ(codes(run({kScripts[4]}).replies), "220 250 334 334 535 334 501 501 502");
  EXPECT_EQ(codes(run({kScripts[5]}).replies), "220 250 250 250 354 552 552 503 503 250");
  EXPECT_EQ(codes(run({kScripts[6]}).replies),
            "220 250 250 250 354 554 250 250 552 250 250 550 250 250 354 550");
  EXPECT_EQ(codes(run({kScripts[7]}).replies), "220 250 501");
  EXPECT_EQ(codes(run({kScripts[8]}).replies), "220 421");
}

}  // namespace
}  // namespace postern::smtp::test
