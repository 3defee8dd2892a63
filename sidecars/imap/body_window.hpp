// The octets of one body that are at hand, and the read that would bring others.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/result.hpp"
#include "sidecars/common/mail_requests.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// One window, replaced by every read. Its owner asks at() first and, when that is empty, want()s.
class BodyWindow {
 public:
  /// Begins a body with what was read of it already.
  void begin(store::BodyId body, std::uint64_t offset, std::string octets) {
    wanted_ = {body, 0, 0};
    offset_ = offset;
    octets_ = std::move(octets);
    error_.reset();
  }
  /// The octets from `offset` to the end of the window; empty if it does not cover `offset`.
  std::string_view at(std::uint64_t offset) const noexcept {
    if (offset < offset_ || offset - offset_ >= octets_.size()) return {};
    return std::string_view(octets_).substr(offset - offset_);
  }
  /// Notes what is to be read next, at most one batch. false: a read of this body has failed, no
  /// other will do better.
  bool want(std::uint64_t offset, std::uint64_t octets) noexcept {
    wanted_.offset = offset;
    wanted_.length = std::min(octets, sidecars::kReadBatchOctets);
    return !error_;
  }
  const sidecars::BodiesRequest::Range& wanted() const noexcept { return wanted_; }
  /// The result of reading wanted(). No octets at all count as an error: the body is shorter than
  /// its entry says.
  void take(Result<std::string> octets) {
    offset_ = wanted_.offset;
    octets_.clear();
    if (!octets) {
      error_ = octets.error().code;
    } else if (octets->empty()) {
      error_ = ErrorCode::corrupted;
    } else {
      octets_ = std::move(*octets);
    }
  }
  /// The first failure, if any.
  const std::optional<ErrorCode>& error() const noexcept { return error_; }

 private:
  sidecars::BodiesRequest::Range wanted_;
  std::uint64_t offset_ = 0;
  std::string octets_;
  std::optional<ErrorCode> error_;
};

}  // namespace postern::imap
