// Fuzzes the MIME parser: any message in any split gives one sound structure, which survives being
// stored; and any octets taken for a stored structure are refused or give one that is safe to walk.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sidecars/imap/structure_response.hpp"
#include "store/message_structure.hpp"
#include "store/mime_parser.hpp"

namespace {

using postern::store::MessageStructure;
using postern::store::MimePart;

void demand(bool holds) {
  if (!holds) std::abort();
}

void check(const MessageStructure& structure) {
  for (const MimePart& part : structure.parts) {
    demand(part.header_begin <= part.body_begin && part.body_begin <= part.body_end);
    demand(part.body_end <= structure.size_octets);
    if (part.parent == MimePart::kNone) continue;
    const MimePart& above = structure.parts[part.parent];
    demand(part.header_begin >= above.body_begin && part.body_end <= above.body_end);
  }
  std::string out;
  postern::imap::append_body_structure(out, structure, true);
  for (const auto& envelope : structure.envelopes) postern::imap::append_envelope(out, envelope);
}

void parse(std::string_view message, std::size_t piece) {
  postern::store::MimeParser whole;
  whole.feed(message);
  const MessageStructure structure = whole.finish();
  demand(structure.size_octets == message.size());
  demand(structure.parts.at(0).body_end == message.size());
  check(structure);
  postern::store::MimeParser split;
  for (std::size_t at = 0; at < message.size(); at += piece) {
    split.feed(message.substr(at, piece));
  }
  demand(split.finish() == structure);
  const auto restored = postern::store::deserialise_structure(postern::store::serialise(structure));
  demand(restored.has_value() && *restored == structure);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 256 * 1024) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] == 0) {
    if (const auto structure = postern::store::deserialise_structure(input)) check(*structure);
  } else {
    parse(input, data[0]);
  }
  return 0;
}
