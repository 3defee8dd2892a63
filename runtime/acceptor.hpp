// One listener on one core: accepts, learns who the client is (from the socket, or from a PROXY
// header in front of everything else), asks the gate, and hands over an arrival.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/connection_gate.hpp"
#include "runtime/event_loop.hpp"
#include "runtime/listener.hpp"
#include "runtime/proxy_protocol.hpp"
#include "runtime/session.hpp"
#include "runtime/unique_fd.hpp"

namespace postern {

/// A connection with everything known about it before its first octet is served.
struct Arrival {
  UniqueFd fd;
  PeerFacts peer;           ///< the client's, as the proxy names it if there is one
  std::string early_input;  ///< what came behind the PROXY header: for Connection::start()
  Admission admission;      ///< to be kept as long as the connection; may be a refusal
};

/// One thread: its loop's. Must not be destroyed before stopped().
class Acceptor {
 public:
  struct Events {
    /// Somebody has connected. An arrival that is silent() never gets here: it is only counted.
    std::function<void(Arrival)> arrived;
    /// A connection was closed without a word: refused, and too many refusals are open already.
    std::function<void(const PeerFacts& peer, Verdict verdict)> dropped;
    /// A connection to a proxy_protocol listener brought no usable header, or did not come from
    /// proxy_from. It is closed without a word: it is not known whose it is.
    std::function<void(const PeerFacts& proxy, const char* why)> proxy_failed;
  };

  /// `loop` and `gate` outlive the acceptor.
  Acceptor(EventLoop& loop, ConnectionGate& gate, Events events);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /// Opens a socket for each of `addresses`, which must outlive the acceptor.
  Result<void> open(const std::vector<SocketAddress>& addresses, std::uint32_t backlog);
  void start() { listeners_.start(); }
  /// Stops accepting; connections that have not shown their header yet are dropped.
  void stop();
  bool stopped() const noexcept { return listeners_.stopped() && prefaces_.empty(); }

 private:
  class Preface;

  void accepted(const SocketAddress& address, UniqueFd fd);
  void enter(UniqueFd fd, PeerFacts peer, std::string early_input);
  void preface_done(Preface* preface, const ProxyParse& parse);
  void preface_failed(Preface* preface, const char* why);

  EventLoop& loop_;
  ConnectionGate& gate_;
  const Events events_;
  ListenerSet listeners_;
  std::unordered_map<Preface*, std::unique_ptr<Preface>> prefaces_;
};

}  // namespace postern
