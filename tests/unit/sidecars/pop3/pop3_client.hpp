// What a POP3 client makes of a response: written from RFC 1939 alone, not from the server's code.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace postern::pop3::test {

/// Undoes byte-stuffing. `framed` is everything behind the status line, terminator included. Reads
/// line by line, ending lines at LF as lenient clients do; throws when the terminator comes early
/// or not at all.
inline std::string message_in(std::string_view framed) {
  std::string message;
  while (true) {
    const std::size_t end = framed.find('\n');
    if (end == std::string_view::npos) throw std::runtime_error("no terminator");
    std::string_view line = framed.substr(0, end + 1);
    framed.remove_prefix(end + 1);
    if (line == ".\r\n") {
      if (!framed.empty()) throw std::runtime_error("octets behind the terminator");
      return message;
    }
    if (line.front() == '.') line.remove_prefix(1);
    message.append(line);
  }
}

/// The message as a client sees it: what lacks a final CRLF gets the terminator's.
inline std::string with_final_crlf(std::string body) {
  if (!body.empty() && !body.ends_with("\r\n")) body += "\r\n";
  return body;
}

/// Splits a response in status line (without CRLF) and rest.
inline std::pair<std::string, std::string> split_status(std::string_view response) {
  const std::size_t end = response.find("\r\n");
  if (end == std::string_view::npos) return {std::string(response), {}};
  return {std::string(response.substr(0, end)), std::string(response.substr(end + 2))};
}

}  // namespace postern::pop3::test
