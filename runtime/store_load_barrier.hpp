// The barrier between "I am going to sleep" and "is there work?", and between "there is work" and
// "does anybody sleep?".
#pragma once

#include <atomic>

#if defined(__SANITIZE_THREAD__)
#define POSTERN_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define POSTERN_THREAD_SANITIZER 1
#endif
#endif

namespace postern {

/// Orders every store before it before every load after it. `flag` is the sleeper's announcement.
/// ThreadSanitizer does not model fences; there a read-modify-write of the flag orders as strongly.
template <class Integer>
inline void store_load_barrier([[maybe_unused]] std::atomic<Integer>& flag) noexcept {
#ifdef POSTERN_THREAD_SANITIZER
  flag.fetch_add(0, std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace postern
