// Fuzzes a whole IMAP session against a small store. The input is what the client sends; the octet
// 0x01 and the one behind it are an event instead (see event()). Everything the session sends must
// be well-formed RFC 3501 and keep sequence numbers right, as a strict client sees it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/unit/sidecars/imap/fake_mail_store.hpp"
#include "tests/unit/sidecars/imap/response_checker.hpp"

namespace postern::imap::testing {
namespace {

constexpr std::string_view kMultipart =
    "From: a@b\r\nSubject: =?utf-8?q?x?=\r\nContent-Type: multipart/mixed; "
    "boundary=b\r\n\r\n--b\r\n\r\n"
    "one\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ntext\r\n--b--\r\n";

class Fuzzed {
 public:
  explicit Fuzzed(std::uint8_t options)
      : driver_(store_,
                make_profile((options & 1) != 0 ? Behaviour::exchange : Behaviour::modern)) {
    store_.append(store_.inbox, std::string(kMultipart));
    store_.append(store_.inbox, "Subject: two\r\n\r\nbody", 9);
    store_.append_large(store_.inbox, "Subject: large\r\n\r\n", 300'000);
    store_.append(store_.inbox, "", 1);
    store_.add_folder("Box/Sub \"x\"");
    driver_.open((options & 2) == 0);
    if ((options & 4) == 0) driver_.send("l LOGIN user secret\r\ns SELECT INBOX\r\n");
    piece_octets_ = (options & 8) != 0 ? 1 : 4096;
  }

  void run(std::string_view input) {
    while (!input.empty() && !driver_.closed) {
      if (input.front() == '\x01') {
        if (input.size() > 1) event(input[1]);
        input.remove_prefix(std::min<std::size_t>(2, input.size()));
      } else {
        const std::size_t length = std::min(input.find('\x01'), piece_octets_);
        driver_.send(input.substr(0, length));
        input.remove_prefix(std::min(length, input.size()));
      }
      if (driver_.start_tls) driver_.tls_done();
    }
    finish();
  }

 private:
  store::Uid any_uid() const {
    if (gone_) return 0;
    const auto entries = store_.entries(store_.inbox);
    return entries.empty() ? 0 : entries[entries.size() / 2].uid;
  }

  void event(char kind) {
    const store::Uid uid = any_uid();
    switch (kind) {
      case 'a':
        if (!gone_) store_.append(store_.inbox, std::string(kMultipart));
        break;
      case 'e':
        if (uid != 0) store_.expunge(store_.inbox, uid);
        break;
      case 'f':
        if (uid != 0) store_.set_flags(store_.inbox, uid, 31);
        break;
      case 'x':
        if (uid != 0) store_.lose_body(store_.inbox, uid);
        break;
      case 'i':
        store_.fail_reads_from(200'000);
        break;
      case 'c':
        driver_.mailbox_changed();
        break;
      case 't':
        driver_.advance(std::chrono::seconds(1));
        break;
      case 'T':
        driver_.advance(std::chrono::minutes(31));
        break;
      case 'h':
        driver_.hold_replies(true);
        break;
      case 'r':
        if (driver_.holds_request()) driver_.answer_held();
        break;
      case 'R':
        driver_.hold_replies(false);
        break;
      case 'o':
        driver_.hold_output(true);
        break;
      case 's':
        driver_.send_output();
        break;
      case 'O':
        driver_.hold_output(false);
        break;
      case 'q':
        driver_.shut_down();
        break;
      case 'z':
        driver_.end_of_input();
        break;
      case 'g':
        store_.remove_folder(store_.inbox);
        gone_ = true;
        break;
      default:
        break;
    }
  }

  void finish() {
    driver_.hold_replies(false);
    driver_.hold_output(false);
    for (int turn = 0; turn < 100 && !driver_.closed; ++turn) {
      if (driver_.holds_request()) driver_.answer_held();
      driver_.send_output();
      driver_.advance(std::chrono::milliseconds(1000));
    }
    driver_.send_output();
    ResponseChecker checker;
    // Only a connection that was closed may end in the middle of a response.
    if (!checker.read(driver_.transcript, driver_.closed)) {
      std::fprintf(stderr, "%s\n", checker.problem().c_str());
      std::abort();
    }
    if (driver_.output_max > (2u << 20)) std::abort();
  }

  FakeMailStore store_;
  SessionDriver driver_;
  std::size_t piece_octets_ = 4096;
  bool gone_ = false;  // the mailbox
};

}  // namespace
}  // namespace postern::imap::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 64 * 1024) return 0;
  postern::imap::testing::Fuzzed fuzzed(data[0]);
  fuzzed.run({reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
