#include "tests/unit/sidecars/imap/fake_mail_store.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "runtime/assert.hpp"
#include "sidecars/imap/flags.hpp"

namespace postern::imap::testing {

using store::MailboxId;
using store::MessageEntry;
using store::Uid;

FakeMailStore::FakeMailStore() { add_folder("INBOX"); }

MailboxId FakeMailStore::add_folder(std::string name, bool subscribed) {
  const MailboxId id{folders_.size() + 1};
  folders_.push_back({.id = id, .name = std::move(name), .subscribed = subscribed});
  Mailbox& mailbox = mailboxes_[id];
  mailbox.head.id = id;
  mailbox.head.uid_validity = 1000 + static_cast<std::uint32_t>(raw(id));
  return id;
}

void FakeMailStore::touched(Mailbox& mailbox) {
  ++mailbox.head.highest_modseq;
  mailbox.counted = false;
}

const store::MailboxHead& FakeMailStore::head(MailboxId id) const {
  const Mailbox& mailbox = mailboxes_.at(id);
  store::MailboxHead& head = mailbox.head;
  if (std::exchange(mailbox.counted, true)) return head;
  head.message_count = static_cast<std::uint32_t>(mailbox.entries.size());
  head.unseen_count = 0;
  head.total_octets = 0;
  for (const auto& [uid, entry] : mailbox.entries) {
    head.unseen_count += entry.flags.has(store::Flag::seen) ? 0 : 1;
    head.total_octets += entry.size_octets;
  }
  return head;
}

Uid FakeMailStore::append_large(MailboxId id, std::string beginning, std::uint64_t size) {
  Mailbox& mailbox = mailboxes_.at(id);
  const store::BodyId body{next_body_++};
  const Uid uid = mailbox.head.uid_next++;
  bodies_[body] = {std::move(beginning), size};
  mailbox.entries[uid] = {
      .uid = uid, .modseq = mailbox.head.highest_modseq + 1, .body = body, .size_octets = size};
  touched(mailbox);
  return uid;
}

Uid FakeMailStore::append(MailboxId id, std::string octets, std::uint16_t system_flags,
                          std::int64_t internal_date_ms) {
  const std::uint64_t size = octets.size();
  const Uid uid = append_large(id, std::move(octets), size);
  Mailbox& mailbox = mailboxes_.at(id);
  mailbox.entries[uid].flags.system = system_flags;
  mailbox.entries[uid].internal_date_ms = internal_date_ms;
  touched(mailbox);
  return uid;
}

void FakeMailStore::set_flags(MailboxId id, Uid uid, std::uint16_t system_flags) {
  Mailbox& mailbox = mailboxes_.at(id);
  mailbox.entries.at(uid).flags.system = system_flags;
  touched(mailbox);
}

void FakeMailStore::expunge(MailboxId id, Uid uid) {
  Mailbox& mailbox = mailboxes_.at(id);
  mailbox.entries.erase(uid);
  touched(mailbox);
}

void FakeMailStore::lose_body(MailboxId id, Uid uid) {
  bodies_.erase(mailboxes_.at(id).entries.at(uid).body);
}

std::vector<MessageEntry> FakeMailStore::entries(MailboxId id) const {
  std::vector<MessageEntry> list;
  for (const auto& [uid, entry] : mailboxes_.at(id).entries) list.push_back(entry);
  return list;
}

store::MailboxSnapshotPtr FakeMailStore::snapshot(MailboxId id) const {
  return store::MailboxSnapshot::from_entries(head(id), entries(id));
}

sidecars::MailReply FakeMailStore::answer(sidecars::MailRequest request) {
  ++requests;
  return std::visit([this](const auto& one) { return reply(one); }, request);
}

sidecars::MailReply FakeMailStore::reply(const sidecars::LoginRequest& request) const {
  using Outcome = sidecars::LoginReply::Outcome;
  if (!logins_available) return sidecars::LoginReply{.outcome = Outcome::unavailable};
  if (request.user != "user" || request.password != "secret") {
    return sidecars::LoginReply{.outcome = Outcome::bad_credentials};
  }
  return sidecars::LoginReply{.outcome = Outcome::ok,
                              .account = store::AccountId{7},
                              .name = "user@example.org",
                              .inbox = inbox};
}

sidecars::MailReply FakeMailStore::reply(const sidecars::FoldersRequest&) const {
  return sidecars::FoldersReply{folders_};
}

sidecars::MailReply FakeMailStore::reply(const sidecars::SnapshotRequest& request) const {
  if (!mailboxes_.contains(request.mailbox)) {
    return sidecars::SnapshotReply{fail(ErrorCode::not_found, "no mailbox")};
  }
  return sidecars::SnapshotReply{snapshot(request.mailbox)};
}

sidecars::MailReply FakeMailStore::reply(const sidecars::HeadRequest& request) const {
  if (!mailboxes_.contains(request.mailbox)) {
    return sidecars::HeadReply{fail(ErrorCode::not_found, "no mailbox")};
  }
  return sidecars::HeadReply{head(request.mailbox)};
}

Result<std::string> FakeMailStore::read(const sidecars::BodiesRequest::Range& range) {
  const auto found = bodies_.find(range.body);
  if (found == bodies_.end()) return fail(ErrorCode::not_found, "no body");
  if (range.offset + range.length > fail_from_) return fail(ErrorCode::io, "bad disk");
  const Body& body = found->second;
  const std::uint64_t begin = std::min(range.offset, body.size);
  const std::uint64_t end = begin + std::min(range.length, body.size - begin);
  std::string octets;
  if (begin < body.beginning.size()) octets = body.beginning.substr(begin, end - begin);
  constexpr std::string_view kLine = "The quick brown fox jumps over the lazy dog, and so on.\r\n";
  while (begin + octets.size() < end) {
    octets.push_back(kLine[(begin + octets.size()) % kLine.size()]);
  }
  return octets;
}

sidecars::MailReply FakeMailStore::reply(const sidecars::BodiesRequest& request) {
  sidecars::BodiesReply bodies;
  std::uint64_t sum = 0;
  for (const auto& range : request.ranges) {
    bodies.parts.push_back(read(range));
    sum += range.length;
  }
  octets_read += sum;
  octets_read_at_once_max = std::max(octets_read_at_once_max, sum);
  return bodies;
}

std::uint32_t FakeMailStore::change_flags(Mailbox& mailbox, const store::StoreFlags& change) {
  for (const std::string& keyword : change.keywords) {
    if (keyword_bit(keyword, mailbox.head.keywords) == 0) mailbox.head.keywords.push_back(keyword);
  }
  std::uint32_t count = 0;
  for (auto& [uid, entry] : mailbox.entries) {
    for (const store::UidRange range : change.uids) {
      if (uid < range.first || uid > range.last) continue;
      const store::FlagSet flags = apply(entry.flags, change, mailbox.head.keywords);
      count += flags == entry.flags ? 0 : 1;
      entry.flags = flags;
    }
  }
  return count;
}

std::uint32_t FakeMailStore::remove(Mailbox& mailbox, const store::Expunge& change) {
  return static_cast<std::uint32_t>(std::erase_if(mailbox.entries, [&](const auto& one) {
    const auto& [uid, entry] = one;
    if (change.only_deleted && !entry.flags.has(store::Flag::deleted)) return false;
    return std::ranges::any_of(change.uids, [&uid](const store::UidRange& range) {
      return uid >= range.first && uid <= range.last;
    });
  }));
}

sidecars::MailReply FakeMailStore::reply(const sidecars::MutateRequest& request) {
  ++mutations;
  const MailboxId id = std::visit([](const auto& change) { return change.mailbox; }, request.body);
  const auto found = mailboxes_.find(id);
  if (found == mailboxes_.end()) {
    return sidecars::MutationDone{fail(ErrorCode::not_found, "no mailbox")};
  }
  store::MutationReply done;
  if (const auto* const flags = std::get_if<store::StoreFlags>(&request.body)) {
    done.changed_count = change_flags(found->second, *flags);
  } else {
    done.changed_count = remove(found->second, std::get<store::Expunge>(request.body));
  }
  touched(found->second);
  done.modseq = found->second.head.highest_modseq;
  return sidecars::MutationDone{done};
}

// ---- the observer
// ------------------------------------------------------------------------------------

void RecordingObserver::login_succeeded(std::string_view account, std::string_view mechanism) {
  events.push_back("login " + std::string(account) + " " + std::string(mechanism));
}
void RecordingObserver::login_failed(std::string_view user, std::string_view mechanism) {
  events.push_back("failed " + std::string(user) + " " + std::string(mechanism));
}
void RecordingObserver::mailbox_selected(std::string_view mailbox, bool read_only,
                                         std::size_t messages) {
  events.push_back("selected " + std::string(mailbox) + (read_only ? " ro " : " rw ") +
                   std::to_string(messages));
}
void RecordingObserver::session_ended(EndReason reason) {
  events.push_back("end " + std::string(to_string(reason)));
}

std::shared_ptr<const ImapProfile> make_profile(Behaviour behaviour) {
  ImapProfile profile;
  profile.hostname = "mail.example.org";
  profile.version = "1.2";
  profile.tls_available = true;
  profile.behaviour = behaviour;
  profile.listener.tls = config::TlsMode::starttls;
  return std::make_shared<const ImapProfile>(std::move(profile));
}

// ---- the driver
// --------------------------------------------------------------------------------------

SessionDriver::SessionDriver(FakeMailStore& the_store, std::shared_ptr<const ImapProfile> profile)
    : store(the_store),
      session(
          std::make_unique<ImapSession>(std::move(profile), PeerFacts{.address = "192.0.2.1"})) {
  session->set_observer(&observer);
}

void SessionDriver::put_out(std::string_view octets) {
  octets_out += octets.size();
  if (keep_transcript) transcript.append(octets);
}

void SessionDriver::after_call() {
  SessionOutput& output = session->output();
  bool sent = false;
  while (true) {
    output_max = std::max(output_max, output.bytes.size());
    if (!output.bytes.empty()) {
      if (hold_output_) {
        unsent_.append(output.bytes);
      } else {
        put_out(std::exchange(unsent_, {}));  // what was held is older
        put_out(output.bytes);
        sent = true;
      }
      output.bytes.clear();
    }
    if (output.close) {
      closed = true;
      return;
    }
    if (output.start_tls) {
      start_tls = true;
      output.start_tls = false;
      pending_.clear();
      return;
    }
    if (session->request()) {
      POSTERN_ASSERT(!outstanding_);
      outstanding_ = true;
      held_ = std::move(*session->request());
      session->request().reset();
    }
    if (held_ && !hold_replies_) {
      sidecars::MailRequest request = std::move(*held_);
      held_.reset();
      outstanding_ = false;
      session->on_reply(store.answer(std::move(request)), now);
    } else if (sent) {
      sent = false;
      session->on_output_sent(now);
    } else {
      return;
    }
  }
}

void SessionDriver::offer() {
  while (!pending_.empty() && !closed && !start_tls) {
    const std::size_t used = session->on_input(pending_, now);
    POSTERN_ASSERT(used <= pending_.size());
    pending_.erase(0, used);
    after_call();
    if (used == 0) return;
  }
}

void SessionDriver::open(bool tls) {
  if (tls) session->on_tls({.version = "TLSv1.3"}, now);
  session->on_open(now);
  after_call();
}

void SessionDriver::send(std::string_view octets) {
  if (closed) return;
  pending_.append(octets);
  offer();
}

std::string SessionDriver::talk(std::string_view octets) {
  transcript.clear();
  send(octets);
  return take();
}

void SessionDriver::log_in(std::string_view mailbox) {
  open();
  send("l LOGIN user secret\r\n");
  if (!mailbox.empty()) send("s SELECT \"" + std::string(mailbox) + "\"\r\n");
  transcript.clear();
  observer.events.clear();
}

void SessionDriver::tls_done() {
  start_tls = false;
  session->on_tls({.version = "TLSv1.3"}, now);
  after_call();
  offer();
}

void SessionDriver::advance(std::chrono::milliseconds time) {
  const MonoTime goal = now.mono + time;
  while (!closed && session->output().deadline && *session->output().deadline <= goal) {
    now.mono = std::max(now.mono, *session->output().deadline);
    session->output().deadline.reset();
    session->on_deadline(now);
    after_call();
    offer();
  }
  now.mono = goal;
}

void SessionDriver::mailbox_changed() {
  if (closed) return;
  session->on_mailbox_changed(now);
  after_call();
  offer();
}

void SessionDriver::shut_down() {
  session->on_shutdown(now);
  after_call();
  offer();
}

void SessionDriver::end_of_input() {
  session->on_end_of_input(now);
  after_call();
}

void SessionDriver::answer_held() {
  POSTERN_ASSERT(held_.has_value());
  sidecars::MailRequest request = std::move(*held_);
  held_.reset();
  outstanding_ = false;
  if (closed) return;
  session->on_reply(store.answer(std::move(request)), now);
  after_call();
  offer();
}

void SessionDriver::send_output() {
  put_out(unsent_);
  unsent_.clear();
  if (closed) return;
  session->on_output_sent(now);
  after_call();
  offer();
}

}  // namespace postern::imap::testing
