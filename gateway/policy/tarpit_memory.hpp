// Who was answered with an error lately (SMTP-20): his next greeting waits too.
#pragma once

#include "runtime/keyed_table.hpp"
#include "runtime/time.hpp"

namespace postern::policy {

/// Bounded: when full, whoever would be forgotten first is forgotten now. Any thread.
class TarpitMemory {
 public:
  /// Remembers at most `entries_max` sources for `lifetime` each; a lifetime of zero: nobody.
  TarpitMemory(std::size_t entries_max, Duration lifetime)
      : lifetime_(lifetime), table_(entries_max) {}

  /// The source was just answered with an error.
  void remember(const KeyedDigest& source, MonoTime now);
  /// Whether it was, less than a lifetime ago.
  bool remembers(const KeyedDigest& source, MonoTime now);
  /// Entries in memory, expired ones too.
  std::uint64_t entries() const noexcept { return table_.entries(); }

 private:
  const Duration lifetime_;
  KeyedTable<MonoTime> table_;  // until when
};

}  // namespace postern::policy
