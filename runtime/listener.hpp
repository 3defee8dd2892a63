// Accepts connections on one core's share of a listening address.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/event_loop.hpp"
#include "runtime/result.hpp"
#include "runtime/socket_address.hpp"
#include "runtime/unique_fd.hpp"

namespace postern {

/// Each core has its own socket on the same address (SO_REUSEPORT): the kernel spreads connections
/// over the cores and no core hands a socket to another. One thread. Must not be destroyed before
/// stopped() (a multishot operation is in flight until then).
class Listener {
 public:
  /// Called for every accepted connection, on the loop's thread.
  using Handler = std::function<void(UniqueFd)>;

  Listener(EventLoop& loop, UniqueFd listening, Handler handler);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  /// Stops accepting and closes the listening socket; stopped() turns true a turn or two later.
  void stop();
  bool stopped() const noexcept { return !armed_ && !fd_; }

 private:
  void arm();
  void on_accept(const Operation::Completion& completion);

  EventLoop& loop_;
  UniqueFd fd_;
  Handler handler_;
  Operation operation_;
  Timer retry_;
  bool armed_ = false;
  bool stopping_ = false;
};

/// All listeners of one core. One thread.
class ListenerSet {
 public:
  using Handler = std::function<void(const SocketAddress& address, UniqueFd accepted)>;

  /// Opens a socket for each of `addresses`, which must outlive the set. Nothing is accepted yet.
  Result<void> open(EventLoop& loop, const std::vector<SocketAddress>& addresses,
                    std::uint32_t backlog, const Handler& handler);
  void start();
  void stop();
  bool stopped() const noexcept;

 private:
  std::vector<std::unique_ptr<Listener>> listeners_;
};

}  // namespace postern
