#include "gateway/smtp/data_reader.hpp"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace postern::smtp {
namespace {

struct Outcome {
  std::string content;
  std::size_t consumed = 0;
  bool ended = false;
  bool bare = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Reads `octets` in blocks of `block` octets, until the end of the message.
Outcome read_in_blocks(std::string_view octets, std::size_t block) {
  DataReader reader;
  Outcome outcome;
  while (!octets.empty() && !outcome.ended) {
    std::string_view in = octets.substr(0, block);
    octets.remove_prefix(in.size());
    while (!in.empty() && !outcome.ended) {
      const DataReader::Piece piece = reader.next(in);
      outcome.content += piece.content;
      outcome.consumed += piece.consumed;
      outcome.bare |= piece.bare_newline;
      outcome.ended = piece.end;
      in.remove_prefix(piece.consumed);
    }
  }
  return outcome;
}

// The definition, octet by octet, for comparison.
Outcome read_plainly(std::string_view octets) {
  Outcome outcome;
  bool line_start = true;
  std::size_t at = 0;
  const auto is = [&](std::size_t index, char c) {
    return index < octets.size() && octets[index] == c;
  };
  while (at < octets.size()) {
    if (line_start && octets[at] == '.') {
      if (at + 1 == octets.size() || (is(at + 1, '\r') && at + 2 == octets.size())) break;
      if (is(at + 1, '\r') && is(at + 2, '\n')) {
        outcome.consumed = at + 3;
        outcome.ended = true;
        return outcome;
      }
      ++at;
    }
    line_start = false;
    if (octets[at] == '\r' && is(at + 1, '\n')) {
      outcome.content += "\r\n";
      at += 2;
      line_start = true;
      continue;
    }
    if (octets[at] == '\n' || (octets[at] == '\r' && at + 1 < octets.size())) outcome.bare = true;
    outcome.content += octets[at++];
  }
  outcome.consumed = octets.size();
  return outcome;
}

void expect(std::string_view octets, const Outcome& expected) {
  for (std::size_t block = 1; block <= octets.size(); ++block) {
    EXPECT_EQ(read_in_blocks(octets, block), expected) << octets << " in blocks of " << block;
  }
  EXPECT_EQ(read_plainly(octets), expected) << octets;
}

TEST(DataReader, EndsOnCrlfDotCrlfOnly) {
  expect("a\r\n.\r\nQUIT\r\n", {"a\r\n", 6, true, false});
  expect(".\r\nx", {"", 3, true, false});
  expect("a\n.\nb\r\n.\r\n", {"a\n.\nb\r\n", 10, true, true});
  expect("a\r\n.\nb\r\n.\r\n", {"a\r\n\nb\r\n", 11, true, true});
  expect("a\n.\r\nb\r\n.\r\n", {"a\n.\r\nb\r\n", 11, true, true});
  expect("a\r.\r\nb\r\n.\r\n", {"a\r.\r\nb\r\n", 11, true, true});
  expect("a\r\n.\r\r\nb\r\n.\r\n", {"a\r\n\r\r\nb\r\n", 13, true, true});
  expect("a\r\r\n.\r\n", {"a\r\r\n", 7, true, true});
}

TEST(DataReader, RemovesStuffedDots) {
  expect("..\r\n.\r\n", {".\r\n", 7, true, false});
  expect("...a\r\n..\r\n.b\r\n.\r\n", {"..a\r\n.\r\nb\r\n", 17, true, false});
  expect("a.b\r\n.\r\n", {"a.b\r\n", 8, true, false});
}

TEST(DataReader, EveryOctetPasses) {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    if (c != '\r' && c != '\n') all += static_cast<char>(c);
  }
  expect(all + "\r\n.\r\n", {all + "\r\n", all.size() + 5, true, false});
}

TEST(DataReader, AgreesWithTheDefinitionOnRandomInput) {
  std::mt19937 random(1);
  constexpr std::string_view kOctets = "\r\n.a\r\n.\r\n";
  for (int round = 0; round < 3000; ++round) {
    std::string octets;
    const std::size_t size = random() % 200;
    while (octets.size() < size) {
      if (random() % 4 == 0) octets.append(random() % 90, 'x');
      octets += kOctets[random() % kOctets.size()];
    }
    // The definition looks one octet ahead at the end; give both something to look at.
    octets += "x\r\n.\r\n";
    const Outcome expected = read_plainly(octets);
    EXPECT_EQ(read_in_blocks(octets, octets.size()), expected);
    EXPECT_EQ(read_in_blocks(octets, 1), expected);
    EXPECT_EQ(read_in_blocks(octets, 1 + random() % 70), expected);
  }
}

TEST(FindIrregular, FindsEachKindAtEveryPlace) {
  for (std::size_t size : {1U, 15U, 16U, 17U, 63U, 64U, 65U, 66U, 200U}) {
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'x');
      EXPECT_EQ(find_irregular(text, 'x'), size);
      text[at] = '\n';
      EXPECT_EQ(find_irregular(text, 'x'), at);
      if (at > 0) {
        text[at - 1] = '\r';
        EXPECT_EQ(find_irregular(text, 'x'), size);
        if (at + 1 < size) {
          text[at + 1] = '.';
          EXPECT_EQ(find_irregular(text, 'x'), at + 1);
        }
        text[at] = 'x';
        EXPECT_EQ(find_irregular(text, 'x'), at);
      }
    }
  }
  EXPECT_EQ(find_irregular("\n", '\r'), 1U);
  EXPECT_EQ(find_irregular("a", '\r'), 0U);
  EXPECT_EQ(find_irregular(".", '\n'), 0U);
  EXPECT_EQ(find_irregular("", '\r'), 0U);
}

