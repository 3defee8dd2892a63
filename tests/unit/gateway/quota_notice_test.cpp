// The mail about a quota: its header, its numbers, and addresses that need care.
#include "gateway/quota_notice.hpp"

#include <gtest/gtest.h>

namespace postern::gateway {
namespace {

using store::QuotaLevel;

QuotaNotice near_notice() {
  return {.account = "ann@example.org",
          .hostname = "mail.example.org",
          .id = "4ZX1",
          .level = QuotaLevel::near,
          .use = {.used_octets = 1'954'210'120, .limit_octets = 2ull << 30},
          .unix_ms = 1'795'271'400'000};
}

std::string header_of(const std::string& message) {
  return message.substr(0, message.find("\r\n\r\n") + 2);
}

TEST(QuotaNotice, SaysHowMuchOfWhat) {
  EXPECT_EQ(write_quota_notice(near_notice()),
            "Return-Path: <>\r\n"
            "Date: Sat, 21 Nov 2026 14:30:00 +0000\r\n"
            "From: \"Mail system\" <postmaster@example.org>\r\n"
            "To: <ann@example.org>\r\n"
            "Subject: Your mailbox is nearly full (91 %)\r\n"
            "Message-ID: <4ZX1@mail.example.org>\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "Content-Transfer-Encoding: 7bit\r\n"
            "\r\n"
            "The mailbox of ann@example.org is nearly full.\r\n"
            "\r\n"
            "  It holds:      1.8 GiB (1954210120 octets), 91 %\r\n"
            "  It may hold:   2.0 GiB (2147483648 octets)\r\n"
            "\r\n"
            "When it is full, new mail for it will be refused for the time being. Please\r\n"
            "delete mail that is no longer needed.\r\n");
}

TEST(QuotaNotice, AFullMailboxGetsAnotherText) {
  QuotaNotice notice = near_notice();
  notice.level = QuotaLevel::full;
  notice.use.used_octets = 2ull << 30;
  const std::string message = write_quota_notice(notice);
  EXPECT_TRUE(header_of(message).contains("\r\nSubject: Your mailbox is full\r\n"));
  EXPECT_TRUE(message.contains("The mailbox of ann@example.org is full.\r\n"));
  EXPECT_TRUE(message.contains("(2147483648 octets), 100 %\r\n"));
  EXPECT_TRUE(message.contains("New mail for it is refused now."));
}

TEST(QuotaNotice, LocalPartsAreQuotedWhereTheyMustBe) {
  const auto to_field = [](std::string_view account) {
    QuotaNotice notice = near_notice();
    notice.account = account;
    const std::string header = header_of(write_quota_notice(notice));
    const std::size_t at = header.find("\r\nTo: ") + 6;
    return header.substr(at, header.find("\r\n", at) - at);
  };
  EXPECT_EQ(to_field("a.b+c@x.example"), "<a.b+c@x.example>");
  EXPECT_EQ(to_field("a,b@x.example"), "<\"a,b\"@x.example>");
  EXPECT_EQ(to_field("a..b@x.example"), "<\"a..b\"@x.example>");
  EXPECT_EQ(to_field(".a@x.example"), "<\".a\"@x.example>");
  EXPECT_EQ(to_field("a@b@x.example"), "<\"a@b\"@x.example>");
  EXPECT_EQ(to_field("a\"\\b@x.example"), "<\"a\\\"\\\\b\"@x.example>");
}

TEST(QuotaNotice, NamesBeyondAsciiAreUtf8) {
  QuotaNotice notice = near_notice();
  notice.account = "j\xc3\xbcrgen@xn--bcher-kva.example";
  const std::string message = write_quota_notice(notice);
  EXPECT_TRUE(message.contains("\r\nTo: <j\xc3\xbcrgen@xn--bcher-kva.example>\r\n"));
  EXPECT_TRUE(message.contains("charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"));
  EXPECT_TRUE(message.contains("From: \"Mail system\" <postmaster@xn--bcher-kva.example>\r\n"));
}

TEST(QuotaNotice, EveryLineEndsInCrlfAndIsShort) {
  for (const QuotaLevel level : {QuotaLevel::near, QuotaLevel::full}) {
    QuotaNotice notice = near_notice();
    notice.level = level;
    std::string_view rest;
    const std::string message = write_quota_notice(notice);
    for (rest = message; !rest.empty();) {
      const std::size_t end = rest.find("\r\n");
      ASSERT_NE(end, std::string_view::npos) << rest;
      EXPECT_LE(end, 78u) << rest.substr(0, end);
      EXPECT_FALSE(rest.substr(0, end).contains('\n'));
      rest.remove_prefix(end + 2);
    }
  }
}

}  // namespace
}  // namespace postern::gateway
