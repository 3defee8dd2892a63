#include "gateway/smtp/trace.hpp"

#include <gtest/gtest.h>

namespace postern::smtp {
namespace {

TEST(Trace, Dates) {
  const auto date = [](std::int64_t unix_ms) {
    std::string out;
    append_date(out, unix_ms);
    return out;
  };
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(date(951'827'696'999), "Tue, 29 Feb 2000 12:34:56 +0000");
  EXPECT_EQ(date(1'795'271'400'000), "Sat, 21 Nov 2026 14:30:00 +0000");
  EXPECT_EQ(date(4'102'444'799'000), "Thu, 31 Dec 2099 23:59:59 +0000");
}

TEST(Trace, WithProtocol) {
  const TlsFacts tls;
  const auto with = [&](bool extended, bool utf8, bool in_tls, bool authenticated) {
    return with_protocol(ReceivedFacts{.extended = extended,
                                       .authenticated = authenticated,
                                       .smtputf8 = utf8,
                                       .tls = in_tls ? &tls : nullptr});
  };
  EXPECT_EQ(with(false, false, false, false), "SMTP");
  EXPECT_EQ(with(true, false, false, false), "ESMTP");
  EXPECT_EQ(with(true, false, true, false), "ESMTPS");
  EXPECT_EQ(with(true, false, false, true), "ESMTPA");
  EXPECT_EQ(with(true, false, true, true), "ESMTPSA");
  EXPECT_EQ(with(true, true, false, false), "UTF8SMTP");
  EXPECT_EQ(with(true, true, true, false), "UTF8SMTPS");
  EXPECT_EQ(with(true, true, false, true), "UTF8SMTPA");
  EXPECT_EQ(with(true, true, true, true), "UTF8SMTPSA");
}

TEST(Trace, ReceivedForms) {
  std::string out;
  append_received(out, ReceivedFacts{.hello_name = "c",
                                     .address = "2001:db8::1",
                                     .is_ipv6 = true,
                                     .hostname = "mx",
                                     .extended = true,
                                     .id = "ID"});
  EXPECT_EQ(out,
            "Received: from c ([IPv6:2001:db8::1])\r\n\tby mx with ESMTP id ID;\r\n"
            "\tThu, 01 Jan 1970 00:00:00 +0000\r\n");
  out.clear();
  append_received(
      out, ReceivedFacts{.hello_name = "c", .address = "unix", .hostname = "mx", .id = "ID"});
  EXPECT_EQ(out.substr(0, 39), "Received: from c (local socket)\r\n\tby mx");
}

}  // namespace
}  // namespace postern::smtp
