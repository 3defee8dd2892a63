#include "gateway/login_penalty.hpp"

#include <algorithm>
#include <chrono>

#include "gateway/metric_ids.hpp"
#include "runtime/log.hpp"

namespace postern::gateway {

void note_login_penalty(metrics::Cells& cells, const LoginFacts& login,
                        const policy::LoginGuard::Answer& answer, MonoTime now) {
  if (!answer.refused && answer.at <= now) return;
  cells.add(answer.refused ? kLoginsRefused : kLoginsDelayed);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(answer.at - now);
  log::event(log::Level::info, answer.refused ? "login.refused" : "login.delayed",
             {{"protocol", login.protocol},
              {"client", login.client},
              {"user", login.user},
              {"wait_ms", std::max<std::int64_t>(0, wait.count())}});
}

}  // namespace postern::gateway
