// Fuzzes the SMTP session. How it works:
//  1. The first octet chooses the game (bit 0) and the listener's settings (the others); with bit 7
//  the next one chooses its rules.
//  2. Game 0: the rest is what a client sends. Sent whole, octet by octet and in two pieces it must
//  give
//     the same replies and the same messages.
//  3. Game 1: the rest is a list of events: input, answers of the store and of the directory, time,
//  TLS,
//     shutdown, end of input, in any order a driver may produce them. After each event the
//     invariants must hold.
//  4. In both games the session must come to its end when the client goes away, and report it once.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/duplicate_table.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace {

using namespace postern;
using namespace postern::smtp;
using postern::smtp::test::SmtpDriver;
using postern::smtp::test::StoredMessage;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

struct Choice {
  std::uint8_t bits = 0;
  std::uint8_t rules = 0;
};

void set_rules(config::SmtpRuleSettings& rules, std::uint8_t bits) {
  constexpr config::LineEndPolicy kPolicies[] = {
      config::LineEndPolicy::reject, config::LineEndPolicy::normalize, config::LineEndPolicy::allow,
      config::LineEndPolicy::reject};
  rules.bare_newline = kPolicies[bits & 3];
  if ((bits & 4) != 0) rules.nul_octets = config::NulPolicy::allow;
  rules.add_missing_fields = rules.remove_bcc = rules.hide_client_address = (bits & 8) != 0;
  rules.dsn = rules.require_tls = rules.mt_priority = rules.deliver_by = (bits & 16) != 0;
  if ((bits & 16) != 0) rules.hold_max = std::chrono::hours(24);
  if ((bits & 32) != 0) rules.duplicate_window = std::chrono::minutes(1);
  rules.sender_owned = (bits & 64) != 0;
  rules.xclient = (bits & 128) != 0;
}

PeerFacts peer_of(const Choice& choice) {
  PeerFacts peer = SmtpDriver::stranger();
  peer.trusted = (choice.rules & 128) != 0;
  return peer;
}

std::shared_ptr<SmtpProfile> profile_of(const Choice& choice) {
  const std::uint8_t bits = choice.bits;
  auto profile = test::make_profile();
  set_rules(profile->rules, choice.rules);
  profile->auth_plaintext = (bits & 2) == 0;
  profile->auth_required = (bits & 4) != 0;
  if ((bits & 8) != 0) profile->tls = config::TlsMode::required;
  if ((bits & 16) != 0) profile->tarpit_delay = std::chrono::seconds(5);
  if ((bits & 32) != 0) {
    profile->protocol_errors_max = 3;
    profile->logon_failures_max = 1;
    profile->recipients_max = 2;
    profile->transactions_max = 5;
    profile->hops_max = 1;
    profile->local_hops_max = 1;
  }
  if ((bits & 64) != 0) {
    profile->message_octets_max = 200;
    profile->header_octets_max = 100;
    profile->command_octets_max = 512;
  }
  profile->connection_timeout = std::chrono::minutes(10);
  profile->inactivity_timeout = std::chrono::minutes(1);
  profile->prepare_replies();
  return profile;
}

// --- invariants ----------------------------------------------------------------------------------

void check_message(const StoredMessage& message, const config::SmtpRuleSettings& rules) {
  require(message.size_octets == message.octets.size(), "the size is the body's");
  require(message.octets.starts_with("Return-Path: <"), "a trace header comes first");
  require(message.octets.compare(message.relay_offset_octets, 10, "Received: ") == 0,
          "the relay starts at Received");
  require(message.octets.ends_with("\r\n"), "a message ends in CRLF");
  require(!message.envelope.recipients.empty(), "a message has recipients");
  if (message.envelope.options.body_binary) return;
  if (rules.nul_octets == config::NulPolicy::reject) {
    require(message.octets.find('\0') == std::string::npos, "no NUL is stored");
  }
  if (rules.bare_newline == config::LineEndPolicy::allow) return;
  char previous = '\n';
  for (const char c : message.octets) {
    require((c == '\n') == (previous == '\r'), "no bare CR or LF is stored");
    previous = c;
  }
}

void check_replies(std::string_view replies) {
  while (!replies.empty()) {
    const std::size_t end = replies.find("\r\n");
    require(end != std::string_view::npos, "replies are whole lines");
    require(end >= 4 && end <= 510 && replies[0] >= '2' && replies[0] <= '5', "a reply line");
    require(replies.substr(0, end).find_first_of("\r\n") == std::string_view::npos,
            "no line within a line");
    replies.remove_prefix(end + 2);
  }
}

