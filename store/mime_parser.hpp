// Finds the MIME structure of a message while its octets pass by: a push parser without IO, fed in
// any split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/message_structure.hpp"

namespace postern::store {

/// One message. Holds the structure found so far and at most one header field or boundary line.
/// Never fails: whatever is malformed is taken as what a mail reader would show (a boundary that is
/// missing leaves a text, an unknown type is opaque).
class MimeParser {
 public:
  MimeParser();
  void feed(std::string_view octets);
  /// The end of the message: gives the structure. The parser takes no more.
  MessageStructure finish();

 private:
  /// A part that has begun and not ended.
  struct Open {
    std::uint32_t part = 0;
    std::string boundary;            // of a multipart that still has parts to come; empty otherwise
    std::uint64_t lines_before = 0;  // line ends of the message before its body
    bool digest = false;             // multipart/digest: other default type (RFC 2046 5.1.5)
  };
  enum class Mode : std::uint8_t { header, body };

  std::size_t feed_body_without_boundary(std::string_view octets);
  void end_line();
  void header_line(std::string_view line);
  bool boundary_line();
  void flush_field();
  void take_content_field(std::string_view name, std::string value);
  void end_header(std::uint64_t body_begin);
  void decide_kind();
  void begin_part(std::uint32_t parent, std::uint64_t offset, bool is_message_root);
  void end_parts(std::size_t keep, std::uint64_t end, std::uint64_t line_ends, bool partial_line);
  MimePart& current() { return structure_.parts[open_.back().part]; }

  MessageStructure structure_;
  std::vector<Open> open_;  // from the message to the innermost part
  Mode mode_ = Mode::header;
  std::size_t boundaries_ = 0;     // open parts with a boundary
  std::uint64_t offset_ = 0;       // octets fed
  std::uint64_t line_begin_ = 0;   // of the current line
  std::uint64_t line_ends_ = 0;    // LFs so far
  std::string line_;               // the current line as far as it matters
  bool line_matters_ = true;       // it may be a header line or a boundary
  std::string field_;              // the current header field with its continuation lines
  std::vector<std::string> seen_;  // Content- fields of the current part, names in lower case
  std::string content_type_;       // of the current part, unfolded
  bool has_content_type_ = false;
  std::uint64_t kept_octets_ = 0;
  char last_octet_ = '\n';             // before the next one
  std::size_t previous_line_end_ = 0;  // octets of the line end before the current line: 0, 1, 2
  bool previous_line_empty_ = true;
};

}  // namespace postern::store
