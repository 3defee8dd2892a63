// A listener's settings as the rules that its gate follows.
#pragma once

#include "runtime/connection_gate.hpp"
#include "runtime/result.hpp"
#include "store/config/settings.hpp"

namespace postern::config {

/// Error: invalid_argument for a network that is none, which settings that were read from a file do
/// not have.
Result<AccessRules> access_rules(const ListenerSettings& settings);

}  // namespace postern::config
