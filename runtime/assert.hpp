// Assertions that stay on in release builds: a programmer error ends the process at the place where
// it is seen, with file and line, instead of going on with a broken invariant. Operating errors
// (bad input, full disk, lost peer) are values: see runtime/result.hpp.
#pragma once

namespace postern {

/// Writes "file:line: assertion failed: text" to stderr and aborts. Any thread.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace postern

#define POSTERN_ASSERT(expression)                                  \
  do {                                                              \
    if (!(expression)) [[unlikely]]                                 \
      ::postern::assertion_failed(#expression, __FILE__, __LINE__); \
  } while (false)
