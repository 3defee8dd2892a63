#include "gateway/smtp/syntax/path.hpp"

#include <gtest/gtest.h>
#include <string>

#include "gateway/smtp/syntax/parameters.hpp"
#include "gateway/smtp/syntax/text.hpp"

namespace postern::smtp {
namespace {

std::string mailbox_of(std::string_view in) {
  const PathResult result = parse_path(in);
  if (result.error == PathError::no_path) return "(none)";
  if (result.error == PathError::invalid) return "(invalid)";
  return std::string(result.path.mailbox) + "|" + std::string(result.rest);
}

TEST(Path, Accepts) {
  EXPECT_EQ(mailbox_of("<>"), "|");
  EXPECT_EQ(mailbox_of("<a@b> X"), "a@b| X");
  EXPECT_EQ(mailbox_of("<a.b.c+d@e-f.g>"), "a.b.c+d@e-f.g|");
  EXPECT_EQ(mailbox_of("<!#$%&'*+-/=?^_`{|}~@b>"), "!#$%&'*+-/=?^_`{|}~@b|");
  EXPECT_EQ(mailbox_of("<\"a b>@<\\\"\\\\\"@c>"), "\"a b>@<\\\"\\\\\"@c|");
  EXPECT_EQ(mailbox_of("<\"\"@c>"), "\"\"@c|");
  EXPECT_EQ(mailbox_of("<@a.b,@[192.0.2.1]:c@d>"), "c@d|");
  EXPECT_EQ(mailbox_of("<a@[192.0.2.1]>"), "a@[192.0.2.1]|");
  EXPECT_EQ(mailbox_of("<a@[IPv6:2001:db8::1]>"), "a@[IPv6:2001:db8::1]|");
  EXPECT_EQ(mailbox_of("<postmaster>"), "postmaster|");
  EXPECT_EQ(mailbox_of("<\xc3\xbc@\xc3\xb6.example>"), "\xc3\xbc@\xc3\xb6.example|");
  EXPECT_EQ(mailbox_of("<a@1.2.3>"), "a@1.2.3|");
}

TEST(Path, Refuses) {
  for (const char* none : {"", "a@b", "\"<a@b>\""}) EXPECT_EQ(mailbox_of(none), "(none)") << none;
  for (const char* bad : {"<",
                          "<a@b",
                          "< a@b>",
                          "<a@b >",
                          "<a @b>",
                          "<.a@b>",
                          "<a.@b>",
                          "<a..b@c>",
                          "<@b>",
                          "<a@>",
                          "<a@b@c>",
                          "<a@-b>",
                          "<a@b->",
                          "<a@b..c>",
                          "<a@.b>",
                          "<a@b.>",
                          "<\"a@b>",
                          "<\"a\"b@c>",
                          "<\"a\\",
                          "<\"a\n\"@b>",
                          "<@a:>",
                          "<@a,b:c@d>",
                          "<@a;c@d>",
                          "<@:c@d>",
                          "<a@[1.2.3]>",
                          "<a@[256.1.1.1]>",
                          "<a@[1.2.3.4>",
                          "<a@[1.2.3.4.5]>",
                          "<a@[x:y]>",
                          "<a@[]>",
                          "<(a)@b>",
                          "<a@b(c)>",
                          "<a,b@c>",
                          "<a:b@c>",
                          "<\xff@b>",
                          "<a@\xc3>",
                          "<\xed\xa0\x80@b>"}) {
    EXPECT_EQ(mailbox_of(bad), "(invalid)") << bad;
  }
}

TEST(Path, Limits) {
  const std::string local(64, 'l');
  const std::string label(60, 'd');
  EXPECT_NE(mailbox_of("<" + local + "@d>"), "(invalid)");
  EXPECT_EQ(mailbox_of("<l" + local + "@d>"), "(invalid)");
  // "<" + 64 + "@" + 189 + ">" = 256
  const std::string domain = label + "." + label + "." + label + ".dddddd";
  ASSERT_EQ(domain.size(), 189U);
  EXPECT_NE(mailbox_of("<" + local + "@" + domain + ">"), "(invalid)");
  EXPECT_EQ(mailbox_of("<" + local + "@" + domain + "d>"), "(invalid)");
  EXPECT_EQ(mailbox_of("<@x:" + local + "@" + domain + ">"), "(invalid)");
  EXPECT_FALSE(is_domain(std::string(64, 'a')));
  EXPECT_TRUE(is_domain(std::string(63, 'a')));
  EXPECT_FALSE(is_domain(label + "." + label + "." + label + "." + label + "." + label));
}

TEST(Path, PartsAndMeaning) {
  const PathResult quoted = parse_path("<\"a\\\"b c\"@d>");
  EXPECT_TRUE(quoted.path.quoted);
  EXPECT_EQ(unquoted(quoted.path), "a\"b c");
  EXPECT_EQ(quoted.path.domain, "d");
  EXPECT_FALSE(quoted.path.has_utf8);
  EXPECT_TRUE(parse_path("<a@\xc3\xb6>").path.has_utf8);
  EXPECT_EQ(unquoted(parse_path("<a.b@c>").path), "a.b");
}

TEST(Path, EveryPrefixIsRefusedOrHarmless) {
  const std::string path = "<@a,@[IPv6:::1]:\"q\\\"\"@[IPv6:1:2:3:4:5:6:7:8]>";
  EXPECT_NE(mailbox_of(path), "(invalid)");
  for (std::size_t size = 1; size < path.size(); ++size) {
    EXPECT_EQ(mailbox_of(path.substr(0, size)), "(invalid)") << size;
  }
}

TEST(AddressLiteral, Ipv6Forms) {
  for (const char* good : {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1::8", "::ffff:192.0.2.1",
                           "1:2:3:4:5:6:192.0.2.1", "2001:DB8::a", "1:2:3:4:5:6:7::"}) {
    EXPECT_TRUE(is_address_literal("[IPv6:" + std::string(good) + "]")) << good;
  }
  for (const char* bad : {"", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
                          "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1.2.3",
                          "1:", "1:2:3:4:5:6:7:", "1:2:3:4:5:6:7:192.0.2.1", "192.0.2.1"}) {
    EXPECT_FALSE(is_address_literal("[IPv6:" + std::string(bad) + "]")) << bad;
  }
}

TEST(Parameters, Xtext) {
  EXPECT_EQ(decode_xtext("a+2Bb+3D"), "a+b=");
  EXPECT_EQ(decode_xtext(""), "");
  for (const char* bad : {"+", "+2", "+2b", "a b", "a=b", "\xc3"}) EXPECT_FALSE(decode_xtext(bad));
}

TEST(Parameters, List) {
  ParameterList list(" A=1  B  C-D=x ");
  EXPECT_EQ(list.next()->value, "1");
  EXPECT_EQ(list.next()->keyword, "B");
  EXPECT_EQ(list.next()->keyword, "C-D");
  EXPECT_FALSE(list.next());
  EXPECT_FALSE(list.failed());
  ParameterList joined("A");
  EXPECT_FALSE(joined.next());
  EXPECT_TRUE(joined.failed());
  ParameterList empty_value(" A=");
  EXPECT_FALSE(empty_value.next());
  EXPECT_TRUE(empty_value.failed());
}

TEST(Text, Numbers) {
  EXPECT_EQ(text::parse_number("0"), 0U);
  EXPECT_EQ(text::parse_number("18446744073709551615"), 18446744073709551615U);
  for (const char* bad : {"", "18446744073709551616", "99999999999999999999",
                          "000000000000000000001", "1 ", "+1", "-1", "1a"}) {
    EXPECT_FALSE(text::parse_number(bad)) << bad;
  }
}

TEST(Text, Utf8) {
  for (const char* good : {"", "a", "\xc2\x80", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(text::is_utf8(good));
  }
  for (const char* bad :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc2", "\xe0\xa0", "\xc2x"}) {
    EXPECT_FALSE(text::is_utf8(bad));
  }
}

}  // namespace
}  // namespace postern::smtp
