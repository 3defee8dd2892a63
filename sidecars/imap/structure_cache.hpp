// The structures of the messages that a session looked at last.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "sidecars/imap/limits.hpp"
#include "store/message_structure.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// Keeps kStructuresKept of them, the newest first. Bodies never change, so nothing here goes
/// stale.
class StructureCache {
 public:
  using StructurePtr = std::shared_ptr<const store::MessageStructure>;

  /// nullptr: not kept.
  StructurePtr find(store::BodyId body) const {
    for (const auto& [kept, structure] : entries_) {
      if (kept == body) return structure;
    }
    return nullptr;
  }
  void keep(store::BodyId body, StructurePtr structure) {
    if (entries_.size() == kStructuresKept) entries_.pop_back();
    entries_.emplace(entries_.begin(), body, std::move(structure));
  }

 private:
  std::vector<std::pair<store::BodyId, StructurePtr>> entries_;
};

}  // namespace postern::imap
