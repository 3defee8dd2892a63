// PROXY headers of any shape: the parser reads no octet beyond its input, decides the same however
// the octets arrive, and never takes back a decision when more come.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/assert.hpp"
#include "runtime/proxy_protocol.hpp"

using postern::parse_proxy_header;
using postern::ProxyParse;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  ProxyParse decided;
  std::size_t decided_at = 0;
  for (std::size_t length = 0; length <= size; ++length) {
    const ProxyParse parse = parse_proxy_header(octets.substr(0, length));
    if (parse.state == ProxyParse::State::complete) {
      POSTERN_ASSERT(parse.size_octets <= length && parse.size_octets > 0);
      POSTERN_ASSERT(parse.size_octets <= postern::kProxyHeaderOctetsMax);
    }
    if (parse.state == ProxyParse::State::malformed) POSTERN_ASSERT(parse.error[0] != '\0');
    if (decided.state == ProxyParse::State::incomplete) {
      decided = parse;
      decided_at = length;
      continue;
    }
    POSTERN_ASSERT(parse.state == decided.state);
    POSTERN_ASSERT(parse.size_octets == decided.size_octets);
    POSTERN_ASSERT(parse.header.source == decided.header.source);
    POSTERN_ASSERT(parse.header.source_port == decided.header.source_port);
    // Some more are enough to see that nothing changes; a long input is not parsed a million times.
    if (length > decided_at + 64) break;
  }
  // A complete header is seen at its very last octet, not earlier and not later.
  if (decided.state == ProxyParse::State::complete)
    POSTERN_ASSERT(decided.size_octets == decided_at);
  return 0;
}
