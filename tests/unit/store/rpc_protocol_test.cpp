#include <gtest/gtest.h>
#include <random>
#include <set>

#include "store/octet_codec.hpp"
#include "store/rpc/protocol.hpp"
#include "tests/unit/store/rpc_samples.hpp"

namespace postern::store::rpc {
namespace {

std::string framed(const Message& message) {
  std::string out;
  const Result<void> encoded = encode(message, out);
  EXPECT_TRUE(encoded.has_value()) << encoded.error().message;
  return out;
}

std::string_view content(const std::string& frame) {
  return std::string_view(frame).substr(kFramePrefixOctets);
}

TEST(RpcProtocol, SamplesCoverEveryKind) {
  std::set<std::size_t> requests;
  std::set<std::size_t> replies;
  for (const Message& message : test::sample_messages()) {
    if (const auto* request = std::get_if<Request>(&message))
      requests.insert(request->body.index());
    if (const auto* reply = std::get_if<Reply>(&message); reply && reply->body) {
      replies.insert(reply->body->index());
    }
  }
  EXPECT_EQ(requests.size(), std::variant_size_v<RequestBody>);
  EXPECT_EQ(replies.size(), std::variant_size_v<ReplyBody>);
}

TEST(RpcProtocol, RoundTripsEveryMessage) {
  for (const Message& message : test::sample_messages()) {
    const std::string frame = framed(message);
    EXPECT_EQ(read_be<std::uint32_t>(frame.data()), frame.size() - kFramePrefixOctets);
    const Result<Message> decoded = decode(content(frame));
    ASSERT_TRUE(decoded.has_value()) << message.index();
    EXPECT_EQ(framed(*decoded), frame);
    ASSERT_EQ(decoded->index(), message.index());
  }
}

TEST(RpcProtocol, KeepsTheValues) {
  const std::string frame = framed(test::sample_messages()[2]);
  const Result<Message> decoded = decode(content(frame));
  ASSERT_TRUE(decoded.has_value());
  const auto& request = std::get<Request>(*decoded);
  EXPECT_EQ(request.id, 3u);
  const Mutation& mutation = std::get<Mutate>(request.body).mutation;
  EXPECT_EQ(mutation.key_high, 0x1122334455667788u);
  const auto& flags = std::get<StoreFlags>(mutation.body);
  EXPECT_EQ(flags.mailbox, MailboxId{5});
  EXPECT_EQ(flags.uids, (std::vector<UidRange>{{1, 1}, {3, 9}, {4'000'000'000, 4'294'967'295}}));
  EXPECT_EQ(flags.mode, StoreFlags::Mode::remove);
  EXPECT_EQ(flags.keywords, (std::vector<std::string>{"$Forwarded", "Junk"}));
  EXPECT_EQ(flags.unchanged_since, 99u);

  QueueListReply queue{{{.id = "x", .arrival_unix_ms = -5, .last_error = "e"}}, 9};
  const std::string queue_frame = framed(Reply{1, ReplyBody(queue)});
  const Result<Message> again = decode(content(queue_frame));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(std::get<QueueListReply>(*std::get<Reply>(*again).body), queue);
}

TEST(RpcProtocol, EveryTruncationAndExtensionIsAnError) {
  for (const Message& message : test::sample_messages()) {
    const std::string frame = framed(message);
    for (std::size_t length = 0; length < content(frame).size(); ++length) {
      const std::string cut(content(frame).substr(0, length));
      EXPECT_FALSE(decode(cut).has_value()) << message.index() << " at " << length;
    }
    EXPECT_FALSE(decode(std::string(content(frame)) + '\0').has_value());
  }
}

// A flipped bit may make another valid message (there is no checksum on a local socket); what must
// not be is a crash, or a message that is not what its octets say.
TEST(RpcProtocol, EveryBitFlipIsAnErrorOrAnotherCanonicalMessage) {
  std::size_t errors = 0;
  for (const Message& message : test::sample_messages()) {
    const std::string frame = framed(message);
    for (std::size_t bit = 0; bit < content(frame).size() * 8; ++bit) {
      std::string flipped = frame;
      flipped[kFramePrefixOctets + bit / 8] ^= static_cast<char>(1 << (bit % 8));
      const Result<Message> decoded = decode(content(flipped));
      if (decoded) {
        EXPECT_EQ(framed(*decoded), flipped) << message.index() << " bit " << bit;
      } else {
        ++errors;
      }
    }
  }
  EXPECT_GT(errors, 1000u);
}

TEST(RpcProtocol, RandomOctetsNeverCrash) {
  std::mt19937_64 random(20240917);
  for (int i = 0; i < 200'000; ++i) {
    std::string octets(random() % 64, '\0');
    for (char& c : octets) c = static_cast<char>(random());
    if (!octets.empty()) octets[0] = static_cast<char>(kProtocolVersion);
    if (const Result<Message> decoded = decode(octets)) {
      EXPECT_EQ(content(framed(*decoded)), octets);
    }
  }
}

TEST(RpcProtocol, RefusesAnotherVersion) {
  std::string frame = framed(Request{1, Ping{}});
  frame[kFramePrefixOctets] = 9;
  const Result<Message> decoded = decode(content(frame));
  ASSERT_FALSE(decoded.has_value());
  EXPECT_EQ(decoded.error().code, ErrorCode::unsupported);
}

TEST(RpcProtocol, RefusesToEncodeWhatTheOtherSideWouldRefuse) {
  const auto refused = [](RequestBody body) {
    std::string out = "before";
    const Result<void> encoded = encode(Request{1, std::move(body)}, out);
    EXPECT_EQ(out == "before", !encoded.has_value());
    return !encoded && encoded.error().code == ErrorCode::invalid_argument;
  };
  EXPECT_TRUE(refused(DomainAdd{std::string(kNameOctetsMax + 1, 'x')}));
  EXPECT_TRUE(refused(UserAdd{"a", "b", std::vector<std::string>(kAliasesMax + 1, "c")}));
  EXPECT_TRUE(refused(UserList{"", 0}));
  EXPECT_TRUE(refused(UserList{"", kListEntriesMax + 1}));
  for (const std::vector<UidRange>& uids :
       {std::vector<UidRange>{{0, 1}}, {{2, 1}}, {{1, 2}, {2, 3}}, {{5, 6}, {1, 2}}}) {
    EXPECT_TRUE(refused(Mutate{{.body = Expunge{.mailbox = MailboxId{1}, .uids = uids}}}));
  }
  std::vector<UidRange> many(kUidRangesMax + 1);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i].first = many[i].last = static_cast<Uid>(2 * i + 1);
  }
  EXPECT_TRUE(refused(Mutate{{.body = Expunge{.mailbox = MailboxId{1}, .uids = many}}}));
  many.pop_back();
  EXPECT_FALSE(refused(DomainAdd{std::string(kNameOctetsMax, 'x')}));
  const std::string frame =
      framed(Request{1, Mutate{{.body = Expunge{.mailbox = MailboxId{1}, .uids = many}}}});
  ASSERT_TRUE(decode(content(frame)).has_value());
}

