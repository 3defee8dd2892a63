// The gateway's end of the store service's socket, in the hands of a test.
#pragma once

#include <deque>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "runtime/socket_address.hpp"
#include "runtime/unique_fd.hpp"
#include "store/rpc/service_session.hpp"

namespace postern::sidecars::test {

/// Speaks the real protocol (rpc::ServiceSession) to whoever connects; what is asked is kept for
/// the test to answer. Hello is answered by itself.
class FakeGateway {
 public:
  explicit FakeGateway(const std::string& path) {
    auto listening = listen_unix(path, 16);
    EXPECT_TRUE(listening.has_value());
    if (listening) listener_ = std::move(*listening);
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
  }

  /// Accepts, reads and writes what is possible without waiting.
  void turn() {
    if (!listener_) return;
    if (UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        fd) {
      peer_ = std::make_unique<Peer>(std::move(fd));
      asked.clear();
      ++connections;
    }
    if (peer_ && !silent) receive();
    if (peer_ && !silent) flush();
  }
  /// Answers request `id` of the present connection.
  void reply(std::uint64_t id, Result<store::rpc::ReplyBody> body) {
    peer_->session.reply(id, std::move(body));
    flush();
  }
  /// The first request of kind T that waits, or null; valid until the next turn.
  template <class T>
  const T* waiting(std::uint64_t& id) {
    for (const store::rpc::Request& request : asked) {
      if (const T* body = std::get_if<T>(&request.body)) {
        id = request.id;
        return body;
      }
    }
    return nullptr;
  }
  /// Answers the first waiting request of kind T. False: there is none.
  template <class T>
  bool answer(Result<store::rpc::ReplyBody> body) {
    for (auto next = asked.begin(); next != asked.end(); ++next) {
      if (!std::holds_alternative<T>(next->body)) continue;
      const std::uint64_t id = next->id;
      asked.erase(next);
      reply(id, std::move(body));
      return true;
    }
    return false;
  }
  /// How many requests of kind T wait.
  template <class T>
  std::size_t count() const {
    std::size_t found = 0;
    for (const auto& request : asked) found += std::holds_alternative<T>(request.body) ? 1 : 0;
    return found;
  }
  void drop_connection() {
    peer_.reset();
    asked.clear();
  }
  bool connected() const { return peer_ != nullptr; }

  store::rpc::HelloReply hello{.gateway_epoch = 1};
  bool silent = false;                    ///< neither reads nor writes: it hangs
  std::size_t connections = 0;            ///< accepted so far
  std::deque<store::rpc::Request> asked;  ///< on the present connection, not answered

 private:
  struct Peer {
    explicit Peer(UniqueFd socket) : fd(std::move(socket)) { session.on_open({}); }
    UniqueFd fd;
    store::rpc::ServiceSession session{{.mailboxes = true, .administration = false}};
    std::string input;
  };

  void receive() {
    char buffer[65536];
    for (;;) {
      const ssize_t got = ::recv(peer_->fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got == 0) return drop_connection();
      if (got < 0) break;
      peer_->input.append(buffer, static_cast<std::size_t>(got));
    }
    peer_->input.erase(0, peer_->session.on_input(peer_->input, {}));
    while (auto request = peer_->session.take_request()) {
      if (std::holds_alternative<store::rpc::Hello>(request->body)) {
        peer_->session.reply(request->id, hello);
      } else {
        asked.push_back(std::move(*request));
      }
    }
  }
  void flush() {
    std::string& out = peer_->session.output().bytes;
    if (out.empty()) return;
    const ssize_t put = ::send(peer_->fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
    if (put < 0) return drop_connection();
    out.erase(0, static_cast<std::size_t>(put));
    if (out.empty()) peer_->session.on_output_sent({});
  }

  UniqueFd listener_;
  std::unique_ptr<Peer> peer_;
};

}  // namespace postern::sidecars::test