void check_state(SmtpDriver& driver) {
  const Conversation& c = driver.session.conversation();
  const Transaction& transaction = c.transaction;
  const std::size_t line_max = std::max<std::size_t>(c.profile->command_octets_max, 12'288);
  require(c.line.size() <= line_max, "a line is bounded");
  require(c.intake.body().buffered() <= kSpillThresholdOctets + store::kBodyChunkOctets,
          "a message is bounded in memory");
  require(!c.request, "the driver has taken the request");
  require((driver.session.message() != nullptr) == (c.wait == Wait::submit),
          "message() is there while it is submitted");
  require(c.mode != InputMode::data || (transaction.open && !transaction.chunking), "DATA in MAIL");
  require(!transaction.chunking || transaction.open, "chunks in MAIL");
  require(!transaction.open || c.message, "a transaction has a message");
  require(!transaction.open || c.hello != Hello::none, "MAIL behind EHLO");
  require(!transaction.open || !c.profile->auth_required || c.authenticated(), "MAIL behind AUTH");
  require(c.profile->tls != config::TlsMode::required || c.tls || !transaction.open,
          "MAIL behind STARTTLS");
  require((c.mode == InputMode::auth_response) == (c.mechanism != nullptr), "an AUTH exchange");
  require(c.wait == Wait::tarpit || c.held.empty(), "only the tarpit holds replies");
  require(!transaction.open || c.profile->recipients_max == 0 ||
              c.message->envelope.recipients.size() <= c.profile->recipients_max,
          "recipients are bounded");
  require(c.ended || c.profile->transactions_max == 0 ||
              c.counters.transactions <= c.profile->transactions_max,
          "transactions are bounded");
  const auto repeated = static_cast<std::size_t>(std::ranges::count_if(
      driver.events, [](const std::string& event) { return event.starts_with("repeated "); }));
  require(c.counters.messages_accepted == driver.stored.size() + repeated,
          "each 250 is a stored message");
  require(!transaction.claimed || c.wait == Wait::submit, "what is claimed is being stored");
  require(c.ended == (driver.end_reasons.size() == 1), "the end is reported once");
  require(!driver.closed() || c.ended, "only an ended session closes");
  require(c.ended || driver.session.output().deadline || c.wait == Wait::open ||
              c.wait == Wait::submit || c.wait == Wait::verify,
          "a client can always time out");
  require(!c.ready() || c.mode == InputMode::chunk || driver.input.empty(),
          "input is consumed unless something is awaited");
}

/// Checks the state, and the replies from `checked` on, which it moves to their end.
void invariants(SmtpDriver& driver, std::size_t& checked) {
  check_state(driver);
  check_replies(std::string_view(driver.replies).substr(checked));
  checked = driver.replies.size();
}

// --- game 0: however it is cut -------------------------------------------------------------------

struct Outcome {
  std::string replies;
  std::vector<std::string> messages;
  std::vector<std::string> events;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome play(const Choice& choice, const std::vector<std::string_view>& pieces) {
  gateway::DuplicateTable duplicates(64, 1);
  const auto profile = profile_of(choice);
  SmtpDriver driver(profile, &duplicates, peer_of(choice));
  driver.open();
  for (const std::string_view piece : pieces) {
    if (!driver.closed() && !driver.session.output().start_tls) driver.feed(piece);
  }
  while (driver.session.conversation().wait == Wait::tarpit) driver.pass(std::chrono::seconds(5));
  if (driver.session.output().start_tls) driver.tls();
  driver.end_of_input();
  std::size_t checked = 0;
  invariants(driver, checked);
  require(driver.closed(), "the session ends with its client");
  Outcome outcome{.replies = driver.replies, .messages = {}, .events = driver.events};
  for (const StoredMessage& message : driver.stored) {
    check_message(message, profile->rules);
    outcome.messages.push_back(message.envelope.reverse_path + "\n" + message.octets);
  }
  return outcome;
}

void cut(const Choice& bits, std::string_view script) {
  const Outcome whole = play(bits, {script});
  std::vector<std::string_view> octets;
  for (std::size_t at = 0; at < script.size(); ++at) octets.push_back(script.substr(at, 1));
  require(play(bits, octets) == whole, "octet by octet is the same");
  const std::size_t middle = script.empty() ? 0 : script.size() * bits.bits / 256;
  require(play(bits, {script.substr(0, middle), script.substr(middle)}) == whole,
          "two pieces are the same");
}

// --- game 1: events ------------------------------------------------------------------------------

class Events {
 public:
  // Whether a client speaks too early hangs on how its octets are cut, so it is looked at here.
  Events(const Choice& choice, std::string_view data)
      : data_(data),
        profile_(profile_of(choice)),
        driver_(profile_, &duplicates_, peer_of(choice)) {
    profile_->rules.pipelining_strict = (choice.bits & 64) != 0;
    driver_.hold_answers = true;
    driver_.open();
  }
  void run() {
    while (!data_.empty() && !driver_.closed()) {
      step(octet());
      invariants(driver_, replies_checked_);
    }
    finish();
  }

 private:
  std::uint8_t octet() {
    if (data_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(data_.front());
    data_.remove_prefix(1);
    return value;
  }
  std::string_view text(std::size_t size) {
    const std::string_view out = data_.substr(0, size);
    data_.remove_prefix(out.size());
    return out;
  }
  void answer(std::uint8_t how) {
    if (driver_.submit_held) {
      constexpr store::SpoolOutcome kOutcomes[] = {
          store::SpoolOutcome::durable,  store::SpoolOutcome::durable,
          store::SpoolOutcome::durable,  store::SpoolOutcome::store_busy,
          store::SpoolOutcome::no_space, store::SpoolOutcome::failed};
      driver_.answer_submit(kOutcomes[how % std::size(kOutcomes)]);
    } else if (driver_.verify_held) {
      const auto outcome = static_cast<VerifyOutcome>(how % 3);
      driver_.answer_verify(outcome, outcome == VerifyOutcome::ok ? "alice@example.org" : "");
    }
  }
  // A whole message that is larger than what is kept in memory. As commands it would only be slow.
  void feed_large() {
    const InputMode mode = driver_.session.conversation().mode;
    if (mode != InputMode::data && mode != InputMode::chunk) return;
    if (large_left_-- <= 0) return;
    const std::string line = "large " + std::string(1024, 'x') + "\r\n";
    for (int i = 0; i < 1200 && !driver_.closed(); ++i) driver_.feed(line);
  }
  void step(std::uint8_t what) {
    const bool handshaking = driver_.session.conversation().wait == Wait::handshake;
    switch (what % 16) {
      case 0:
        answer(octet());
        break;
      case 1:
        driver_.pass(std::chrono::seconds(octet()));
        break;
      case 2:
        if (handshaking) driver_.tls((octet() & 1) != 0 ? "alice@example.org" : "");
        break;
      case 3:
        if ((octet() & 7) == 0) driver_.shut_down();
        break;
      case 4:
        if ((octet() & 7) == 0) driver_.end_of_input();
        break;
      case 5:
        if (driver_.input.size() < 100'000) feed_large();
        break;
      case 6:
        driver_.session.set_directory(std::make_shared<test::FakeDirectory>());
        break;
      case 7: {
        const std::uint8_t bits = octet();
        driver_.admit_messages = (bits & 3) != 0;
        driver_.memory = (bits & 48) != 48;
        break;
      }
      case 8:
        driver_.hold_answers = (octet() & 1) != 0;
        break;
      case 9:
        driver_.outcome = static_cast<store::SpoolOutcome>(1 + octet() % 4);
        break;
      default:
        driver_.feed(text(octet()));
        break;
    }
  }
  void finish() {
    driver_.end_of_input();
    for (int i = 0; i < 3 && !driver_.closed(); ++i) {
      answer(0);
      invariants(driver_, replies_checked_);
    }
    require(driver_.closed(), "the session ends with its client");
    require(driver_.end_reasons.size() == 1, "the end is reported");
    for (const StoredMessage& message : driver_.stored) check_message(message, profile_->rules);
  }

  std::string_view data_;
  int large_left_ = 2;  // a megabyte each: more would only make runs slow
  gateway::DuplicateTable duplicates_{64, 1};
  std::shared_ptr<SmtpProfile> profile_;
  SmtpDriver driver_;
  std::size_t replies_checked_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  Choice choice{.bits = data[0]};
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((choice.bits & 128) != 0 && !rest.empty()) {
    choice.rules = static_cast<std::uint8_t>(rest.front());
    rest.remove_prefix(1);
  }
  if ((choice.bits & 1) == 0) {
    cut(choice, rest);
  } else {
    Events(choice, rest).run();
  }
  return 0;
}
