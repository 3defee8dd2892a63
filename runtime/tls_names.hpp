// Which certificate is for which host name.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postern {

/// Host names and the certificates that are for them, by number. Case does not matter. Built once,
/// then asked for every handshake that names a host.
class TlsNames {
 public:
  /// `name` is "mail.example.org", or "*.example.org" for exactly one label more (RFC 9525 6.3).
  /// The order of adding is the order of preference.
  void add(std::string_view name, std::size_t certificate);
  /// The certificates for `host`: those that name it, or else those whose wildcard covers it;
  /// empty: none.
  std::span<const std::size_t> find(std::string_view host) const;

 private:
  std::unordered_map<std::string, std::vector<std::size_t>> exact_;
  std::unordered_map<std::string, std::vector<std::size_t>> wildcards_;  // "example.org"
};

}  // namespace postern
