// Answers to recent mutations, for clients that lost theirs and ask again with the same key.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "runtime/time.hpp"
#include "store/mutation.hpp"

namespace postern::store {

/// One thread. Bounded in number and age; the oldest go first.
class RememberedReplies {
 public:
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };

  RememberedReplies(std::size_t entries_max, Duration lifetime)
      : entries_max_(entries_max), lifetime_(lifetime) {}

  /// The first answer to this key; nullptr when it is not (any more) known.
  const MutationReply* find(const Key& key, MonoTime now);
  /// Remembers an answer whose change is durable. A key that is known keeps its first answer.
  void insert(const Key& key, const MutationReply& reply, MonoTime now);
  std::size_t size() const noexcept { return replies_.size(); }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const noexcept {
      // high is random per process and low counts within it: a multiplication spreads both.
      return static_cast<std::size_t>((key.high ^ key.low) * 0x9e3779b97f4a7c15ull);
    }
  };
  struct Age {
    Key key;
    MonoTime since;
  };

  void expire(MonoTime now);

  const std::size_t entries_max_;
  const Duration lifetime_;
  std::unordered_map<Key, MutationReply, Hash> replies_;
  std::deque<Age> ages_;  // oldest first
};

inline const MutationReply* RememberedReplies::find(const Key& key, MonoTime now) {
  expire(now);
  const auto found = replies_.find(key);
  return found == replies_.end() ? nullptr : &found->second;
}

inline void RememberedReplies::insert(const Key& key, const MutationReply& reply, MonoTime now) {
  if (entries_max_ == 0) return;
  if (!replies_.emplace(key, reply).second) return;
  ages_.push_back(Age{key, now});
  if (ages_.size() > entries_max_) {
    replies_.erase(ages_.front().key);
    ages_.pop_front();
  }
}

inline void RememberedReplies::expire(MonoTime now) {
  while (!ages_.empty() && now - ages_.front().since > lifetime_) {
    replies_.erase(ages_.front().key);
    ages_.pop_front();
  }
}

}  // namespace postern::store
