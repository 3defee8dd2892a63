// What the SMTP session itself costs: one transaction on a connection that is kept open, 4 KiB of
// mail, against a driver that answers at once. No socket, no store.
//   smtp_session_bench                            time
//   perf stat -e instructions:u smtp_session_bench --benchmark_filter=Transaction   instructions,
//   all in
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/smtp/data_reader.hpp"
#include "gateway/smtp/session.hpp"
#include "runtime/assert.hpp"

namespace {

using namespace postern;
using namespace postern::smtp;

class OneDomain final : public store::Directory {
 public:
  store::Route route(std::string_view, std::string_view domain) const override {
    if (!is_local_domain(domain)) return {};
    return {.kind = store::Route::Kind::local, .mailboxes = {store::MailboxId{1}}};
  }
  bool is_local_domain(std::string_view domain) const override { return domain == "example.com"; }
  const store::Account* find_login(std::string_view) const override { return nullptr; }
  bool may_send_as(std::string_view, std::string_view, std::string_view) const override {
    return true;
  }
  std::vector<std::string> domains() const override { return {"example.com"}; }
  std::vector<const store::Account*> accounts() const override { return {}; }
};

// Feeds a session and lets every message be durable at once.
class Driver {
 public:
  Driver()
      : ids_(0, 1'795'271'400'000),
        session_(SmtpProfile::make({}, "mx.example.com", false),
                 PeerFacts{.address = "192.0.2.1", .port = 4711, .local_address = "192.0.2.25"},
                 SmtpServices{.ids = &ids_,
                              .observer = &observer_,
                              .policy = nullptr,
                              .directory = std::make_shared<OneDomain>()}) {
    session_.on_open(now_);
    feed("EHLO client.example\r\n");
  }
  // Returns the octets of the replies.
  std::size_t feed(std::string_view in) {
    std::size_t replied = 0;
    while (!in.empty()) {
      in.remove_prefix(session_.on_input(in, now_));
      if (session_.request()) {
        session_.request().reset();
        session_.message()->outcome = store::SpoolOutcome::durable;
        session_.on_submitted(now_);
      }
      replied += session_.output().bytes.size();
      session_.output().bytes.clear();
    }
    return replied;
  }
  std::uint32_t accepted() const { return session_.conversation().counters.messages_accepted; }

 private:
  Now now_{.mono = MonoTime(std::chrono::hours(1)), .unix_ms = 1'795'271'400'000};
  MessageIdGenerator ids_;
  SmtpObserver observer_;
  SmtpSession session_;
};

std::string mail_of(std::size_t octets) {
  std::string mail =
      "Received: from a.example ([192.0.2.9])\r\n\tby relay.example with ESMTPS id 1;\r\n"
      "\tSat, 21 Nov 2026 14:30:00 +0000\r\nFrom: A <a@client.example>\r\nTo: <b@example.com>\r\n"
      "Subject: benchmark\r\nDate: Sat, 21 Nov 2026 14:30:00 +0000\r\n"
      "Message-ID: <1@client.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
  while (mail.size() < octets) {
    mail += "Seventy-eight octets of text are what a line of mail has in it on average\r\n";
  }
  return mail;
}

constexpr std::string_view kEnvelope =
    "MAIL FROM:<a@client.example> SIZE=4096\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";

// Envelope and message as two reads, as a client with PIPELINING sends them.
void BM_Transaction(benchmark::State& state) {
  Driver driver;
  const std::string mail = mail_of(static_cast<std::size_t>(state.range(0))) + ".\r\n";
  std::size_t replied = 0;
  for (auto _ : state) {
    replied += driver.feed(kEnvelope);
    replied += driver.feed(mail);
  }
  benchmark::DoNotOptimize(replied);
  POSTERN_ASSERT(driver.accepted() == state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(mail.size()) * state.iterations());
}
BENCHMARK(BM_Transaction)->Arg(4 << 10)->Arg(64 << 10);

void BM_FindIrregular(benchmark::State& state) {
  const std::string mail = mail_of(16 << 10);
  for (auto _ : state) benchmark::DoNotOptimize(find_irregular(mail, '\n'));
  POSTERN_ASSERT(find_irregular(mail, '\n') == mail.size());
  state.SetBytesProcessed(static_cast<std::int64_t>(mail.size()) * state.iterations());
}
BENCHMARK(BM_FindIrregular);

void BM_SessionStart(benchmark::State& state) {
  for (auto _ : state) Driver driver;
}
BENCHMARK(BM_SessionStart);

}  // namespace

BENCHMARK_MAIN();
