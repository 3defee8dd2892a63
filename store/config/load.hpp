// From the configuration file to Settings and back. Every key, its range and its text for people
// are declared once, in store/config/bind_*.cpp.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/config/problem.hpp"
#include "store/config/settings.hpp"

namespace postern::config {

/// Settings, or everything that is wrong with the file (never empty then). For people:
/// `fmt::print(stderr, "{}", describe(loaded.error()))`.
using LoadResult = std::expected<Settings, std::vector<ConfigProblem>>;

/// Reads the file. An empty path gives the defaults; so does an empty file. Relative paths in it
/// are relative to the file's folder. Any thread; blocks on the file.
LoadResult load(const std::string& path);

/// The same for text in memory; `file_name` is what problems name and what relative paths hang on.
LoadResult parse(std::string_view text, const std::string& file_name);

/// The effective configuration as commented TOML. parse() reads it back to equal Settings.
std::string dump(const Settings& settings);

/// What is allowed but probably not meant, a sentence each: TLS listeners without a certificate ...
/// Looks at the values only. For the log at start and for `postern config check`.
std::vector<std::string> warnings(const Settings& settings);

/// What the machine has against these settings: certificate files that cannot be read, ... Blocks
/// on the file system. For `postern config check`; the processes find the same at start.
std::vector<std::string> machine_problems(const Settings& settings);

/// Values behind the defaults, for whoever writes a configuration (deploy/cli) or prints addresses.
std::vector<SmtpListenerSettings> default_smtp_listeners();
std::vector<MailboxListenerSettings> default_pop3_listeners();
std::vector<MailboxListenerSettings> default_imap_listeners();

/// The word of the file: "starttls" ...
std::string_view word_of(TlsMode mode);

/// Timers of a role, before the file changes them (SMTP-04, SMTP-05).
void apply_role_defaults(SmtpListenerSettings& listener);

}  // namespace postern::config
