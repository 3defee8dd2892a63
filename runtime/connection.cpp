#include "runtime/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

#include "runtime/assert.hpp"

namespace postern {

namespace {

// Input a session has not consumed (it waits for an answer, or its output is not taken) beyond
// which nothing more is received. A pipelining client keeps some hundred commands in it; the rest
// waits in the kernel.
constexpr std::size_t kInputHighOctets = 64 * 1024;
// Unsent output beyond which a session is not fed: a client that does not read costs this much, not
// more.
constexpr std::size_t kOutputHighOctets = 256 * 1024;
// Buffers that grew beyond this are given back when they are empty: idle connections are cheap.
constexpr std::size_t kKeepCapacityOctets = 4 * 1024;
// A handshake of implicit TLS takes two round trips; half a minute serves the slowest honest
// client.
constexpr Duration kHandshakeTimeout = std::chrono::seconds(30);
// After our end of the stream, how long input is read and dropped so that the client gets our last
// reply instead of a reset (RFC 9293 3.6.1: unread input at close makes a RST).
constexpr Duration kLingerTimeout = std::chrono::seconds(2);
// How much is dropped that way: a client in the middle of the largest usual message (36 MiB) still
// gets to our reply; whoever sends more does not read.
constexpr std::size_t kDiscardedOctetsMax = std::size_t{64} << 20;

void give_back(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kKeepCapacityOctets) buffer.shrink_to_fit();
}

}  // namespace

Connection::Connection(EventLoop& loop, UniqueFd fd, ConnectionOptions options)
    : loop_(loop),
      fd_(std::move(fd)),
      options_(options),
      timer_(this, [](void* owner, Now now) { static_cast<Connection*>(owner)->on_timer(now); }) {
  receive_operation_ = {this, [](void* owner, const Operation::Completion& completion) {
                          static_cast<Connection*>(owner)->on_receive(completion);
                        }};
  send_operation_ = {this, [](void* owner, const Operation::Completion& completion) {
                       static_cast<Connection*>(owner)->on_sent(completion);
                     }};
}

Connection::~Connection() {
  POSTERN_ASSERT(!receive_armed_ && !send_in_flight_);
  if (fd_) loop_.ring().close(fd_.release());
}

void Connection::start(std::string_view early_input) {
  const Entry entry(*this);
  // The server speaks first: nothing to receive yet, unless the client starts with a TLS hello.
  arm_receive(!options_.implicit_tls);
  if (options_.implicit_tls) {
    POSTERN_ASSERT(options_.tls != nullptr);
    tls_ = std::make_unique<TlsPipe>(options_.tls->context, options_.client_certificates);
    loop_.timers().arm(timer_, loop_.now().mono + kHandshakeTimeout);
  } else {
    session_open_ = true;
    open_session(loop_.now());
    after_session_call();
    pump();
  }
  if (!early_input.empty() && phase_ == Phase::open) take_input(early_input);
}

void Connection::begin_shutdown() {
  const Entry entry(*this);
  if (phase_ != Phase::open) return;
  if (!session_open_) return end();
  session().on_shutdown(loop_.now());
  after_session_call();
  pump();
}

void Connection::abort() {
  const Entry entry(*this);
  end();
}

void Connection::resume() {
  const Entry entry(*this);
  pump();
}

// --- the driver's heart -------------------------------------------------------------------------

// Moves octets between the session and the buffers until nothing moves any more, then lets the
// kernel have its turn. Re-entered calls (a session call that answers at once) are served by the
// outer loop.
void Connection::pump() {
  if (in_pump_ || phase_ == Phase::ended) return;
  in_pump_ = true;
  bool moved = true;
  while (moved && phase_ == Phase::open) {
    collect_output();
    if (phase_ != Phase::open) break;
    moved = unsent() <= kOutputHighOctets && (progress_tls() || feed_session());
  }
  if (phase_ == Phase::open) deliver_end_of_input();
  in_pump_ = false;
  flush();
  sync_deadline();
  control_receiving();
}

// Takes what the session left in its output: octets to send, TLS to start, the end.
void Connection::collect_output() {
  SessionOutput& output = session().output();
  if (!output.bytes.empty()) {
    if (tls_) {
      tls_->write(output.bytes, out_);
      give_back(output.bytes);
    } else if (out_.empty()) {
      out_.swap(output.bytes);
    } else {
      out_.append(output.bytes);
      output.bytes.clear();
    }
  }
  if (output.start_tls) {
    output.start_tls = false;
    begin_tls();
  }
  if (output.close) begin_close();
}

void Connection::begin_tls() {
  POSTERN_ASSERT(options_.tls != nullptr && !tls_);
  // Whatever came in the clear behind STARTTLS was not protected: it is not the client's word.
  direct_ = {};
  give_back(input_);
  input_used_ = 0;
  tls_ = std::make_unique<TlsPipe>(options_.tls->context, options_.client_certificates);
}

