// TLS as a byte transformer: ciphertext in, clear text out, and back. BoringSSL does no system call
// here: its BIO reads from and appends to our buffers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "runtime/session.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace postern {

/// Keys that encrypt session tickets, shared by every core of a process so that a client that comes
/// back to another core resumes all the same. Random per process.
using TicketKeys = std::array<std::uint8_t, 48>;
/// Fresh random ticket keys.
TicketKeys make_ticket_keys();

/// A server certificate and what goes with it. One per core: BoringSSL takes a lock on its context
/// for every handshake, and cores share nothing.
///
/// TLS 1.2 and 1.3 only; AEAD suites with forward secrecy only (IMAP-06: no RC4, no 3DES); no early
/// data (a replayed MAIL command is a second mail); no session cache (tickets carry the state).
class TlsContext {
 public:
  /// Loads PEM files: `certificate` leaf first, then intermediates; `key` its private key. Errors:
  /// not_found (file), invalid_argument (not PEM, key does not match).
  static Result<std::unique_ptr<TlsContext>> load(const std::string& certificate,
                                                  const std::string& key,
                                                  const TicketKeys& tickets);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsPipe;
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// One connection's TLS layer, server side. One thread.
class TlsPipe {
 public:
  enum class State : std::uint8_t {
    handshaking,  ///< needs more ciphertext
    open,         ///< application data flows
    ended,        ///< the client sent close_notify
    failed,       ///< protocol error; an alert is in the output
  };

  explicit TlsPipe(TlsContext& context);
  ~TlsPipe();
  TlsPipe(const TlsPipe&) = delete;
  TlsPipe& operator=(const TlsPipe&) = delete;

  /// Takes received ciphertext.
  void feed(std::string_view ciphertext);
  /// Ciphertext fed but not yet processed, octets: what a driver bounds before it receives more.
  std::size_t backlog() const noexcept { return input_.size() - input_used_; }
  /// Goes on with the handshake as far as the input reaches. Appends what is to be sent to `out`.
  State handshake(std::string& out);
  /// Decrypts what is there, at most about `limit` octets, appending to `clear`; alerts and key
  /// updates that have to be sent are appended to `out`.
  State read(std::string& clear, std::size_t limit, std::string& out);
  /// Encrypts `clear`, appending records to `out`. State must be open or ended.
  void write(std::string_view clear, std::string& out);
  /// Appends close_notify.
  void close(std::string& out);

  State state() const noexcept { return state_; }
  /// Valid once open.
  TlsFacts facts() const;
  /// Why state is failed, for the log.
  const std::string& error() const noexcept { return error_; }

 private:
  friend struct TlsPipeBio;
  State fail_from_library();

  ssl_st* ssl_ = nullptr;
  std::string input_;
  std::size_t input_used_ = 0;
  std::string* output_ = nullptr;  // where the BIO appends; set during a call
  State state_ = State::handshaking;
  std::string error_;
};

}  // namespace postern
