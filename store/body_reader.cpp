#include "store/body_reader.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <limits>
#include <shared_mutex>
#include <string_view>
#include <thread>

#include "store/schema.hpp"

namespace postern::store {

namespace {

/// Attempts of one catch-up, some milliseconds apart: an attempt fails only when the writer removes
/// a file in just that moment.
constexpr int kCatchUpAttempts = 5;
constexpr std::chrono::milliseconds kCatchUpPause{2};

/// Memory asked for at once; a longer read grows as octets really come.
constexpr std::uint64_t kReserveOctetsMax = 1u << 20;

std::string reading(BodyId body) { return fmt::format("reading message body {}", raw(body)); }

}  // namespace

Result<std::unique_ptr<BodyReader>> BodyReader::open(SecondaryOptions options) {
  Result<std::unique_ptr<SecondaryDb>> db = SecondaryDb::open(options);
  if (!db) return std::unexpected(std::move(db.error()));
  return std::unique_ptr<BodyReader>(new BodyReader(std::move(options), std::move(*db)));
}

Result<void> BodyReader::reopen() {
  Result<std::unique_ptr<SecondaryDb>> db = SecondaryDb::open(options_);
  if (!db) return std::unexpected(std::move(db.error()));
  const std::lock_guard catching_up(catch_up_mutex_);
  {
    const std::unique_lock guard(gate_);
    db_.swap(*db);
  }
  last_pass_complete_ = true;
  return {};  // the old one is closed here, outside the gate
}

Result<std::string> BodyReader::read(BodyId body, std::uint64_t offset, std::uint64_t length) {
  std::string out;
  for (const bool last : {false, true}) {
    const std::uint64_t pass = passes_.load(std::memory_order_acquire);
    const Result<Outcome> outcome = try_read(body, offset, length, out);
    if (outcome && *outcome == Outcome::complete) return out;
    if (!outcome && last) return std::unexpected(outcome.error());
    if (last && *outcome == Outcome::no_body) break;
    // A chunk that is missing behind others, in a view that is current: the body ends there.
    if (last) return out;
    if (Result<void> caught_up = catch_up_after(pass); !caught_up) {
      return std::unexpected(std::move(caught_up.error()));
    }
  }
  return fail(ErrorCode::not_found, fmt::format("there is no message body {}", raw(body)));
}

/// One chunk in place of what `octets` held; false when it is not visible.
Result<bool> BodyReader::chunk(BodyId body, std::uint64_t index, std::string& octets) {
  if (index > std::numeric_limits<std::uint32_t>::max()) return false;
  const schema::BodyKey key = schema::body_key(body, static_cast<std::uint32_t>(index));
  // Get is right here, other than on the tailed family: a chunk's value never changes.
  const rocksdb::Status status =
      db_->db().Get(rocksdb::ReadOptions(), {key.octets.data(), key.octets.size()}, &octets);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return std::unexpected(read_error(status, reading(body)));
  if (octets.size() > kBodyChunkOctets) {
    return fail(ErrorCode::corrupted, reading(body) + ": a chunk is too long");
  }
  return true;
}

Result<BodyReader::Outcome> BodyReader::try_read(BodyId body, std::uint64_t offset,
                                                 std::uint64_t length, std::string& out) {
  const std::shared_lock guard(gate_);
  out.clear();
  if (length == 0) return Outcome::complete;
  out.reserve(std::min(length, kReserveOctetsMax));
  const std::uint64_t first = offset / kBodyChunkOctets;
  std::size_t skip = offset % kBodyChunkOctets;
  for (std::uint64_t index = first; out.size() < length; ++index) {
    // A whole small message, which is most of them, is read to where it belongs and not copied.
    const bool in_place = out.empty() && skip == 0;
    std::string piece;
    std::string& octets = in_place ? out : piece;
    const auto found = chunk(body, index, octets);
    if (!found) return std::unexpected(found.error());
    if (!*found) {
      if (index > first) return Outcome::chunk_missing;
      if (index == 0) return Outcome::no_body;
      // Behind the end, or nothing at all?
      const auto beginning = chunk(body, 0, piece);
      if (!beginning) return std::unexpected(beginning.error());
      return *beginning ? Outcome::chunk_missing : Outcome::no_body;
    }
    const std::size_t chunk_octets = octets.size();
    if (in_place) {
      if (length < out.size()) out.resize(length);
    } else {
      const std::string_view rest = std::string_view(octets).substr(std::min(skip, chunk_octets));
      out.append(rest.substr(0, length - out.size()));
    }
    skip = 0;
    if (chunk_octets < kBodyChunkOctets) break;  // the last one
  }
  return Outcome::complete;
}

/// Returns after a complete catch-up that began after catch-up number `pass` did: what was durable
/// when the caller looked is visible then. Callers that miss together share one.
Result<void> BodyReader::catch_up_after(std::uint64_t pass) {
  const std::lock_guard catching_up(catch_up_mutex_);
  if (passes_.load(std::memory_order_relaxed) > pass && last_pass_complete_) return {};
  passes_.fetch_add(1, std::memory_order_release);
  Result<void> caught_up;
  for (int attempt = 0; attempt < kCatchUpAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kCatchUpPause * attempt);
    const std::shared_lock guard(gate_);
    caught_up = db_->catch_up();
    last_pass_complete_ = caught_up.has_value();
    if (caught_up) break;
  }
  return caught_up;
}

}  // namespace postern::store
