// Where a new password comes from: never from the command line, where every user of the machine
// could read it.
#pragma once

#include <string>

#include "runtime/result.hpp"

namespace postern::cli {

/// Reads a password: from the first line of `file` ("-": standard input); with `file` empty from
/// the terminal, asked twice without echo, or from standard input if that is no terminal.
/// invalid_argument: empty, too long, holds a NUL, or the two answers differ; aborted: the user
/// pressed Ctrl-C or Ctrl-D.
Result<std::string> read_password(const std::string& file, const std::string& user);

}  // namespace postern::cli
