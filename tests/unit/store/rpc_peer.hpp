// A service session with the driver it needs in tests: unconsumed input, octets on their way.
#pragma once

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/rpc/protocol.hpp"
#include "store/rpc/service_session.hpp"

namespace postern::store::rpc::test {

inline constexpr Rights kAll{.mailboxes = true, .administration = true};

inline std::string framed(const Message& message) {
  std::string out;
  EXPECT_TRUE(encode(message, out).has_value());
  return out;
}

/// A session and what a driver remembers between events.
struct Peer {
  explicit Peer(Rights rights = kAll) : session(rights) { session.on_open(now); }

  void feed(std::string_view octets) {
    input += octets;
    offer();
  }
  void offer() {
    while (!input.empty() && !session.output().close) {
      const std::size_t used = session.on_input(input, now);
      input.erase(0, used);
      if (used == 0) return;
    }
  }
  void hello() {
    feed(framed(Request{kHelloId, Hello{.client = "test"}}));
    const std::optional<Request> request = session.take_request();
    ASSERT_TRUE(request.has_value());
    session.reply(request->id, HelloReply{.gateway_epoch = 4});
    drain();
    (void)sent();
  }
  /// Everything handed to the transport is sent.
  void drain() {
    wire += session.output().bytes;
    session.output().bytes.clear();
    session.on_output_sent(now);
    wire += session.output().bytes;
    session.output().bytes.clear();
    offer();
  }
  /// Messages the peer would have read since the last call.
  std::vector<Message> sent() {
    wire += session.output().bytes;
    session.output().bytes.clear();
    std::vector<Message> messages;
    std::string_view rest = wire;
    FrameReader reader;
    while (!rest.empty() && reader.feed(rest) == FrameReader::Status::frame) {
      Result<Message> message = decode(reader.frame());
      EXPECT_TRUE(message.has_value());
      messages.push_back(std::move(*message));
    }
    wire.clear();
    return messages;
  }

  static constexpr std::uint64_t kHelloId = 1'000'000;
  Now now{};
  ServiceSession session;
  std::string input;
  std::string wire;
};

}  // namespace postern::store::rpc::test
