// A strict and suspicious client: reads everything a session sends, demands RFC 3501 section 9
// syntax, and keeps its own picture of the selected mailbox from EXISTS, EXPUNGE and FETCH alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap::testing {

class ResponseChecker {
 public:
  /// Reads the next piece of output, which must end at the end of a response unless `cut_off` (the
  /// connection was closed). false: problem() says what is wrong.
  bool read(std::string_view output, bool cut_off = false);
  const std::string& problem() const { return problem_; }

  /// UIDs by sequence number as far as FETCH responses told them; 0: not told.
  const std::vector<std::uint32_t>& uids() const { return uids_; }
  std::size_t expunges = 0;  ///< EXPUNGE responses read

 private:
  bool response();
  bool any_response();
  bool numbered(std::size_t number);
  bool text_line();
  bool data_until_line_end();
  bool value(std::size_t depth);
  bool string();
  bool literal();
  bool atom();
  bool fetch(std::size_t number);
  bool take(std::string_view word);
  bool fail(std::string text);
  bool line_end();

  std::string_view rest_;
  std::vector<std::uint32_t> uids_;
  bool after_permanent_flags_ = false;
  bool ended_ = false;  // nothing may follow
  std::string problem_;
};

}  // namespace postern::imap::testing
