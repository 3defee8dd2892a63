#include "gateway/smtp/observer.hpp"

namespace postern::smtp {

std::string_view name_of(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::quit:
      return "quit";
    case EndReason::client_closed:
      return "client_closed";
    case EndReason::inactivity_timeout:
      return "inactivity_timeout";
    case EndReason::connection_timeout:
      return "connection_timeout";
    case EndReason::protocol_errors:
      return "protocol_errors";
    case EndReason::logon_failures:
      return "logon_failures";
    case EndReason::transactions:
      return "transactions";
    case EndReason::not_smtp:
      return "not_smtp";
    case EndReason::pipelining:
      return "pipelining";
    case EndReason::rate_limited:
      return "rate_limited";
    case EndReason::early_talker:
      return "early_talker";
    case EndReason::slow_data:
      return "slow_data";
    case EndReason::bad_chunk:
      return "bad_chunk";
    case EndReason::refused:
      return "refused";
    case EndReason::shutdown:
      return "shutdown";
  }
  return "unknown";
}

std::string_view name_of(AuthEvent event) noexcept {
  switch (event) {
    case AuthEvent::ok:
      return "ok";
    case AuthEvent::failed:
      return "bad_credentials";
    case AuthEvent::unavailable:
      return "unavailable";
    case AuthEvent::not_here:
      return "not_here";
  }
  return {};
}

}  // namespace postern::smtp
