// A session for clients that are not served: says one line and closes.
#pragma once

#include <string>

#include "sidecars/common/mail_session.hpp"

namespace postern::sidecars {

/// On implicit-TLS listeners the line follows the handshake, as a greeting would.
class RefusedSession final : public MailSession {
 public:
  /// `line` ends in CRLF.
  explicit RefusedSession(std::string line) : line_(std::move(line)) {}

  void on_open(Now) override {
    output_.bytes = line_;
    output_.close = true;
  }
  std::size_t on_input(std::string_view in, Now) override { return in.size(); }
  void on_tls(const TlsFacts&, Now) override {}
  void on_end_of_input(Now) override { output_.close = true; }
  void on_deadline(Now) override {}
  void on_shutdown(Now) override { output_.close = true; }
  void on_reply(MailReply, Now) override {}
  void on_mailbox_changed(Now) override {}

 private:
  const std::string line_;
};

}  // namespace postern::sidecars
