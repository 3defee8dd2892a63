// SASL mechanisms (RFC 4422), the server's side, as state machines without IO: responses in,
// challenges out. Shared by SMTP, POP3 and IMAP; each protocol frames the octets its own way
// (base64 here is done by the protocol, with base64.hpp).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace postern::sasl {

/// Send these octets and wait for a response. May be empty.
struct Challenge {
  std::string octets;
};
/// Check this user name and password; the exchange is over.
struct Verify {
  std::string user;
  std::string password;
};
/// The client is who its TLS certificate says it is (EXTERNAL); the exchange is over. Whoever knows
/// the certificate finds out who that is, and whether it may act as `authorize_as` (empty: as
/// itself).
struct Vouched {
  std::string authorize_as;
};
/// The exchange is over without anybody to check.
struct Failure {
  enum class Reason {
    malformed,       ///< the response does not have the mechanism's form
    not_authorized,  ///< well formed, but asks to act as somebody else
  };
  Reason reason = Reason::malformed;
};
using Step = std::variant<Challenge, Verify, Failure, Vouched>;

/// One exchange. Used once.
class Mechanism {
 public:
  Mechanism() = default;
  Mechanism(const Mechanism&) = delete;
  Mechanism& operator=(const Mechanism&) = delete;
  virtual ~Mechanism() = default;
  /// Its registered name, in capitals.
  virtual std::string_view name() const noexcept = 0;
  /// The first server challenge has no data: the client speaks first (RFC 4422 section 3 item 3).
  virtual bool client_first() const noexcept = 0;
  /// Begins. `initial` is the initial response, decoded; nullopt: the client sent none.
  virtual Step start(std::optional<std::string_view> initial) = 0;
  /// The response to the last challenge, decoded.
  virtual Step respond(std::string_view response) = 0;
};

/// Longest user name, password or authorization identity that is looked at. Far above what people
/// use; RFC 4616 demands 255 octets of UTF-8.
inline constexpr std::size_t kCredentialOctetsMax = 1024;

/// A new exchange of the mechanism named `name` (any case): PLAIN (RFC 4616), LOGIN (MS-XLOGIN).
/// nullptr: not known. EXTERNAL (external.hpp) is for protocols that look at client certificates.
std::unique_ptr<Mechanism> make_mechanism(std::string_view name);

}  // namespace postern::sasl