// Handshake and decryption. True when a session call became possible or was made.
bool Connection::progress_tls() {
  if (!tls_) return false;
  if (tls_->state() == TlsPipe::State::handshaking) {
    if (tls_->backlog() == 0) return false;
    if (tls_->handshake(out_) == TlsPipe::State::open) {
      loop_.timers().disarm(
          timer_);  // the handshake's; the session's deadline is armed after this turn
      armed_deadline_.reset();
      const TlsFacts facts = tls_->facts();
      session().on_tls(facts, loop_.now());
      on_tls_open(facts);
      after_session_call();
      if (!session_open_) {
        session_open_ = true;
        open_session(loop_.now());
        after_session_call();
      }
      return true;
    }
  } else if (tls_->state() == TlsPipe::State::open && tls_->backlog() > 0 &&
             waiting_input().size() < kInputHighOctets) {
    if (input_used_ == input_.size()) {
      input_.clear();
      input_used_ = 0;
    }
    const std::size_t before = input_.size();
    tls_->read(input_, kInputHighOctets, out_);
    if (tls_->state() == TlsPipe::State::ended) peer_ended_ = true;
    // What came in front of a bad record is dropped with it: its answers could not be sent.
    if (tls_->state() != TlsPipe::State::failed && input_.size() > before) {
      feed_session();
      return true;
    }
  }
  if (tls_->state() == TlsPipe::State::failed) on_broken_tls();
  return false;
}

// No octet can be exchanged any more, but for the alert that says why.
void Connection::on_broken_tls() {
  on_tls_failure(tls_->error());
  tell_end();
  begin_close();
}

// Lets the session drop what it is in the middle of; what it says to that is not sent.
void Connection::tell_end() {
  if (!session_open_ || end_delivered_) return;
  end_delivered_ = true;
  session().on_end_of_input(loop_.now());
  after_session_call();
  give_back(session().output().bytes);
}

// Offers the waiting input once. True when the session consumed some of it.
bool Connection::feed_session() {
  if (!session_open_ || (tls_ && tls_->state() == TlsPipe::State::handshaking)) return false;
  const bool from_pool = !direct_.empty();
  const std::string_view offered = from_pool ? direct_ : waiting_input();
  if (offered.empty()) return false;
  const std::size_t used = session().on_input(offered, loop_.now());
  POSTERN_ASSERT(used <= offered.size());
  after_session_call();
  if (phase_ == Phase::ended) return false;  // aborted in there: the input is dropped
  if (from_pool) {
    direct_.remove_prefix(used);
  } else {
    input_used_ += used;
    if (input_used_ == input_.size()) {
      give_back(input_);
      input_used_ = 0;
    } else if (input_used_ > kInputHighOctets) {
      input_.erase(0, input_used_);
      input_used_ = 0;
    }
  }
  return used > 0;
}

void Connection::deliver_end_of_input() {
  if (!peer_ended_ || end_delivered_ || awaiting_answer()) return;
  if (!session_open_) {  // gone before the handshake was complete
    end();
    return;
  }
  // A client that half-closes after its last command still gets every answer: the session may be
  // streaming one, piece by piece as the pieces are sent. If the client is gone altogether, sending
  // fails.
  if (unsent() > 0) return;
  end_delivered_ = true;
  session().on_end_of_input(loop_.now());
  after_session_call();
  collect_output();
}

// --- closing ------------------------------------------------------------------------------------

void Connection::begin_close() {
  if (phase_ != Phase::open) return;
  phase_ = Phase::flushing;
  direct_ = {};
  give_back(input_);
  input_used_ = 0;
  if (tls_) tls_->close(out_);
  loop_.timers().arm(timer_, flush_watch_.begin(options_.flush, loop_.now().mono));
}

void Connection::end() {
  if (phase_ == Phase::ended) return;
  const bool session_knows = phase_ != Phase::open;
  phase_ = Phase::ended;
  loop_.timers().disarm(timer_);
  direct_ = {};
  if (receive_armed_ && !receive_cancelled_) {
    receive_cancelled_ = true;
    loop_.ring().cancel(receive_operation_);
  }
  if (send_in_flight_) loop_.ring().cancel(send_operation_);
  if (!session_knows) tell_end();
}

void Connection::finish_if_idle() {
  if (phase_ != Phase::ended || receive_armed_ || send_in_flight_ || awaiting_answer()) return;
  on_closed();  // may destroy *this
}

// --- sending ------------------------------------------------------------------------------------

