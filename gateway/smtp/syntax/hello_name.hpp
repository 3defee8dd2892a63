// The argument of EHLO and HELO.
#pragma once

#include <string_view>

namespace postern::smtp {

/// Whether the argument may stand in a Received field. More than RFC 5321 4.1.1.1 has: clients
/// behind home routers say bare host names, bare addresses and names with '_', and a submission
/// server that refused them would refuse real users. Nothing that has a meaning in a header field
/// is let through.
bool is_hello_name(std::string_view name) noexcept;

}  // namespace postern::smtp
