// Operating errors as values.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace postern {

/// What kind of operating error happened: what a caller may decide on. The text is for people.
enum class ErrorCode {
  invalid_argument,   ///< the caller's input is malformed or out of range
  not_found,          ///< the named thing does not exist
  already_exists,     ///< the named thing exists already
  permission_denied,  ///< the caller may not do this
  unavailable,        ///< a peer or resource is not there now; a retry later may work
  exhausted,          ///< a limit was reached (memory, disk, queue, count)
  corrupted,          ///< stored or received data does not decode
  io,                 ///< the operating system or RocksDB reported an error
  unsupported,        ///< this build, kernel or format version cannot do it
  aborted,            ///< given up because the process is stopping
};

/// An operating error: a code to decide on and a sentence for the log. Never shown to a mail
/// client.
struct Error {
  ErrorCode code = ErrorCode::io;
  std::string message;
};

template <class T>
using Result = std::expected<T, Error>;

/// Shorthand for returning an Error from a function that returns Result<T>.
inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace postern
