// What `postern up` tells the user once everything listens.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "store/config/settings.hpp"

namespace postern::cli::up {

/// What the text is made of.
struct Announcement {
  const config::Settings& settings;
  std::string state_path;
  std::string authority;      ///< PEM file for clients; empty: the certificate is the user's own
  std::string password_file;  ///< of the demo user
  std::string config_file;
  std::string program;  ///< how `postern` itself is called
};

/// What listens where, and commands that send a mail and read it.
std::string announcement_text(const Announcement& facts);

/// The same facts for programs: {"state", "config", "authority", "user", "password_file",
/// "listeners"}.
nlohmann::json announcement_json(const Announcement& facts);

}  // namespace postern::cli::up
