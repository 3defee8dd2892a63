// What the SMTP session itself costs: one transaction on a connection that is kept open, 4 KiB of
// mail, against a driver that answers at once; with and without everything that limits, remembers
// and edits. No socket, no store.
//   smtp_session_bench                            time
//   perf stat -e instructions:u smtp_session_bench --benchmark_filter=Transaction   instructions,
//   all in; without counters: valgrind --tool=callgrind, once with --benchmark_filter=
//   BM_Transaction/4096/iterations:1000 and once with 3000, and the difference
#include <benchmark/benchmark.h>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/duplicate_table.hpp"
#include "gateway/metric_ids.hpp"
#include "gateway/policy/client_policy.hpp"
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

PeerFacts client() { return {.address = "192.0.2.1", .port = 4711, .local_address = "192.0.2.25"}; }

// A listener on which nothing is off that a message can meet. The limits are out of reach.
config::SmtpListenerSettings everything_on() {
  config::SmtpListenerSettings listener;
  constexpr std::uint64_t kNever = std::uint64_t{1} << 40;
  listener.source_message_rate = {kNever, kNever, kNever, kNever};
  listener.pipelining_strict = listener.add_missing_fields = listener.remove_bcc = true;
  listener.hide_client_address = listener.sender_owned = listener.xclient = true;
  listener.dsn = listener.require_tls = listener.mt_priority = listener.deliver_by = true;
  listener.hold_max = std::chrono::hours(24);
  listener.duplicate_window = std::chrono::minutes(15);
  return listener;
}

// What all sessions of a gateway share, with the policies of one client.
struct Policies {
  explicit Policies(const config::SmtpListenerSettings& settings)
      : shared(config::GatewaySettings{}, 2), listener(shared.add_listener(settings)) {}
  policy::GatewayPolicy shared;
  policy::ListenerPolicy listener;
  metrics::Cells cells{gateway::kMetricCount};
  policy::CorePolicy core{shared, 0, cells, 0, std::int64_t{1} << 30};
  policy::ClientPolicy client{core, listener, ::client()};
  gateway::DuplicateTable duplicates{65536, 1};
};

// Feeds a session and lets every message be durable at once.
class Driver {
 public:
  explicit Driver(const config::SmtpListenerSettings& settings = {}, Policies* policies = nullptr)
      : ids_(0, 1'795'271'400'000),
        session_(
            SmtpProfile::make(settings, "mx.example.com", false), client(),
            SmtpServices{.ids = &ids_,
                         .observer = &observer_,
                         .policy = policies == nullptr ? nullptr : &policies->client,
                         .directory = std::make_shared<OneDomain>(),
                         .duplicates = policies == nullptr ? nullptr : &policies->duplicates}) {
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
      if (session_.output().bytes.empty()) continue;
      session_.output().bytes.clear();
      session_.on_output_sent(now_);
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
BENCHMARK(BM_Transaction)->Arg(4 << 10)->Iterations(1000);
BENCHMARK(BM_Transaction)->Arg(4 << 10)->Iterations(3000);

// Each message has a Message-ID of its own, so that none is taken for one that is sent again.
void BM_TransactionWithEveryPolicy(benchmark::State& state) {
  const config::SmtpListenerSettings settings = everything_on();
  Policies policies(settings);
  Driver driver(settings, &policies);
  std::string mail = mail_of(static_cast<std::size_t>(state.range(0))) + ".\r\n";
  const std::size_t digits = mail.find("<1@") + 1;
  mail.insert(digits, "000000000");
  std::size_t replied = 0;
  for (auto _ : state) {
    for (std::size_t at = digits + 9; ++mail[--at] > '9';) mail[at] = '0';
    replied += driver.feed(kEnvelope);
    replied += driver.feed(mail);
  }
  benchmark::DoNotOptimize(replied);
  POSTERN_ASSERT(driver.accepted() == state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(mail.size()) * state.iterations());
}
BENCHMARK(BM_TransactionWithEveryPolicy)->Arg(4 << 10)->Arg(64 << 10);
BENCHMARK(BM_TransactionWithEveryPolicy)->Arg(4 << 10)->Iterations(1000);
BENCHMARK(BM_TransactionWithEveryPolicy)->Arg(4 << 10)->Iterations(3000);

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
