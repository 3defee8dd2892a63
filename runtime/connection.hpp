// Drives one Session on one socket: receives, decrypts, feeds, sends, keeps deadlines, closes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/event_loop.hpp"
#include "runtime/flush_watch.hpp"
#include "runtime/session.hpp"
#include "runtime/tls.hpp"
#include "runtime/unique_fd.hpp"

namespace postern {

/// How a connection starts.
struct ConnectionOptions {
  /// Null or empty: no TLS. Must outlive the connection, which takes what is there when its
  /// handshake begins.
  const TlsSlot* tls = nullptr;
  bool implicit_tls = false;  ///< TLS from the first octet; needs `tls`
  ClientCertificateMode client_certificates = ClientCertificateMode::none;
  bool unix_socket = false;  ///< received with Ring::receive(), see there
  FlushLimits flush = {};    ///< how long the last reply may take to leave
};

/// A connection belongs to one event loop and is touched on its thread only.
///
/// A derived class owns the Session and carries out what the session asks beyond octets: it
/// overrides after_session_call() (look at the session's request, start it) and, when an answer is
/// there, hands it to the session and calls resume(). While it waits for an answer it must return
/// true from awaiting_answer(): then the object lives on even if the client goes away, and end of
/// input is held back.
///
/// Memory is bounded: unconsumed input stops the receiving (64 KiB plus what the kernel had
/// completed), unsent output stops the feeding; the kernel's socket buffers then slow the client
/// down.
class Connection {
 public:
  Connection(EventLoop& loop, UniqueFd fd, ConnectionOptions options);
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Starts receiving and opens the session (after the handshake, on implicit TLS). `early_input`
  /// was received before the connection was made (behind a PROXY header) and comes first.
  void start(std::string_view early_input = {});
  /// Tells the session that the process is stopping.
  void begin_shutdown();
  /// Drops the connection without further words (drain time is over).
  void abort();

 protected:
  virtual Session& session() = 0;
  /// Opens the session: once, when octets can flow. Override to open it differently (a refusal).
  virtual void open_session(Now now) { session().on_open(now); }
  /// Called after every call into the session: start what it requests.
  virtual void after_session_call() = 0;
  /// Whether an answer that was asked for is outstanding.
  virtual bool awaiting_answer() const = 0;
  /// Everything has ended: the owner destroys the object, possibly right here.
  virtual void on_closed() = 0;
  /// The TLS handshake is complete, for the log; the session has been told.
  virtual void on_tls_open(const TlsFacts& /*facts*/) {}
  /// TLS failed, in the handshake or by a bad record later, for the log. The session, if it is
  /// open, is told the end of input next.
  virtual void on_tls_failure(const std::string& /*error*/) {}

  /// After an answer was handed to the session: honours its output and offers the waiting input.
  void resume();
  EventLoop& loop() noexcept { return loop_; }
  /// The client is gone or the session over: answers matter no more.
  bool finished() const noexcept { return phase_ != Phase::open; }
  /// The client's side is at its end, though its requests may still be answered.
  bool peer_ended() const noexcept { return peer_ended_; }

 private:
  enum class Phase : std::uint8_t {
    open,       ///< the session runs
    flushing,   ///< the session closed: its last octets go out
    lingering,  ///< our side is shut down: input is discarded until the client's end
    ended,      ///< waiting for operations and answers to come back, then on_closed()
  };

  void on_receive(const Operation::Completion& completion);
  void on_sent(const Operation::Completion& completion);
  void on_timer(Now now);
  void take_input(std::string_view octets);
  void arm_receive(bool poll_first);
  void pump();
  bool feed_session();
  bool progress_tls();
  void collect_output();
  void begin_tls();
  void deliver_end_of_input();
  void on_broken_tls();
  void tell_end();
  void begin_close();
  void flush();
  void control_receiving();
  void sync_deadline();
  void end();
  void finish_if_idle();

  /// Brackets every entry from outside: only the outermost one, as its very last act, may let the
  /// owner destroy the connection.
  class Entry {
   public:
    explicit Entry(Connection& connection) noexcept : connection_(connection) {
      ++connection_.depth_;
    }
    ~Entry() {
      if (--connection_.depth_ == 0) connection_.finish_if_idle();
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

   private:
    Connection& connection_;
  };
  std::size_t unsent() const noexcept { return out_.size() + sending_.size(); }
  std::string_view waiting_input() const noexcept {
    return std::string_view(input_).substr(input_used_);
  }

  EventLoop& loop_;
  UniqueFd fd_;
  ConnectionOptions options_;
  std::unique_ptr<TlsPipe> tls_;

  std::string input_;  // clear text that the session has not consumed
  std::size_t input_used_ = 0;
  std::string_view direct_;  // clear text still in a pool buffer, during on_receive only
  std::string out_;          // to be sent next (ciphertext once TLS is on)
  std::string sending_;      // in the kernel's hands

  Operation receive_operation_;
  Operation send_operation_;
  Timer timer_;
  std::optional<MonoTime> armed_deadline_;
  FlushWatch flush_watch_;  // while flushing

  std::size_t discarded_octets_ = 0;  // of input, after the session closed
  Phase phase_ = Phase::open;
  bool receive_armed_ = false;
  bool receive_cancelled_ = false;
  bool send_in_flight_ = false;
  bool session_open_ = false;
  bool peer_ended_ = false;  // the client's side is at its end
  bool end_delivered_ = false;
  bool in_pump_ = false;
  int depth_ = 0;  // entries from the loop or the owner that are on the stack
};

}  // namespace postern
