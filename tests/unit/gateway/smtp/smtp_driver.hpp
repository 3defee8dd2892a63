// Drives an SmtpSession without a socket: keeps unconsumed input, answers requests, collects
// replies and messages. What the event loop does, in memory.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/smtp/session.hpp"
#include "runtime/assert.hpp"
#include "store/directory.hpp"

namespace postern::smtp::test {

/// example.org with alice, bob, postmaster and "john doe".
class FakeDirectory final : public store::Directory {
 public:
  store::Route route(std::string_view local_part, std::string_view domain) const override {
    lookups.emplace_back(std::string(local_part), std::string(domain));
    const std::string local = folded(local_part);
    if (domain.empty() && local == "postmaster") return local_route(3);
    if (!is_local_domain(domain)) return {};
    if (local == "alice") return local_route(1);
    if (local == "bob") return local_route(2);
    if (local == "list" && !list_members.empty())
      return {.kind = store::Route::Kind::local, .mailboxes = list_members};
    if (local == "postmaster") return local_route(3);
    if (local == "john doe") return local_route(4);
    if (local == "j\xc3\xbcrgen") return local_route(5);
    return {.kind = store::Route::Kind::unknown_user, .mailboxes = {}};
  }
  bool is_local_domain(std::string_view domain) const override {
    return folded(domain) == "example.org";
  }
  const store::Account* find_login(std::string_view name) const override {
    return folded(name) == alice_.name ? &alice_ : nullptr;
  }
  /// The identity itself, and press@example.net for alice.
  bool may_send_as(std::string_view identity, std::string_view local_part,
                   std::string_view domain) const override {
    const std::string address = folded(local_part) + "@" + folded(domain);
    return address == identity ||
           (identity == "alice@example.org" && address == "press@example.net");
  }
  std::vector<std::string> domains() const override { return {"example.org"}; }
  std::vector<const store::Account*> accounts() const override { return {}; }

  mutable std::vector<std::pair<std::string, std::string>> lookups;
  std::vector<store::MailboxId> list_members;  ///< of list@example.org; none: there is no such list

 private:
  const store::Account alice_{.id = store::AccountId{1}, .name = "alice@example.org"};
  static std::string folded(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return out;
  }
  static store::Route local_route(std::uint64_t id) {
    return {.kind = store::Route::Kind::local, .mailboxes = {store::MailboxId{id}}};
  }
};

/// ID1, ID2 ...
class CountingIds final : public MessageIdSource {
 public:
  void next(Now, std::string& id) override { id = "ID" + std::to_string(++count); }
  int count = 0;
};

/// A message that the fake store made durable.
struct StoredMessage {
  std::string id;
  store::Envelope envelope;
  std::string octets;
  std::uint64_t size_octets = 0;
  std::uint32_t relay_offset_octets = 0;
  std::int64_t arrival_unix_ms = 0;
  /// What was received, without our trace header.
  std::string content() const {
    const std::size_t received = octets.find("Received: ");
    POSTERN_ASSERT(received != std::string::npos);
    std::size_t end = octets.find("\r\n", received);
    while (octets.compare(end, 3, "\r\n\t") == 0) end = octets.find("\r\n", end + 2);
    return octets.substr(end + 2);
  }
  std::string trace() const { return octets.substr(0, octets.size() - content().size()); }
};

/// Defaults of a submission-like listener on which everything is allowed without TLS.
inline std::shared_ptr<SmtpProfile> make_profile() {
  config::SmtpListenerSettings settings;
  settings.name = "test";
  settings.auth = true;
  settings.auth_plaintext = true;
  settings.protocol_errors_max = 0;
  settings.logon_failures_max = 0;
  settings.pipelining_strict = false;  // tests send whole conversations at once
  settings.tarpit_delay = {};
  settings.data_octets_per_second_min = 0;
  settings.pipeline_commands_max = 0;
  return std::make_shared<SmtpProfile>(*SmtpProfile::make(settings, "mx.example.org", true));
}

class SmtpDriver final : public SmtpObserver, public SmtpPolicy, public ClientGate {
 public:
  explicit SmtpDriver(std::shared_ptr<const SmtpProfile> profile = make_profile(),
                      DuplicateMemory* duplicates = nullptr, PeerFacts peer = stranger())
      : directory(std::make_shared<FakeDirectory>()),
        session(std::move(profile), std::move(peer),
                SmtpServices{.ids = &ids,
                             .observer = this,
                             .policy = this,
                             .directory = directory,
                             .duplicates = duplicates,
                             .clients = this,
                             .quotas = &quotas}) {}

  static PeerFacts stranger() {
    return PeerFacts{.address = "192.0.2.1",
                     .port = 4711,
                     .local_address = "192.0.2.25",
                     .local_port = 25,
                     .is_ipv6 = false};
  }

