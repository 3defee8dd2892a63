// One io_uring, hidden behind the few operations that Postern needs. This header names no liburing
// type: liburing is included by ring.cpp and bench/wakeup_bench.cpp alone.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "runtime/time.hpp"

namespace postern {

/// An operation in flight. Embedded in whoever starts it; its address is the kernel's user_data, so
/// it must stay where it is until the last completion (for multishot operations: the one without
/// `more`).
struct Operation {
  /// What completed: `result` as the system call would return it (negative errno on error).
  struct Completion {
    std::int32_t result = 0;
    bool more = false;        ///< multishot: further completions will follow
    bool has_buffer = false;  ///< recv: `buffer_id` names a buffer of the ring's pool
    std::uint16_t buffer_id = 0;
  };
  using Handler = void (*)(void* owner, const Completion& completion);
  void* owner = nullptr;
  Handler handler = nullptr;
};

/// Sizes of a ring. All powers of two.
struct RingOptions {
  std::uint32_t submission_entries = 1024;  ///< operations queued between two system calls
  /// Completions the kernel can hold before it has to keep them in overflow memory: sends and
  /// receives of some thousand busy connections.
  std::uint32_t completion_entries = 16 * 1024;
  std::uint32_t receive_buffers = 1024;             ///< provided buffers shared by all connections
  std::uint32_t receive_buffer_octets = 16 * 1024;  ///< of each
  /// How long a loop on this ring looks for work before it sleeps (EventLoop::spin()); zero: not.
  Duration spin_max = Duration::zero();
};

/// A ring with SINGLE_ISSUER and DEFER_TASKRUN and one provided-buffer ring. Made, used and
/// destroyed on one thread.
///
/// Completions are collected first and handled after (turn()), so a handler may start and cancel
/// operations freely; nothing runs inside the reaping loop.
class Ring {
 public:
  /// Errors: unsupported (kernel too old), permission_denied (forbidden by sysctl or seccomp),
  /// exhausted. The message is a whole sentence with the remedy.
  static Result<std::unique_ptr<Ring>> create(const RingOptions& options);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /// Accepts connections on `fd` until cancelled or failed; result is the new descriptor
  /// (close-on-exec).
  void accept_multishot(int fd, Operation& operation);
  /// Receives on `fd` into pool buffers until cancelled, failed (ENOBUFS: re-arm) or end of input
  /// (0). `poll_first`: no octets are expected yet, so do not try before waiting.
  void receive_multishot(int fd, Operation& operation, bool poll_first);
  /// Receives once into a pool buffer. For Unix sockets: their multishot receive loses the end of
  /// input when it was there already as the last octets were read (seen on Linux 6.18: the kernel's
  /// "more to read" hint knows of TCP's FIN but not of a Unix socket's shutdown, and waits for an
  /// edge that never comes).
  void receive(int fd, Operation& operation);
  /// Sends all of `octets` (retried inside the kernel until everything is sent or the peer is
  /// gone). They must stay in place until completion.
  void send(int fd, std::string_view octets, Operation& operation);
  /// Reads up to `size` octets, as read(2).
  void read(int fd, void* into, std::uint32_t size, Operation& operation);
  /// Closes the descriptor, fire and forget. Operations on it must have completed.
  void close(int fd);
  /// Asks the kernel to cancel `operation`, fire and forget; its last completion arrives as usual
  /// (-ECANCELED, or whatever happened first).
  void cancel(Operation& operation);

  /// The octets of pool buffer `id`; valid until recycle(id).
  std::span<char> buffer(std::uint16_t id) noexcept;
  /// Gives buffer `id` back to the kernel.
  void recycle(std::uint16_t id) noexcept;

  /// Submits what is queued, waits until a completion is there or `wait` has passed (zero: does not
  /// wait), then runs the handlers of all completions. Returns their number.
  std::size_t turn(Duration wait);
  /// As turn() in two steps, for a loop that reads the clock in between.
  std::size_t submit_and_collect(Duration wait);
  /// Whether a turn would collect something. Two loads, no system call.
  bool has_work() const noexcept;
  void run_handlers();

 private:
  struct State;
  explicit Ring(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace postern