void Connection::flush() {
  if (send_in_flight_ || phase_ == Phase::ended) return;
  if (!out_.empty()) {
    sending_.swap(out_);
    send_in_flight_ = true;
    loop_.ring().send(fd_.get(), sending_, send_operation_);
    return;
  }
  if (phase_ != Phase::flushing) return;
  if (peer_ended_) return end();
  phase_ = Phase::lingering;
  // A plain system call that does not wait. io_uring's shutdown is always handed to a worker
  // thread, which looks the descriptor up by number only then: it has been seen to hit the next
  // connection of that number.
  (void)::shutdown(fd_.get(), SHUT_WR);
  loop_.timers().arm(timer_, loop_.now().mono + kLingerTimeout);
}

void Connection::on_sent(const Operation::Completion& completion) {
  const Entry entry(*this);
  send_in_flight_ = false;
  const bool whole = completion.result == static_cast<std::int32_t>(sending_.size());
  give_back(sending_);
  if (!whole) end();
  if (phase_ == Phase::ended) return;
  if (!out_.empty() || phase_ != Phase::open) return flush();
  if (session_open_) {
    session().on_output_sent(loop_.now());
    after_session_call();
  }
  pump();
}

// --- receiving ----------------------------------------------------------------------------------

void Connection::arm_receive(bool poll_first) {
  receive_armed_ = true;
  receive_cancelled_ = false;
  if (options_.unix_socket) {
    loop_.ring().receive(fd_.get(), receive_operation_);
  } else {
    loop_.ring().receive_multishot(fd_.get(), receive_operation_, poll_first);
  }
}

void Connection::on_receive(const Operation::Completion& completion) {
  const Entry entry(*this);
  if (!completion.more) receive_armed_ = false;
  if (completion.has_buffer) {
    // Behind TLS's close_notify nothing is the client's word (RFC 8446 6.1), and nobody reads it.
    if (completion.result > 0 && phase_ == Phase::open && !peer_ended_) {
      const auto octets = static_cast<std::size_t>(completion.result);
      take_input({loop_.ring().buffer(completion.buffer_id).data(), octets});
    } else if (completion.result > 0) {
      discarded_octets_ += static_cast<std::size_t>(completion.result);
    }
    loop_.ring().recycle(completion.buffer_id);
  }
  const bool broken =
      completion.result < 0 && completion.result != -ENOBUFS && completion.result != -ECANCELED;
  if (completion.result == 0) peer_ended_ = true;
  const bool floods = discarded_octets_ > kDiscardedOctetsMax;
  // A client that ends its side while the last octets go out still gets them.
  if (broken || floods || (completion.result == 0 && phase_ == Phase::lingering)) end();
  if (phase_ == Phase::ended) return;
  if (completion.result == 0) return pump();
  if (!receive_armed_) control_receiving();
}

void Connection::take_input(std::string_view octets) {
  if (tls_) {
    tls_->feed(octets);
  } else if (waiting_input().empty()) {
    direct_ = octets;  // fed straight out of the pool buffer
  } else {
    input_.append(octets);
  }
  pump();
  if (!direct_.empty()) {  // what the session left is copied, for the buffer goes back now
    input_.append(direct_);
    direct_ = {};
  }
  control_receiving();
}

// Stops receiving while too much input waits; starts again when it was consumed.
void Connection::control_receiving() {
  if (phase_ == Phase::ended || peer_ended_) return;
  const std::size_t backlog = waiting_input().size() + (tls_ ? tls_->backlog() : 0);
  const bool full = phase_ == Phase::open && backlog >= kInputHighOctets;
  if (full && receive_armed_ && !receive_cancelled_) {
    receive_cancelled_ = true;
    loop_.ring().cancel(receive_operation_);
  } else if (!full && !receive_armed_) {
    arm_receive(false);
  }
}

// --- time ---------------------------------------------------------------------------------------

void Connection::sync_deadline() {
  if (phase_ != Phase::open || !session_open_) return;
  const std::optional<MonoTime>& wanted = session().output().deadline;
  if (wanted == armed_deadline_ && (timer_.armed() || !wanted)) return;
  armed_deadline_ = wanted;
  if (wanted) {
    loop_.timers().arm(timer_, *wanted);
  } else {
    loop_.timers().disarm(timer_);
  }
}

void Connection::on_timer(Now now) {
  const Entry entry(*this);
  if (phase_ == Phase::flushing) {
    const auto next = flush_watch_.look(fd_.get(), options_.flush, now.mono);
    if (next) return loop_.timers().arm(timer_, *next);
  }
  // A handshake, a last reply or a linger that took too long.
  if (phase_ != Phase::open || !session_open_) return end();
  session().output().deadline.reset();
  armed_deadline_.reset();
  session().on_deadline(now);
  after_session_call();
  pump();
}

}  // namespace postern
