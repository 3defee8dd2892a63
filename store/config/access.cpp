#include "store/config/access.hpp"

namespace postern::config {

Result<AccessRules> access_rules(const ListenerSettings& settings) {
  AccessRules rules{
      .allow = {},
      .deny = {},
      .trusted = {},
      .connections_max = settings.connections_max,
      .connections_per_source_max = settings.connections_per_source_max,
      .connections_per_source_percent = settings.connections_per_source_percent,
      .source_prefix_ipv4 = settings.source_prefix_ipv4,
      .source_prefix_ipv6 = settings.source_prefix_ipv6,
      .proxy_protocol = settings.proxy_protocol,
      .proxy_from = {},
      .proxy_timeout = settings.proxy_timeout,
  };
  for (auto [texts, set] :
       {std::pair{&settings.allow, &rules.allow}, std::pair{&settings.deny, &rules.deny},
        std::pair{&settings.trusted, &rules.trusted},
        std::pair{&settings.proxy_from, &rules.proxy_from}}) {
    auto made = CidrSet::make(*texts);
    if (!made) return std::unexpected(made.error());
    *set = std::move(*made);
  }
  return rules;
}

}  // namespace postern::config
