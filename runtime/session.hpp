// The sans-IO contract: what every protocol session (SMTP, POP3, IMAP, store service) looks like to
// the event loop, to unit tests, to fuzzers and to benchmarks.
//
// A session is a state machine without IO. It is given octets, events and the time; it leaves what
// it wants in its SessionOutput. It holds no socket, no clock, no ring, no RocksDB handle and no
// logger.
//
// Rules for the one who drives a session:
//  1. One call at a time, from one thread.
//  2. After every call, look at output(): send `bytes` (and clear them), honour `start_tls`,
//  `close` and
//     `deadline`, then ask the protocol's own session class for its request (a commit, a login
//     ...).
//  3. on_input() may consume less than it was given: the rest is kept by the driver and offered
//  again, in
//     front of newer octets, after the next event of any kind. A session that waits for an answer
//     (commit, login) consumes nothing until the answer came: that keeps replies in order.
//  4. After `close` was set nothing more is fed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/time.hpp"

namespace postern {

/// Facts about a connection's TLS layer, known once its handshake is complete.
struct TlsFacts {
  std::string version;      ///< "TLSv1.3", "TLSv1.2"
  std::string cipher;       ///< IANA or OpenSSL name, as the library gives it
  std::string server_name;  ///< SNI sent by the client, empty if none
  std::uint16_t bits = 0;   ///< symmetric key strength
  /// Subject of the client's certificate (RFC 4514); empty: it has shown none.
  std::string client_certificate{};
  /// That certificate is signed by an authority of [tls] client_ca.
  bool client_verified = false;
  /// The first e-mail address in a verified certificate: who SASL EXTERNAL says the client is.
  std::string client_name{};
};

/// Where a connection comes from and how it arrived. Fixed for the life of a session.
struct PeerFacts {
  std::string address;     ///< textual IPv4 or IPv6 address of the client, "unix" for a Unix socket
  std::uint16_t port = 0;  ///< the client's port
  std::string local_address;  ///< the address it connected to
  std::uint16_t local_port = 0;
  bool is_ipv6 = false;
  /// In the listener's `trusted` networks: no limits per source, no penalties.
  bool trusted = false;
  /// Address of the proxy that named the client; empty: it came directly.
  std::string proxy{};
};

/// What a session wants from its driver. Written by the session, drained by the driver after every
/// call.
struct SessionOutput {
  /// Octets to send, in order, behind everything sent before.
  std::string bytes;
  /// After `bytes` have been handed to the transport in the clear, start a server-side TLS
  /// handshake. Octets received in the clear but not consumed are discarded (RFC 3207 section 4.2,
  /// RFC 2595, 3501).
  bool start_tls = false;
  /// Send `bytes`, then close the connection (TLS: close_notify first).
  bool close = false;
  /// When on_deadline() wants to be called; nullopt: never. Stays in force until the session
  /// changes it.
  std::optional<MonoTime> deadline;
};

/// A protocol state machine. See the rules above.
class Session {
 public:
  Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  virtual ~Session() = default;

  /// The connection is open (on an implicit-TLS listener: the handshake is complete and on_tls()
  /// was called first). Greets.
  virtual void on_open(Now now) = 0;
  /// Octets from the client, clear text. Returns how many were consumed (0 .. in.size()).
  virtual std::size_t on_input(std::string_view in, Now now) = 0;
  /// The TLS handshake that start_tls asked for (or the listener demanded) is complete.
  virtual void on_tls(const TlsFacts& tls, Now now) = 0;
  /// The client closed its sending side; on_input() will not be called with new octets any more.
  /// Unconsumed octets were offered once before this call. Anything unfinished is dropped.
  virtual void on_end_of_input(Now now) = 0;
  /// output().deadline has passed. Called at or after it, never before. The deadline is cleared
  /// first.
  virtual void on_deadline(Now now) = 0;
  /// Everything handed over so far went into the socket. A session that streams produces its next
  /// piece here, so a slow reader holds one piece and not a mailbox.
  virtual void on_output_sent(Now) {}
  /// The process is stopping: finish what is already promised (a commit in flight), then say
  /// good-bye.
  virtual void on_shutdown(Now now) = 0;

  SessionOutput& output() noexcept { return output_; }

 protected:
  SessionOutput output_;
};

}  // namespace postern
