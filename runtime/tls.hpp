// TLS as a byte transformer: ciphertext in, clear text out, and back. BoringSSL does no system call
// here: its BIO reads from and appends to our buffers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "runtime/session.hpp"
#include "runtime/tls_material.hpp"
#include "runtime/tls_names.hpp"
#include "runtime/tls_tickets.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace postern {

/// Whether clients are asked for a certificate.
enum class ClientCertificateMode : std::uint8_t {
  none,
  request,  ///< whatever comes, also nothing, is accepted; TlsFacts say what it was
  require,  ///< only one that is signed by an authority of the material
};

/// The server's certificates and what goes with them. One per core: BoringSSL takes a lock on its
/// context for every handshake, and cores share nothing. Immutable but for its ticket keys, and
/// replaced as a whole when files have changed; connections keep the one they began with.
///
/// TLS 1.2 and 1.3 only; AEAD suites with forward secrecy only (IMAP-06: no RC4, no 3DES); no early
/// data (a replayed MAIL command is a second mail); no session cache (tickets carry the state).
class TlsContext {
 public:
  /// Error: invalid_argument (not PEM, a key that does not match, no certificate at all), which
  /// names the file.
  static Result<std::shared_ptr<TlsContext>> make(const TlsMaterial& material,
                                                  const TicketKeyring& tickets);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// When the first of the certificates expires (seconds since 1970).
  std::int64_t expires_unix_seconds() const noexcept { return expires_unix_seconds_; }
  /// New ticket keys, from the next handshake on. The context's thread.
  void set_tickets(const TicketKeyring& tickets) { tickets_ = tickets; }

 private:
  friend class TlsPipe;
  friend struct TlsCallbacks;
  struct Certificate {
    ssl_ctx_st* context = nullptr;
    int key_type = 0;  // EVP_PKEY_RSA ...
  };

  TlsContext() = default;
  Result<void> add_certificate(const TlsMaterial::Pair& pair, const TlsMaterial& material);
  Result<void> set_authorities(ssl_ctx_st* context, const TlsMaterial& material);
  void add_names(const std::vector<std::string>& names, std::size_t number);
  std::size_t choose(ssl_st* ssl) const;

  std::vector<Certificate> certificates_;
  TlsNames names_;
  TicketKeyring tickets_;
  std::int64_t expires_unix_seconds_ = std::numeric_limits<std::int64_t>::max();
  std::string authorities_digest_;  // a ticket is good for the authorities it was made under
};

/// A core's present context: connections take it when their handshake begins. One thread.
struct TlsSlot {
  std::shared_ptr<TlsContext> context;
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

  /// Keeps `context` until it ends.
  TlsPipe(std::shared_ptr<TlsContext> context, ClientCertificateMode client_certificates);
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
  /// Encrypts `clear`, appending records to `out`. Not while handshaking; when failed, nothing.
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
  friend struct TlsCallbacks;
  State fail_from_library();
  void bind_tickets();

  const std::shared_ptr<TlsContext> context_;
  const ClientCertificateMode client_certificates_;
  ssl_st* ssl_ = nullptr;
  std::string input_;
  std::size_t input_used_ = 0;
  std::string* output_ = nullptr;  // where the BIO appends; set during a call
  State state_ = State::handshaking;
  std::string error_;
};

}  // namespace postern
