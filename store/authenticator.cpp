#include "store/authenticator.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <unordered_map>
#include <utility>
#include <vector>

#include "store/octet_codec.hpp"
#include "store/password.hpp"

namespace postern::store {

/// Remembers which (user, password, stored hash) were found right, as a keyed digest.
class Authenticator::SuccessCache {
 public:
  using Digest = std::array<std::uint8_t, SHA256_DIGEST_LENGTH>;

  explicit SuccessCache(AuthenticatorOptions options) : options_(options) {
    RAND_bytes(key_.data(), key_.size());
  }

  /// A random key makes the digest useless outside this process; a full-width MAC, because a
  /// collision would be a login.
  Digest digest(const Account& account, std::string_view password) const {
    std::string text;
    text.reserve(account.name.size() + password.size() + account.password_hash.size() + 12);
    append_string(text, account.name);
    append_string(text, account.password_hash);
    append_string(text, password);
    Digest out{};
    unsigned int length = 0;
    HMAC(EVP_sha256(), key_.data(), key_.size(), reinterpret_cast<const std::uint8_t*>(text.data()),
         text.size(), out.data(), &length);
    OPENSSL_cleanse(text.data(), text.size());
    return out;
  }

  bool contains(const Digest& digest, MonoTime now) {
    const std::lock_guard lock(mutex_);
    const auto found = successes_.find(digest);
    if (found == successes_.end()) return false;
    if (now < found->second) return true;
    successes_.erase(found);
    return false;
  }

  void insert(const Digest& digest, MonoTime now) {
    const std::lock_guard lock(mutex_);
    if (options_.successes_max == 0) return;
    if (successes_.size() >= options_.successes_max) forget_half(now);
    successes_[digest] = now + options_.success_lifetime;
  }

 private:
  struct Hash {
    std::size_t operator()(const Digest& digest) const noexcept {
      std::size_t value = 0;
      std::memcpy(&value, digest.data(), sizeof value);  // already uniformly distributed
      return value;
    }
  };

  /// Drops what expired, then the older half if that was not enough. Linear, once in many inserts.
  void forget_half(MonoTime now) {
    std::erase_if(successes_, [&](const auto& entry) { return entry.second <= now; });
    if (successes_.size() < options_.successes_max) return;
    std::vector<MonoTime> ends;
    ends.reserve(successes_.size());
    for (const auto& [digest, end] : successes_) ends.push_back(end);
    const auto middle = ends.begin() + static_cast<std::ptrdiff_t>(ends.size() / 2);
    std::ranges::nth_element(ends, middle);
    std::erase_if(successes_, [&](const auto& entry) { return entry.second <= *middle; });
  }

  const AuthenticatorOptions options_;
  std::array<std::uint8_t, 32> key_{};
  std::mutex mutex_;
  std::unordered_map<Digest, MonoTime, Hash> successes_;  // with their end
};

namespace {

AuthOutcome success(const Account& account) {
  return AuthOutcome{.kind = AuthOutcome::Kind::ok,
                     .account = account.id,
                     .name = account.name,
                     .inbox = account.inbox,
                     .settings = account.settings};
}

}  // namespace

Authenticator::Authenticator(DirectorySource directory, AuthenticatorOptions options)
    : directory_(std::move(directory)), successes_(std::make_unique<SuccessCache>(options)) {}

Authenticator::~Authenticator() = default;

std::optional<AuthOutcome> Authenticator::verify_cached(std::string_view user,
                                                        std::string_view password, MonoTime now) {
  const DirectoryPtr directory = directory_();
  const Account* account = directory->find_login(user);
  if (account == nullptr || account->password_hash.empty()) return std::nullopt;
  if (password.size() > kPasswordOctetsMax) return std::nullopt;
  if (!successes_->contains(successes_->digest(*account, password), now)) return std::nullopt;
  return success(*account);
}

AuthOutcome Authenticator::verify(std::string_view user, std::string_view password, MonoTime now) {
  const DirectoryPtr directory = directory_();
  const Account* account = directory->find_login(user);
  if (account == nullptr || account->password_hash.empty()) {
    spend_password_time(password);
    return AuthOutcome{.kind = AuthOutcome::Kind::bad_credentials};
  }
  if (password.size() > kPasswordOctetsMax) {
    return AuthOutcome{.kind = AuthOutcome::Kind::bad_credentials};
  }
  const auto digest = successes_->digest(*account, password);
  if (successes_->contains(digest, now)) return success(*account);
  const auto right = verify_password(password, account->password_hash);
  if (!right) return AuthOutcome{.kind = AuthOutcome::Kind::unavailable};
  if (!*right) return AuthOutcome{.kind = AuthOutcome::Kind::bad_credentials};
  successes_->insert(digest, now);
  return success(*account);
}

}  // namespace postern::store
