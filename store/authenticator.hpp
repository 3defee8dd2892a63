// Checks user names and passwords against the directory. One object for all protocols, any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/time.hpp"
#include "store/directory.hpp"

namespace postern::store {

/// Limits of the memory of successful logins.
struct AuthenticatorOptions {
  /// How long a success answers without a hash. Mail clients log in every one to ten minutes.
  std::chrono::minutes success_lifetime{15};
  /// Successes remembered: 64 octets each, so this is 4 MiB. Beyond it the oldest half is
  /// forgotten.
  std::size_t successes_max = 64 * 1024;
};

/// How a verification ended. A wrong password and an unknown user cannot be told apart, neither by
/// value nor by the time they take.
struct AuthOutcome {
  enum class Kind : std::uint8_t { ok, bad_credentials, unavailable };
  Kind kind = Kind::unavailable;
  AccountId account{};  ///< this and the rest are set when ok
  std::string name;     ///< canonical account name
  MailboxId inbox{};
  AccountSettings settings;
};

/// Thread-safe. Remembers successes under a keyed hash of user, password and the account's stored
/// hash: a changed password or removed account therefore never hits, and no password stays in
/// memory.
class Authenticator {
 public:
  using DirectorySource = std::function<DirectoryPtr()>;

  /// `directory` is called from any thread, e.g. [&engine] { return engine.directory(); }.
  explicit Authenticator(DirectorySource directory, AuthenticatorOptions options = {});
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// Worker threads: blocks for the time of a password hash unless the success is remembered.
  AuthOutcome verify(std::string_view user, std::string_view password, MonoTime now);

  /// Any thread, microseconds: ok when the success is remembered, else nullopt (then ask verify()).
  std::optional<AuthOutcome> verify_cached(std::string_view user, std::string_view password,
                                           MonoTime now);

 private:
  class SuccessCache;
  DirectorySource directory_;
  std::unique_ptr<SuccessCache> successes_;
};

}  // namespace postern::store
