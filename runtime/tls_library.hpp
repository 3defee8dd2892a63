// What the TLS files share about BoringSSL. Included by runtime/tls*.cpp alone.
#pragma once

#include <string>

namespace postern {

/// Takes the library's error queue of this thread as text.
std::string tls_library_error();

}  // namespace postern
