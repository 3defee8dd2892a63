// A mail store in memory, and a driver that runs an ImapSession against it as the event loop would:
// for unit tests and fuzzers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecars/imap/session.hpp"

namespace postern::imap::testing {

/// One account, "user" with password "secret", and its folders.
class FakeMailStore {
 public:
  FakeMailStore();

  store::MailboxId add_folder(std::string name, bool subscribed = true);
  store::Uid append(store::MailboxId mailbox, std::string octets, std::uint16_t system_flags = 0,
                    std::int64_t internal_date_ms = 0);
  /// A message whose octets are made when they are read: `size` octets, the first of them
  /// `beginning`.
  store::Uid append_large(store::MailboxId mailbox, std::string beginning, std::uint64_t size);
  void set_flags(store::MailboxId mailbox, store::Uid uid, std::uint16_t system_flags);
  void expunge(store::MailboxId mailbox, store::Uid uid);
  /// The octets are gone though the row is still seen: what a sidecar meets while another expunges.
  void lose_body(store::MailboxId mailbox, store::Uid uid);
  /// From now on reading octets at or behind `offset` of any body fails.
  void fail_reads_from(std::uint64_t offset) { fail_from_ = offset; }
  void remove_folder(store::MailboxId mailbox) { mailboxes_.erase(mailbox); }
  std::vector<store::MessageEntry> entries(store::MailboxId mailbox) const;
  const store::MailboxHead& head(store::MailboxId mailbox) const;
  store::MailboxSnapshotPtr snapshot(store::MailboxId mailbox) const;

  sidecars::MailReply answer(sidecars::MailRequest request);

  store::MailboxId inbox{1};
  std::uint64_t octets_read = 0;
  std::uint64_t octets_read_at_once_max = 0;
  std::size_t mutations = 0;
  std::size_t requests = 0;
  bool logins_available = true;

 private:
  struct Mailbox {
    mutable store::MailboxHead head;
    mutable bool counted = false;  // head's counters are right
    std::map<store::Uid, store::MessageEntry> entries;
  };
  struct Body {
    std::string beginning;
    std::uint64_t size = 0;
  };

  sidecars::MailReply reply(const sidecars::LoginRequest& request) const;
  sidecars::MailReply reply(const sidecars::FoldersRequest& request) const;
  sidecars::MailReply reply(const sidecars::SnapshotRequest& request) const;
  sidecars::MailReply reply(const sidecars::HeadRequest& request) const;
  sidecars::MailReply reply(const sidecars::BodiesRequest& request);
  sidecars::MailReply reply(const sidecars::MutateRequest& request);
  sidecars::MailReply reply(const sidecars::PolicyRequest&) const {
    return sidecars::PolicyReply{fail(ErrorCode::unsupported, "not asked by IMAP")};
  }
  Result<std::string> read(const sidecars::BodiesRequest::Range& range);
  std::uint32_t change_flags(Mailbox& mailbox, const store::StoreFlags& change);
  std::uint32_t remove(Mailbox& mailbox, const store::Expunge& change);
  void touched(Mailbox& mailbox);

  std::map<store::MailboxId, Mailbox> mailboxes_;
  std::vector<store::Folder> folders_;
  std::map<store::BodyId, Body> bodies_;
  std::uint64_t next_body_ = 1;
  std::uint64_t fail_from_ = UINT64_MAX;
};

/// What happened to a session, for the tests.
struct RecordingObserver final : SessionObserver {
  std::vector<std::string> events;
  void login_succeeded(std::string_view account, std::string_view mechanism) override;
  void login_failed(std::string_view user, std::string_view mechanism) override;
  void mailbox_selected(std::string_view mailbox, bool read_only, std::size_t messages) override;
  void session_ended(EndReason reason) override;
};

std::shared_ptr<const ImapProfile> make_profile(Behaviour behaviour = Behaviour::modern);

/// Drives one session by the rules of session.hpp.
class SessionDriver {
 public:
  explicit SessionDriver(FakeMailStore& store,
                         std::shared_ptr<const ImapProfile> profile = make_profile());

  /// Opens the connection, TLS active unless `tls` is false.
  void open(bool tls = true);
  /// Octets from the client, all at once.
  void send(std::string_view octets);
  /// The same, and what came out since the last call.
  std::string talk(std::string_view octets);
  /// open(), login, and SELECT of `mailbox` unless it is empty; drops the output.
  void log_in(std::string_view mailbox = "INBOX");
  /// What came out since the last call.
  std::string take() { return std::exchange(transcript, {}); }
  void tls_done();
  void advance(std::chrono::milliseconds time);
  void mailbox_changed();
  void shut_down();
  void end_of_input();
  /// Requests wait until answer_held().
  void hold_replies(bool hold) { hold_replies_ = hold; }
  bool holds_request() const { return held_.has_value(); }
  void answer_held();
  /// Output is not sent until send_output().
  void hold_output(bool hold) { hold_output_ = hold; }
  std::size_t output_waiting() const { return unsent_.size(); }
  void send_output();

  FakeMailStore& store;
  RecordingObserver observer;
  std::string transcript;
  bool keep_transcript = true;  ///< false: only counted, for large output
  std::uint64_t octets_out = 0;
  std::size_t output_max = 0;  ///< most octets seen in output().bytes
  bool closed = false;
  bool start_tls = false;
  Now now{.mono = MonoTime{} + std::chrono::hours(1), .unix_ms = 1'700'000'000'000};
  std::unique_ptr<ImapSession> session;

 private:
  void after_call();
  void offer();
  void put_out(std::string_view octets);

  std::string pending_;
  std::string unsent_;
  std::optional<sidecars::MailRequest> held_;
  bool hold_replies_ = false;
  bool hold_output_ = false;
  bool outstanding_ = false;
};

}  // namespace postern::imap::testing
