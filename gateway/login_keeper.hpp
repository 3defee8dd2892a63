// Keeps over a restart from which networks accounts have logged in: without it an owner would be a
// stranger on his usual network while his account is attacked.
#pragma once

#include <cstdint>

#include "gateway/shared.hpp"
#include "runtime/event_loop.hpp"

namespace postern::gateway {

/// Reads the file in the store's folder into the policy. Start-up, after the store was opened: it
/// belongs to this process then. A file that cannot be read is a warning in the log: nobody's mail
/// depends on it.
void restore_logins(GatewayShared& shared);
/// Writes the file, if anybody ever logged in: another one beside it, fsynced, in its place. Blocks
/// on the disk: on a worker, or on the main thread when the cores have ended. False: there is a
/// warning in the log.
bool save_logins(GatewayShared& shared);

/// Lives on core 0's loop. Writes the file on a worker every few minutes, if there is news.
class LoginKeeper {
 public:
  LoginKeeper(GatewayShared& shared, EventLoop& loop);

  void start();
  /// No further write begins. stopped() turns true when none is under way.
  void stop();
  bool stopped() const noexcept { return !outstanding_; }

 private:
  void look();

  GatewayShared& shared_;
  EventLoop& loop_;
  std::uint64_t saved_changes_ = 0;  // of LoginGuard::known_changes()
  bool outstanding_ = false;
  Timer timer_;
};

}  // namespace postern::gateway
