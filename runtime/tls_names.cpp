#include "runtime/tls_names.hpp"

#include <algorithm>

namespace postern {

namespace {

std::string folded(std::string_view name) {
  std::string result(name);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  if (result.ends_with('.')) result.pop_back();  // the root's dot
  return result;
}

}  // namespace

void TlsNames::add(std::string_view name, std::size_t certificate) {
  std::string key = folded(name);
  const bool wildcard = key.starts_with("*.");
  if (wildcard) key.erase(0, 2);
  std::vector<std::size_t>& list = (wildcard ? wildcards_ : exact_)[key];
  if (std::ranges::find(list, certificate) == list.end()) list.push_back(certificate);
}

std::span<const std::size_t> TlsNames::find(std::string_view host) const {
  const std::string key = folded(host);
  if (const auto found = exact_.find(key); found != exact_.end()) return found->second;
  const std::size_t dot = key.find('.');
  if (dot == key.npos || dot == 0) return {};
  const auto found = wildcards_.find(key.substr(dot + 1));
  return found == wildcards_.end() ? std::span<const std::size_t>() : found->second;
}

}  // namespace postern
