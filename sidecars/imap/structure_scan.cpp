#include "sidecars/imap/structure_scan.hpp"

namespace postern::imap {

bool StructureScan::run(const BodyWindow& window, StructureCache& cache) {
  if (structure_ == nullptr) structure_ = cache.find(body_);
  if (structure_ != nullptr) return true;
  if (parser_ == nullptr) parser_ = std::make_unique<store::MimeParser>();
  while (scanned_ < size_octets_) {
    const std::string_view piece = window.at(scanned_).substr(0, size_octets_ - scanned_);
    if (piece.empty()) return false;
    parser_->feed(piece);
    scanned_ += piece.size();
  }
  structure_ = std::make_shared<const store::MessageStructure>(parser_->finish());
  parser_.reset();
  cache.keep(body_, structure_);
  return true;
}

}  // namespace postern::imap
