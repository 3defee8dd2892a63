// The messages that were accepted lately, by fingerprint, for all cores: a client that lost the
// answer and sends its message again gets the first one's id (issue of RFC 1047).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/smtp/services.hpp"

namespace postern::gateway {

/// A table of fixed size in buckets of a few entries. A session touches one bucket, twice a
/// message; buckets are cache lines of their own and two sessions meet in one only by chance, so
/// the bucket's flag, which is held for some hundred instructions, is free. No allocation after
/// construction.
///
/// A full bucket forgets its oldest message. Bounds: the setting `duplicates_max`; what is
/// forgotten early is stored again, never lost. In memory only: after a restart a repeated message
/// is stored again.
class DuplicateTable final : public smtp::DuplicateMemory {
 public:
  /// A message that a session claimed and never settled (its core is gone) is given up after this.
  /// Longer than any commit that still succeeds.
  static constexpr Duration kClaimLifetime = std::chrono::minutes(10);
  /// Longest id that is kept (MessageIdGenerator::kLength is 14).
  static constexpr std::size_t kIdOctetsMax = 15;

  /// Room for `entries_max` messages, rounded up to whole buckets, at most as many as fit a power
  /// of two of them. `seed` is random.
  DuplicateTable(std::size_t entries_max, std::uint64_t seed);
  ~DuplicateTable() override;

  Claim claim(const smtp::Fingerprint& message, std::string& id, Now now) override;
  void remember(const smtp::Fingerprint& message, std::string_view id, Now now,
                Duration lifetime) override;
  void release(const smtp::Fingerprint& message, std::string_view id) override;
  std::uint64_t seed() const noexcept override { return seed_; }

 private:
  struct Bucket;
  Bucket& bucket_of(const smtp::Fingerprint& message) const noexcept;

  const std::uint64_t seed_;
  std::size_t mask_;
  std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace postern::gateway
