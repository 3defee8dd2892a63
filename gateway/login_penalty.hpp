// What a login under penalty leaves in the metrics and the log.
#pragma once

#include <string_view>

#include "gateway/policy/login_guard.hpp"
#include "runtime/metrics.hpp"

namespace postern::gateway {

/// Whose login it is. The views are used during the call only.
struct LoginFacts {
  std::string_view protocol;
  std::string_view client;  ///< textual address
  std::string_view user;    ///< as the client named it
};

/// Counts and logs an answer that the guard holds back or withholds; nothing for one that is given
/// at once. `cells` are those of the calling thread, `now` is when the answer was found.
void note_login_penalty(metrics::Cells& cells, const LoginFacts& login,
                        const policy::LoginGuard::Answer& answer, MonoTime now);

}  // namespace postern::gateway
