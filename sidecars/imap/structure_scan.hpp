// Gets a message's structure: from the session's cache, or by reading the whole body once.
#pragma once

#include <cstdint>
#include <memory>

#include "sidecars/imap/body_window.hpp"
#include "sidecars/imap/structure_cache.hpp"
#include "store/mime_parser.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// One scan at a time. Feeds the parser window by window.
class StructureScan {
 public:
  void begin(store::BodyId body, std::uint64_t size_octets) {
    body_ = body;
    size_octets_ = size_octets;
    scanned_ = 0;
    parser_.reset();
    structure_.reset();
  }
  /// true: structure() is there. false: the window does not go on at next().
  bool run(const BodyWindow& window, StructureCache& cache);
  std::uint64_t next() const noexcept { return scanned_; }
  const StructureCache::StructurePtr& structure() const noexcept { return structure_; }

 private:
  store::BodyId body_{};
  std::uint64_t size_octets_ = 0;
  std::uint64_t scanned_ = 0;
  std::unique_ptr<store::MimeParser> parser_;
  StructureCache::StructurePtr structure_;
};

}  // namespace postern::imap
