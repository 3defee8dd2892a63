// What a running command may see and change of its session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/session.hpp"
#include "sidecars/common/mail_requests.hpp"
#include "sidecars/imap/command.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/observer.hpp"
#include "sidecars/imap/profile.hpp"
#include "sidecars/imap/structure_cache.hpp"
#include "store/mailbox_snapshot.hpp"

namespace postern::imap {

/// The selected mailbox as this session's client knows it.
struct SelectedMailbox {
  store::MailboxId id{};
  bool read_only = false;
  /// What the client was told: the message with sequence number n is (*reported)[n - 1]. Messages
  /// that are gone stay in it until their EXPUNGE was sent.
  store::MailboxSnapshotPtr reported;
  /// The newest picture the store has given. Equal to `reported` but for EXPUNGEs still to be sent.
  store::MailboxSnapshotPtr latest;
  bool dirty = false;  ///< the store has announced a change since `latest`
};

/// How a command ends: the tagged line.
struct Completion {
  enum class Status : std::uint8_t { ok, no, bad };
  Status status = Status::ok;
  std::string_view code;  ///< response code without brackets; static storage
  std::string text;       ///< short; may begin with a response code of its own when `code` is empty
};

/// What the refresh at the end of the current command should take into account.
struct SyncWish {
  bool refresh = false;                   ///< look even if no change was announced
  std::optional<store::StoreFlags> told;  ///< the client expects this change: not reported
  std::vector<store::UidRange> report;    ///< FLAGS of these are reported even if unchanged
};

/// One per session, owned by it. Commands get it with every call.
struct Context {
  Context(std::shared_ptr<const ImapProfile> the_profile, SessionOutput& the_output,
          std::optional<sidecars::MailRequest>& the_request,
          std::optional<store::MailboxId>& the_watched)
      : profile(std::move(the_profile)),
        output(the_output),
        request(the_request),
        watched(the_watched) {}

  std::shared_ptr<const ImapProfile> profile;
  SessionOutput& output;
  std::optional<sidecars::MailRequest>& request;
  std::optional<store::MailboxId>& watched;
  SessionObserver* observer = nullptr;
  Now now{};

  bool tls_active = false;
  std::uint8_t state = kNotAuthenticated;  ///< one StateBits value
  store::AccountId account{};
  std::string account_name;
  store::MailboxId inbox{};
  std::optional<SelectedMailbox> selected;
  StructureCache structures;
  std::uint32_t failed_logins = 0;

  // --- of the current command ---
  std::string tag;
  const CommandSpec* spec = nullptr;
  Completion completion;
  SyncWish sync;
  std::optional<MonoTime> wake;  ///< with Progress::timer
  std::optional<EndReason> end;  ///< the session ends after the tagged line
  bool starts_tls = false;       ///< TLS starts after the tagged line
  /// The output ends in the middle of a response (a literal, a list): nothing else may be put
  /// there, and an abort can only close the connection.
  bool inside_response = false;

  std::string& out() noexcept { return output.bytes; }
  bool full() const noexcept { return output.bytes.size() >= kOutputHighOctets; }
  bool modern() const noexcept { return profile->behaviour == Behaviour::modern; }
  /// Passwords may be sent now (IMAP-24).
  bool plaintext_login_permitted() const noexcept;
  /// STARTTLS works now.
  bool starttls_offered() const noexcept;

  /// Set the completion; return Progress::done for a tail call.
  Progress ok(std::string text);
  Progress no(std::string_view code, std::string text);
  Progress bad(std::string text);
  /// NO for an error of the store: [UNAVAILABLE] or [SERVERBUG], with bland text.
  Progress store_failed(const Error& error);
  /// Asks the store.
  Progress ask(sidecars::MailRequest what);
  /// "* text CRLF". Only for short lines.
  void untagged(std::string_view text);

  /// Leaves the selected state, telling nobody.
  void unselect();
  /// Enters the authenticated state; the observer is told.
  void authenticated(sidecars::LoginReply&& login, std::string_view mechanism);
};

/// The capabilities valid now, without the word CAPABILITY, as IMAP-03, 22, 23 and 24 want them.
std::string capabilities(const Context& context);

}  // namespace postern::imap