  // --- what happens ---
  void open() {
    session.on_open(now);
    drain();
  }
  /// Opens and says EHLO; forgets the replies.
  void greet() {
    open();
    feed("EHLO client.example\r\n");
    take();
  }
  /// Offers octets behind what is still unconsumed.
  void feed(std::string_view octets) {
    input.append(octets);
    offer();
  }
  /// feed(), then returns the replies to it.
  std::string say(std::string_view octets) {
    feed(octets);
    return take();
  }
  void end_of_input() {
    if (session.output().close) return;
    session.on_end_of_input(now);
    drain();
    offer();
  }
  void tls(std::string client_name = "") {
    POSTERN_ASSERT(session.output().start_tls);
    session.output().start_tls = false;
    input.clear();
    session.on_tls(TlsFacts{.version = "TLSv1.3",
                            .cipher = "TLS_AES_128_GCM_SHA256",
                            .server_name = "",
                            .bits = 128,
                            .client_verified = !client_name.empty(),
                            .client_name = std::move(client_name)},
                   now);
    drain();
  }
  void shut_down() {
    session.on_shutdown(now);
    drain();
    offer();
  }
  /// Lets time pass, firing the session's deadlines on the way.
  void pass(Duration duration) {
    const MonoTime until = now.mono + duration;
    while (session.output().deadline && *session.output().deadline <= until && !closed()) {
      now.mono = std::max(now.mono, *session.output().deadline);
      session.output().deadline.reset();
      session.on_deadline(now);
      drain();
      offer();
    }
    now.mono = until;
  }
  /// With hold_answers: answers the request that is held.
  void answer_submit(store::SpoolOutcome with) {
    POSTERN_ASSERT(submit_held);
    submit_held = false;
    complete_submit(with);
    drain();
    offer();
  }
  void answer_verify(VerifyOutcome with, std::string identity = "") {
    POSTERN_ASSERT(verify_held);
    verify_held = false;
    session.on_verified(VerifyReply{with, std::move(identity)}, now);
    drain();
    offer();
  }

  // --- what came out ---
  /// Replies since the last take().
  std::string take() { return std::exchange(replies, {}); }
  bool closed() { return session.output().close; }

  // SmtpObserver
  void on_message_accepted(const store::SpoolRequest& message) override {
    events.push_back("accepted " + message.id);
  }
  void on_message_repeated(const store::SpoolRequest& message, std::string_view first_id) override {
    events.push_back("repeated " + message.id + " " + std::string(first_id));
  }
  void on_message_refused(const store::SpoolRequest& message, std::string_view reply) override {
    events.push_back("refused " + message.id + " " + std::string(reply.substr(0, 3)));
  }
  void on_sender_refused(std::string_view argument, std::string_view reply) override {
    events.push_back("sender " + std::string(argument) + " " + std::string(reply.substr(0, 3)));
  }
  void on_recipient_refused(std::string_view address, std::string_view reply) override {
    events.push_back("recipient " + std::string(address) + " " + std::string(reply.substr(0, 3)));
  }
  void on_auth(std::string_view mechanism, std::string_view user, AuthEvent event) override {
    constexpr const char* kNames[] = {"ok", "failed", "unavailable", "not_here"};
    events.push_back("auth " + std::string(mechanism) + " " + std::string(user) + " " +
                     kNames[static_cast<int>(event)]);
  }
  void on_session_end(const SessionSummary& summary) override {
    end_reasons.push_back(summary.reason);
    last_summary = summary;
  }
  // SmtpPolicy
  MessageVerdict admit_message(std::string_view, std::uint64_t size_octets, Now) override {
    if (!room) return MessageVerdict::no_room;
    if (size_octets > octets_left) return MessageVerdict::octet_rate;
    return admit_messages ? MessageVerdict::admitted : MessageVerdict::message_rate;
  }
  bool admit_recipient(std::string_view, Now) override { return recipients_left-- > 0; }
  bool admit_octets(std::string_view, std::uint64_t octets, Now) override {
    if (octets > octets_left) return false;
    octets_left -= octets;
    return true;
  }
  bool has_memory(std::uint64_t) override { return memory; }
  Duration greeting_delay(Now) override { return greet_delay; }
  // ClientGate
  std::optional<Refusal> admit(const PeerFacts& client) override {
    named.push_back(client.address);
    return client_refusal;
  }
  void on_error_held_back(Now) override { ++errors_held_back; }

