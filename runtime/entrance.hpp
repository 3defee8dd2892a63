// All listeners of one core: opens, starts and stops their acceptors, and counts and logs whoever
// is turned away. The same for every process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/acceptor.hpp"
#include "runtime/metrics.hpp"

namespace postern {

/// Where in the process's registry an entrance counts.
struct EntranceMetrics {
  std::size_t accepted = 0;  ///< connections, refused ones too
  std::size_t refused = 0;   ///< for any reason; by reason:
  std::size_t not_allowed = 0;
  std::size_t denied = 0;
  std::size_t connections = 0;
  std::size_t per_source = 0;
  std::size_t proxy = 0;
};

/// One thread: its loop's. Must not be destroyed before stopped().
class Entrance {
 public:
  /// `loop` and `cells` outlive it. `event` is what a refusal is called in the log.
  Entrance(EventLoop& loop, metrics::Cells& cells, const EntranceMetrics& metrics,
           std::string event);

  /// Opens one listener. `listener` is its name; it, `gate` and `addresses` outlive the entrance.
  /// `arrived` gets everybody who may be spoken to, refused or not (Acceptor::Events::arrived); he
  /// is counted as accepted already.
  Result<void> open(const std::string& listener, ConnectionGate& gate,
                    const std::vector<SocketAddress>& addresses, std::uint32_t backlog,
                    std::function<void(Arrival)> arrived);
  void start();
  /// Stops accepting; connections that have not shown their PROXY header yet are dropped.
  void stop();
  bool stopped() const noexcept;

  /// The gate has refused a client: counts and logs it.
  void count_refusal(const std::string& listener, const PeerFacts& peer, Verdict verdict);
  /// The same for a reason of the process's own, which has the counter `metric`.
  void count_refusal(const std::string& listener, const PeerFacts& peer, std::size_t metric,
                     const char* reason);

 private:
  std::size_t metric_of(Verdict verdict) const noexcept;

  EventLoop& loop_;
  metrics::Cells& cells_;
  const EntranceMetrics metrics_;
  const std::string event_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;  // one a listener
};

}  // namespace postern
