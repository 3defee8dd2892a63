// Fuzzes the POP3 session. The first octet chooses between two games:
//  - even: the rest is what a client sends. Sent whole and sent in pieces must give the same
//  output.
//  - odd: the rest is a list of events (input, output sent, time, store errors, shutdown ...) in
//  any order
//    a driver may produce them. Bounds and the session's own accounts must hold.
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/unit/sidecars/pop3/pop3_driver.hpp"

namespace {

using namespace postern;
using namespace postern::pop3;
using postern::pop3::test::FakeMailStore;
using postern::pop3::test::Pop3Driver;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// Longer than one read batch. Made once: making it costs more than fetching it. Few lines have
// dots: each would be looked at octet by octet, under the fuzzer's eyes, and runs be slow.
const std::string& large_message() {
  static const std::string message = [] {
    std::string text = "A: b\r\n\r\n";
    while (text.size() < sidecars::kReadBatchOctets + 10'000)
      text += ".line of text that is stuffed\r\n" + std::string(8000, 'x') + "\r\n";
    return text;
  }();
  return message;
}

void fill(FakeMailStore& store, std::uint8_t bits) {
  store.policy = {.keep = std::chrono::seconds{bits * 10'000},
                  .delete_after_retrieval = (bits & 8) != 0};
  store.strictest = {store.policy, (bits & 16) != 0};
  store.add("Subject: one\r\n\r\n.dot\r\n..\r\n.");
  store.add(std::string(3000, 'z') + "\n.\n\r\n\r\nlong\r\nlines\r\n");
  store.add("");
  store.add(large_message());
  store.uid_gap = 3;
  for (int i = 0; i < 5; ++i) store.add("small\r\n");
}

Pop3Profile profile_of(std::uint8_t bits) {
  Pop3Profile profile = test::open_profile();
  profile.listener.login_plaintext = (bits & 2) == 0;
  if ((bits & 4) != 0) {
    profile.settings.command_octets_max = 40;
    profile.exact_command_limit = true;
    profile.settings.commands_max = 20;
    profile.settings.login_delay = std::chrono::seconds{9};
  }
  if ((bits & 8) != 0) profile.listener.tls = config::TlsMode::required;
  if ((bits & 16) != 0) profile.failed_login_delay = std::chrono::seconds{2};
  return profile;
}

std::string whole(std::uint8_t bits, std::string_view script) {
  FakeMailStore store;
  fill(store, bits);
  Pop3Driver driver(store, profile_of(bits), (bits & 32) != 0);
  if ((bits & 64) != 0) driver.login();
  driver.feed(script);
  return driver.take_output() + (driver.closed ? "closed" : "open");
}

std::string in_pieces(std::uint8_t bits, std::string_view script) {
  FakeMailStore store;
  fill(store, bits);
  Pop3Driver driver(store, profile_of(bits), (bits & 32) != 0);
  if ((bits & 64) != 0) driver.login();
  std::size_t length = 1;
  for (std::size_t at = 0; at < script.size(); at += length) {
    length = 1 + (at * 7 + bits) % 5;
    driver.feed(script.substr(at, length));
  }
  return driver.take_output() + (driver.closed ? "closed" : "open");
}

bool says_stls(std::string_view script) {
  std::string lower(script);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find("stls") != std::string::npos;
}

void same_output(std::uint8_t bits, std::string_view script) {
  // What STLS discards depends on what has arrived by then. On implicit TLS it is refused.
  if (says_stls(script)) bits |= 32;
  require(whole(bits, script) == in_pieces(bits, script), "output does not depend on the cut");
}

void toggle(std::optional<ErrorCode>& error) {
  if (error)
    error.reset();
  else
    error = ErrorCode::io;
}

// Fetches of everything in one script: more would only make runs slow.
constexpr int kFetchesMax = 4;

// One event; returns how many octets of `script` it used.
std::size_t play(Pop3Driver& driver, FakeMailStore& store, std::string_view script,
                 int& fetches_left) {
  const auto op = static_cast<std::uint8_t>(script[0]);
  switch (op % 16) {
    case 0:
      driver.output_sent();
      return 1;
    case 1:
      driver.reply();
      return 1;
    case 2:
      driver.mailbox_changed();
      return 1;
    case 3:
      driver.advance(std::chrono::seconds{1 << (op >> 4)});
      return 1;
    case 4:
      store.expunge(store.entries.empty() ? 0 : store.entries.front().uid, op >= 128);
      return 1;
    case 5:
      toggle(store.body_error);
      return 1;
    case 6:
      toggle(store.snapshot_error);
      return 1;
    case 7:
      toggle(store.mutation_error);
      store.policy_unavailable = op >= 128;
      store.login_retry_after_s = op >= 192 ? op : 0;
      return 1;
    case 8:
      driver.auto_reply = !driver.auto_reply;
      return 1;
    case 9:
      driver.auto_sent = !driver.auto_sent;
      return 1;
    case 10:
      driver.auto_tls = !driver.auto_tls;
      return 1;
    case 11:
      if (op >= 224) driver.end_of_input();
      return 1;
    case 12:
      if (op >= 224) driver.shutdown();
      return 1;
    case 13:
      if (fetches_left-- > 0) driver.feed("RETR 4\r\nTOP 4 9\r\nRETR 1\r\nRETR 2\r\nLIST\r\n");
      return 1;
    case 14:
      driver.login();
      return 1;
    default:
      break;
  }
  const std::size_t line_end = std::min(script.find('\n', 1), script.size() - 1);
  driver.feed(script.substr(1, line_end));
  return line_end + 1;
}

void any_order(std::uint8_t bits, std::string_view script) {
  FakeMailStore store;
  fill(store, bits);
  Pop3Driver driver(store, profile_of(bits), (bits & 32) != 0);
  int fetches_left = kFetchesMax;
  while (!script.empty() && !driver.closed) {
    script.remove_prefix(play(driver, store, script, fetches_left));
    require(driver.session().held_octets() <= sidecars::kReadBatchOctets, "held octets");
    require(driver.largest_output_octets <= kOutputHighWaterOctets + 2 * kProducePieceOctets,
            "output octets");
    require(store.largest_batch_octets <= sidecars::kReadBatchOctets, "batch octets");
    require(driver.observer.ends.size() == (driver.closed ? 1u : 0u), "one end, at the end");
    driver.take_output();
  }
  driver.destroy();
  require(driver.observer.ends.size() == 1, "every session ends once");
  const auto deleted = driver.observer.ends[0].deleted_count;
  require(deleted == 0 || !store.expunges.empty(), "nothing is removed without UPDATE");
  const auto reason = driver.observer.ends[0].reason;
  require(deleted == 0 || reason == EndReason::quit, "nothing is removed but by QUIT");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view script(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0)
    same_output(data[0], script);
  else
    any_order(data[0], script);
  return 0;
}