  Now now{.mono = MonoTime(std::chrono::hours(1)), .unix_ms = 1'795'271'400'000};
  std::shared_ptr<FakeDirectory> directory;
  CountingIds ids;
  std::map<std::string, std::string> passwords = {{"alice@example.org", "secret"}};
  bool admit_messages = true;
  int recipients_left = 1 << 30;
  std::uint64_t octets_left = 1ull << 40;
  int errors_held_back = 0;
  bool room = true;
  std::optional<Refusal> client_refusal;  // of a client that XCLIENT names
  std::vector<std::string> named;         // those
  bool memory = true;
  store::MailboxQuotas quotas;  ///< no mailbox has a limit unless a test says so
  Duration greet_delay{};
  bool hold_answers = false;
  store::SpoolOutcome outcome = store::SpoolOutcome::durable;
  bool submit_held = false;
  bool verify_held = false;

  SmtpSession session;

  std::string input;  // offered and not consumed
  std::string replies;
  std::vector<StoredMessage> stored;
  std::vector<std::string> events;
  std::vector<EndReason> end_reasons;
  SessionSummary last_summary;
  std::vector<VerifyRequest> verified;
  int submits = 0;
  int abandons = 0;
  std::size_t buffered_max = 0;  // largest message body seen in the session's memory
  std::string streamed;          // octets of the message whose last segment has not come

 private:
  void offer() {
    bool progress = true;
    while (progress && !input.empty() && !closed()) {
      const std::size_t used = session.on_input(input, now);
      POSTERN_ASSERT(used <= input.size());
      input.erase(0, used);
      progress = drain() || used > 0;
    }
  }
  // Returns whether a request was dealt with.
  bool drain() {
    replies.append(session.output().bytes);
    session.output().bytes.clear();
    buffered_max = std::max(buffered_max, session.conversation().intake.body().buffered());
    bool any = false;
    while (session.request()) {
      any = true;
      SmtpRequest request = std::move(*session.request());
      session.request().reset();
      if (auto* verify = std::get_if<VerifyRequest>(&request)) {
        take_verify(*verify);
      } else if (std::holds_alternative<SubmitRequest>(request)) {
        take_submit();
      } else {
        take_abandon();
      }
      replies.append(session.output().bytes);
      session.output().bytes.clear();
    }
    return any;
  }
  void take_verify(const VerifyRequest& request) {
    verified.push_back(request);
    if (hold_answers) {
      verify_held = true;
      return;
    }
    const auto known = passwords.find(request.user);
    const bool ok = known != passwords.end() && known->second == request.password;
    session.on_verified(ok ? VerifyReply{VerifyOutcome::ok, request.user}
                           : VerifyReply{VerifyOutcome::bad_credentials, ""},
                        now);
  }
  void take_submit() {
    POSTERN_ASSERT(session.message() != nullptr);
    if (hold_answers) {
      submit_held = true;
    } else {
      complete_submit(outcome);
    }
  }
  void complete_submit(store::SpoolOutcome with) {
    ++submits;
    store::SpoolRequest& message = *session.message();
    POSTERN_ASSERT(message.outcome == store::SpoolOutcome::pending);
    if (message.body == store::BodyId{}) {
      streamed.clear();
      POSTERN_ASSERT(message.segment.first_chunk == 0U);
    } else {
      POSTERN_ASSERT(message.segment.first_chunk == streamed.size() / store::kBodyChunkOctets);
    }
    if (with != store::SpoolOutcome::store_busy) message.body = store::BodyId{99};
    for (const std::string& piece : message.segment.pieces) streamed += piece;
    if (message.last && with == store::SpoolOutcome::durable) {
      POSTERN_ASSERT(streamed.size() == message.size_octets);
      stored.push_back(StoredMessage{message.id, message.envelope, streamed, message.size_octets,
                                     message.relay_offset_octets, message.arrival_unix_ms});
    }
    message.outcome = with;
    session.on_submitted(now);
  }
  void take_abandon() {
    ++abandons;
    const std::unique_ptr<store::SpoolRequest> message = session.release_message();
    POSTERN_ASSERT(message != nullptr);
    POSTERN_ASSERT(message->body != store::BodyId{});
    streamed.clear();
  }
};

/// The codes of reply lines, "250 250 354": the last line of each reply.
inline std::string codes(std::string_view replies) {
  std::string out;
  while (!replies.empty()) {
    const std::size_t end = replies.find("\r\n");
    if (end == std::string_view::npos) return out + " (no line end)";
    if (end < 4 || replies[3] != '-') {
      if (!out.empty()) out += ' ';
      out += replies.substr(0, 3);
    }
    replies.remove_prefix(end + 2);
  }
  return out;
}

inline std::string base64(std::string_view octets) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < octets.size(); at += 3) {
    const std::string_view part = octets.substr(at, 3);
    unsigned value = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      value = value << 8 | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= part.size() ? kDigits[value >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

}  // namespace postern::smtp::test
