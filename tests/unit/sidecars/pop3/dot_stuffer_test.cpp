#include "sidecars/pop3/dot_stuffer.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

#include "tests/unit/sidecars/pop3/pop3_client.hpp"

namespace postern::pop3 {
namespace {

std::string stuff(std::string_view body, std::size_t piece = std::string::npos) {
  DotStuffer stuffer;
  std::string out;
  for (std::size_t at = 0; at < body.size(); at += std::min(piece, body.size() - at))
    stuffer.append(body.substr(at, piece), out);
  stuffer.finish(out);
  return out;
}

TEST(DotStuffer, DoublesDotsAtLineStarts) {
  EXPECT_EQ(stuff("a.b\r\n.\r\n..c\r\n"), "a.b\r\n..\r\n...c\r\n.\r\n");
  EXPECT_EQ(stuff(".first\r\n"), "..first\r\n.\r\n");
}

TEST(DotStuffer, StuffsBehindABareLf) { EXPECT_EQ(stuff("a\n.\r\n"), "a\n..\r\n.\r\n"); }

TEST(DotStuffer, TerminatorBringsItsOwnCrlfWhenTheMessageHasNone) {
  EXPECT_EQ(stuff("abc"), "abc\r\n.\r\n");
  EXPECT_EQ(stuff("abc\n"), "abc\n\r\n.\r\n");
  EXPECT_EQ(stuff("abc\r"), "abc\r\r\n.\r\n");
  EXPECT_EQ(stuff("abc\r\n"), "abc\r\n.\r\n");
  EXPECT_EQ(stuff(""), ".\r\n");
}

TEST(DotStuffer, SameForEveryPieceSizeAndUndoable) {
  std::mt19937 random(1);
  const std::string alphabet("..\r\n\n.\r\nab\0\xff", 13);
  for (int round = 0; round < 3000; ++round) {
    std::string body;
    for (std::size_t n = random() % 300; n > 0; --n) body += alphabet[random() % alphabet.size()];
    const std::string whole = stuff(body);
    ASSERT_EQ(stuff(body, 1), whole);
    ASSERT_EQ(stuff(body, 1 + random() % 80), whole);
    ASSERT_EQ(test::message_in(whole), test::with_final_crlf(body));
  }
}

TEST(DotStuffer, FindsDotsAroundTheScanWidth) {
  for (std::size_t at = 1; at < 200; ++at) {
    std::string body(260, 'x');
    body[at] = '.';
    body[at - 1] = '\n';
    std::string expected = body;
    expected.insert(at, ".");
    ASSERT_EQ(stuff(body), expected + "\r\n.\r\n") << at;
  }
}

std::string top(std::string_view body, std::uint64_t lines, std::size_t piece) {
  TopLimiter limiter(lines);
  std::string out;
  for (std::size_t at = 0; at < body.size() && !limiter.done(); at += piece) {
    const auto octets = body.substr(at, piece);
    out.append(octets.substr(0, limiter.accept(octets)));
  }
  return out;
}

TEST(TopLimiter, CutsBehindTheLinesAskedWhateverThePieces) {
  const std::string body = "A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\nfour";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    EXPECT_EQ(top(body, 0, piece), "A: 1\r\nB: 2\r\n\r\n");
    EXPECT_EQ(top(body, 1, piece), "A: 1\r\nB: 2\r\n\r\none\r\n");
    EXPECT_EQ(top(body, 2, piece), "A: 1\r\nB: 2\r\n\r\none\r\n\r\n");
    EXPECT_EQ(top(body, 4, piece), body);
    EXPECT_EQ(top(body, 1'000'000, piece), body);
  }
}

TEST(TopLimiter, HeaderEndsAtTheFirstEmptyLineOnly) {
  const std::string body = "\r\r\na\r\n\n\r\n1\n2\n";
  for (std::size_t piece = 1; piece <= body.size(); ++piece) {
    EXPECT_EQ(top(body, 0, piece), "\r\r\na\r\n\n");
    EXPECT_EQ(top(body, 1, piece), "\r\r\na\r\n\n\r\n");
    EXPECT_EQ(top("no: empty line\r\nat: all", 3, piece), "no: empty line\r\nat: all");
    EXPECT_EQ(top("\r\nbody\r\n", 0, piece), "\r\n");
  }
}

}  // namespace
}  // namespace postern::pop3