TEST(NewlineCheck, SeesBareLineEndsAcrossPieces) {
  // Where the first one shows; the size if none does.
  const auto bare = [](std::string_view octets, std::size_t piece_octets) {
    NewlineCheck check;
    std::size_t at = 0;
    while (at < octets.size()) {
      const NewlineCheck::Piece piece = check.next(octets.substr(at, piece_octets));
      EXPECT_FALSE(piece.content.empty());
      EXPECT_EQ(piece.content, octets.substr(at, piece.content.size()));
      if (piece.bare_newline) {
        EXPECT_EQ(piece.content.size(), 1U);
        return at;
      }
      at += piece.content.size();
    }
    return at;
  };
  struct Case {
    std::string_view octets;
    std::size_t at;
  };
  for (const Case& one : {Case{"", 0}, Case{"a\r\n.\r\n..\r\n.a", 12}, Case{".a\r\n.b\r\n", 8},
                          Case{"a\nb", 1}, Case{"a\rb", 2}, Case{"a\r\n.\n", 4}, Case{"\n", 0},
                          Case{"a\r", 2}, Case{"a\r\n.\r", 5}, Case{"\r\r\n", 1}}) {
    for (std::size_t piece_octets = 1; piece_octets <= one.octets.size() + 1; ++piece_octets) {
      EXPECT_EQ(bare(one.octets, piece_octets), one.at) << one.octets;
    }
  }
}

// Each one is told, not only the first.
TEST(NewlineCheck, GoesOnBehindABareLineEnd) {
  NewlineCheck check;
  std::string seen;
  std::string_view rest = "a\nb\rc\r\n\n.\r\r\nd";
  while (!rest.empty()) {
    const NewlineCheck::Piece piece = check.next(rest);
    seen += piece.bare_newline ? "!" : "_";
    seen += piece.content;
    rest.remove_prefix(piece.content.size());
  }
  EXPECT_EQ(seen, "_a!\n_b\r!c_\r\n!\n_.\r!\r_\nd");
}

}  // namespace
}  // namespace postern::smtp
