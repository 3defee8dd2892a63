// Which commands there are, when they may come, and with how many arguments.
#pragma once

#include <cstdint>
#include <string_view>

#include "sidecars/pop3/command_line.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

/// What may be said of a command without running it. Bits.
enum CommandFlags : std::uint16_t {
  kBeforeLogin = 1 << 0,        ///< valid in the AUTHORIZATION state
  kAfterLogin = 1 << 1,         ///< valid in the TRANSACTION state
  kWithoutTls = 1 << 2,         ///< also where the listener demands TLS and it is not there yet
  kRestIsOneArgument = 1 << 3,  ///< the rest of the line, blanks included, counts as one argument
};

/// One row of the table.
struct CommandEntry {
  std::string_view name;
  void (Pop3Session::*handler)(const CommandLine& line, Now now);
  std::uint16_t flags = 0;
  std::uint8_t arguments_min = 0;
  std::uint8_t arguments_max = 0;
  std::string_view usage;  ///< told to a client that gets the arguments wrong
};

/// The table itself; a friend of Pop3Session so that it may name the handlers.
struct CommandTable {
  /// The row of a keyword, any case; nullptr if there is no such command.
  static const CommandEntry* find(std::string_view keyword) noexcept;
};

}  // namespace postern::pop3
