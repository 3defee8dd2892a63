// Keeps a process's certificates and ticket keys up to date: reads the files, and hands what is
// good to every core.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/core_group.hpp"
#include "runtime/result.hpp"
#include "runtime/spsc_queue.hpp"
#include "runtime/tls.hpp"

namespace postern {

/// Owned by the main thread, which calls everything but attach(). Outlives the cores.
class TlsKeeper {
 public:
  /// Reads all files and tries them. No pairs: TLS is not configured, and nothing else is done.
  /// Error: the first file that is missing or no good. `ticket_period`: how long tickets are made
  /// with one key; zero: no tickets.
  static Result<std::unique_ptr<TlsKeeper>> open(TlsFiles files, Duration ticket_period,
                                                 std::uint32_t cores);

  bool configured() const noexcept { return !files_.pairs.empty(); }
  /// Makes core `index`'s context and returns where it will always find its present one. On that
  /// core's thread, while cores start (the main thread waits meanwhile).
  Result<TlsSlot*> attach(std::uint32_t index);

  /// Reads all files again. A pair that is no good is kept as it was and the log says why; the
  /// others are renewed. New handshakes use what is new, connections that are open keep what they
  /// have.
  void reload(CoreGroup& cores);
  /// Begins the next period of ticket keys.
  void rotate_tickets(CoreGroup& cores);
  /// When the first of the present certificates expires (seconds since 1970); 0: there is none. Any
  /// thread.
  std::int64_t expires_unix_seconds() const noexcept { return expires_unix_seconds_.load(); }
  /// How often rotate_tickets() wants to be called; zero: never.
  Duration rotation_period() const noexcept {
    return configured() ? tickets_.lifetime : Duration();
  }

 private:
  struct alignas(kCacheLineOctets) Slot : TlsSlot {};  // each touched by its core alone

  explicit TlsKeeper(TlsFiles files, std::uint32_t cores);
  void take(const TlsContext& present);
  void distribute(CoreGroup& cores);

  const TlsFiles files_;
  std::shared_ptr<const TlsMaterial> material_;
  TicketKeyring tickets_;
  std::atomic<std::int64_t> expires_unix_seconds_{0};
  std::vector<Slot> slots_;
};

}  // namespace postern
