// The FETCH response of one message: reads what it needs of the body, window by window, and writes
// the response in pieces. Never holds more than one window, the structure, and one header.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"
#include "sidecars/imap/body_window.hpp"
#include "sidecars/imap/context.hpp"
#include "sidecars/imap/fetch_items.hpp"
#include "sidecars/imap/structure_scan.hpp"
#include "store/mime_header.hpp"
#include "store/types.hpp"

namespace postern::imap {

/// Where to begin reading a body so that the first answer needs no second trip.
struct FirstRead {
  std::uint64_t offset = 0;
  std::uint64_t octets = 0;  ///< 0: nothing is needed
};

class MessageFetch {
 public:
  enum class Outcome : std::uint8_t {
    done,    ///< the response is complete
    read,    ///< the octets of wanted() are needed: give them to take(), then run() again
    room,    ///< the output is full: run() again when it was sent
    gone,    ///< the body cannot be read and nothing of a response was written; error() tells why
    broken,  ///< the body cannot be read in the middle of a literal: only closing is left
  };

  /// `items` must outlive it.
  explicit MessageFetch(const FetchItems& items) : items_(items) {}

  /// What `begin` wants as first octets for a message.
  FirstRead first_read(const store::MessageEntry& entry, const Context& context) const;
  /// Begins the message at sequence number `index` + 1. `now_seen`: its \Seen was set by this
  /// command.
  void begin(std::size_t index, const store::MessageEntry& entry, bool now_seen,
             std::uint64_t window_offset, std::string window);
  Outcome run(Context& context);
  /// The octets read, or why there are none.
  void take(Result<std::string> octets) { window_.take(std::move(octets)); }

  sidecars::BodiesRequest::Range wanted() const noexcept { return window_.wanted(); }
  /// The first failure of a read in this message, if any.
  const std::optional<ErrorCode>& error() const noexcept { return window_.error(); }

 private:
  enum class Stage : std::uint8_t { analysis, next_item, gather, announce, stream, end };

  bool analyse(Context& context);
  void next_item(Context& context);
  void begin_section(const FetchItem& item, Context& context);
  bool gather();
  void write_gathered(Context& context);
  void write_nil(Context& context);
  void write_label(Context& context);
  bool announce(Context& context);
  Outcome stream(Context& context);
  void write_end(Context& context);
  const store::MessageStructure& structure() const noexcept { return *scan_.structure(); }
  const FetchItem& item() const noexcept { return items_.items[item_]; }

  const FetchItems& items_;
  std::size_t index_ = 0;
  store::MessageEntry entry_;
  bool now_seen_ = false;
  Stage stage_ = Stage::analysis;
  std::size_t item_ = 0;
  bool first_ = true;  // no item was written yet

  BodyWindow window_;
  std::uint64_t scanned_ = 0;  // octets analysed
  std::uint64_t header_end_ = 0;
  store::HeaderEndFinder header_finder_;
  StructureScan scan_;

  OctetRange range_;  // of the current item; begin moves while it is streamed or gathered
  std::string gathered_;
};

}  // namespace postern::imap
