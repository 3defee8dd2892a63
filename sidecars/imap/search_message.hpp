// Looks into one message for SEARCH: first its header, then, if that does not decide, its texts.
// Holds one window, one header and the structure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sidecars/imap/body_window.hpp"
#include "sidecars/imap/search_match.hpp"
#include "sidecars/imap/search_text.hpp"
#include "sidecars/imap/section.hpp"
#include "sidecars/imap/structure_scan.hpp"

namespace postern::imap {

class SearchMessage {
 public:
  enum class Outcome : std::uint8_t {
    decided,  ///< verdict() says
    read,     ///< the octets of wanted() are needed: give them to take(), then run() again
    gone,     ///< the body cannot be read: the message does not match
  };

  /// `program` must outlive it.
  explicit SearchMessage(const SearchProgram& program) : program_(program) {}

  /// What begin() wants as first octets.
  std::uint64_t first_octets(const store::MessageEntry& entry) const noexcept;
  /// `subject` with header and body unknown; what it points to must outlive the message.
  void begin(const SearchSubject& subject, std::string first_octets);
  Outcome run(StructureCache& cache);
  bool matches() const noexcept { return verdict_ == Verdict::yes; }
  const sidecars::BodiesRequest::Range& wanted() const noexcept { return window_.wanted(); }
  void take(Result<std::string> octets) { window_.take(std::move(octets)); }

 private:
  enum class Stage : std::uint8_t { header, structure, next_text, part_header, text };

  bool gather(OctetRange& range);
  void end_header();
  void next_text();
  void end_part_header();
  bool stream_text();
  void look_for(std::string_view folded);
  bool decide();

  const SearchProgram& program_;
  SearchSubject subject_;
  Verdict verdict_ = Verdict::unknown;
  Stage stage_ = Stage::header;
  BodyWindow window_;
  StructureScan scan_;
  OctetRange range_;  // still to be read of the current header or text
  std::string gathered_;
  SearchHeader header_;
  std::vector<bool> found_;          // by needle
  std::vector<std::size_t> states_;  // by needle, in the current text
  std::uint32_t part_ = 0;
  bool part_header_done_ = false;
  std::optional<TextDecoder> decoder_;
  std::string decoded_;
};

}  // namespace postern::imap