TEST(RpcProtocol, RefusesAListThatIsTooLargeForAFrame) {
  UserEntry heavy{.name = "n", .aliases = std::vector<std::string>(1000, std::string(1024, 'a'))};
  std::string out;
  const Result<void> encoded =
      encode(Reply{1, ReplyBody(UserListReply{std::vector<UserEntry>(5, heavy), false})}, out);
  ASSERT_FALSE(encoded.has_value());
  EXPECT_EQ(encoded.error().code, ErrorCode::invalid_argument);
  EXPECT_TRUE(out.empty());
}

TEST(RpcProtocol, CutsLongErrorTexts) {
  const std::string frame =
      framed(Reply{4, fail(ErrorCode::io, std::string(kTextOctetsMax + 100, 'e'))});
  const Result<Message> decoded = decode(content(frame));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<Reply>(*decoded).body.error().message.size(), kTextOctetsMax);
}

TEST(RpcFrameReader, FramesSplitAtEveryOctet) {
  std::string stream;
  for (const Message& message : test::sample_messages()) stream += framed(message);
  for (std::size_t split = 0; split <= stream.size(); ++split) {
    FrameReader reader;
    std::string rebuilt;
    for (std::string_view part :
         {std::string_view(stream).substr(0, split), std::string_view(stream).substr(split)}) {
      while (!part.empty()) {
        if (reader.feed(part) != FrameReader::Status::frame) continue;
        const Result<Message> decoded = decode(reader.frame());
        ASSERT_TRUE(decoded.has_value());
        rebuilt += framed(*decoded);
      }
    }
    ASSERT_EQ(rebuilt, stream) << split;
  }
}

TEST(RpcFrameReader, RefusesImpossibleLengthsWithoutAllocating) {
  for (const std::uint32_t length :
       {0u, 9u, static_cast<std::uint32_t>(kFrameOctetsMax) + 1, ~0u}) {
    std::string octets;
    append_be(octets, length);
    octets += "rest";
    std::string_view in = octets;
    FrameReader reader;
    EXPECT_EQ(reader.feed(in), FrameReader::Status::bad_length) << length;
    EXPECT_LE(reader.buffered(), kFramePrefixOctets);
  }
}

}  // namespace
}  // namespace postern::store::rpc
