// What the POP3 session costs by itself: a maildrop of 10,000 messages of 4 KiB fetched against a
// store that answers at once from memory. CPU per message and octets per second are the session's,
// plus one copy out of the store's memory per message.
#include <benchmark/benchmark.h>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/assert.hpp"
#include "sidecars/pop3/dot_stuffer.hpp"
#include "sidecars/pop3/session.hpp"
#include "store/mailbox_snapshot.hpp"

namespace postern::pop3 {
namespace {

constexpr std::size_t kMessages = 10'000;
constexpr std::size_t kMessageOctets = 4096;

// A mail of text lines; one line in twenty begins with a dot.
std::string make_message() {
  std::string body = "From: a@example.org\r\nTo: b@example.org\r\nSubject: bench\r\n\r\n";
  for (int line = 0; body.size() < kMessageOctets; ++line) {
    if (line % 20 == 0) body += '.';
    body += "The quick brown fox jumps over the lazy dog. It is 70 octets long.\r\n";
  }
  body.resize(kMessageOctets - 2);
  return body + "\r\n";
}

/// Answers what a POP3 session asks. All messages have the same octets.
class FakeStore {
 public:
  FakeStore() : body_(make_message()) {
    std::vector<store::MessageEntry> entries;
    for (std::uint32_t i = 1; i <= kMessages; ++i)
      entries.push_back(
          {.uid = i, .modseq = 1, .body = store::BodyId{i}, .size_octets = body_.size()});
    snapshot_ =
        store::MailboxSnapshot::from_entries({.id = store::MailboxId{1}}, std::move(entries));
  }

  sidecars::MailReply answer(const sidecars::MailRequest& request) {
    if (const auto* bodies = std::get_if<sidecars::BodiesRequest>(&request)) {
      ++trips;
      sidecars::BodiesReply reply;
      reply.parts.reserve(bodies->ranges.size());
      for (const auto& range : bodies->ranges)
        reply.parts.emplace_back(body_.substr(range.offset, range.length));
      return reply;
    }
    if (std::holds_alternative<sidecars::LoginRequest>(request))
      return sidecars::LoginReply{.outcome = sidecars::LoginReply::Outcome::ok,
                                  .account = store::AccountId{1},
                                  .name = "u",
                                  .inbox = store::MailboxId{1}};
    return sidecars::SnapshotReply{snapshot_};
  }
  std::uint64_t trips = 0;

 private:
  std::string body_;
  store::MailboxSnapshotPtr snapshot_;
};

/// Drives a session as the event loop does: output is taken out of it after every call.
class Client {
 public:
  explicit Client(FakeStore& store) : store_(store), session_(profile(), {}) {
    session_.on_open(now_);
    feed("USER u\r\nPASS p\r\n");
  }
  void feed(std::string_view octets) {
    std::size_t consumed = 0;
    while (consumed < octets.size()) {
      consumed += session_.on_input(octets.substr(consumed), now_);
      serve();
    }
    serve();
  }
  std::uint64_t received_octets = 0;

 private:
  static std::shared_ptr<const Pop3Profile> profile() {
    auto made = std::make_shared<Pop3Profile>();
    made->listener.login_plaintext = true;
    return made;
  }
  void serve() {
    auto& output = session_.output();
    while (session_.request() || !output.bytes.empty()) {
      if (auto request = std::exchange(session_.request(), std::nullopt)) {
        session_.on_reply(store_.answer(*request), now_);
      } else {
        const std::string sent = std::exchange(output.bytes, {});
        received_octets += sent.size();
        session_.on_output_sent(now_);
      }
    }
  }

  FakeStore& store_;
  Now now_{};
  Pop3Session session_;
};

void retr_all(benchmark::State& state, std::size_t commands_at_once) {
  FakeStore store;
  std::vector<std::string> reads;
  for (std::size_t i = 0; i < kMessages; ++i) {
    if (i % commands_at_once == 0) reads.emplace_back();
    reads.back() += "RETR " + std::to_string(i + 1) + "\r\n";
  }
  std::uint64_t octets = 0;
  for (auto _ : state) {
    Client client(store);
    for (const std::string& read : reads) client.feed(read);
    octets += client.received_octets;
    POSTERN_ASSERT(client.received_octets > kMessages * kMessageOctets);
  }
  const auto messages = static_cast<std::int64_t>(state.iterations() * kMessages);
  state.SetItemsProcessed(messages);
  state.SetBytesProcessed(static_cast<std::int64_t>(octets));
  state.counters["trips_per_run"] =
      static_cast<double>(store.trips) / static_cast<double>(state.iterations());
}

void retr_one_by_one(benchmark::State& state) { retr_all(state, 1); }
void retr_pipelined(benchmark::State& state) { retr_all(state, 1000); }
BENCHMARK(retr_one_by_one)->Unit(benchmark::kMillisecond);
BENCHMARK(retr_pipelined)->Unit(benchmark::kMillisecond);

void login_and_list(benchmark::State& state) {
  FakeStore store;
  for (auto _ : state) {
    Client client(store);
    client.feed("STAT\r\nUIDL\r\nLIST\r\nQUIT\r\n");
    benchmark::DoNotOptimize(client.received_octets);
  }
}
BENCHMARK(login_and_list)->Unit(benchmark::kMicrosecond);

// 0: text as in a mail, 1: base64 lines, 2: nothing but dots, 3: nothing but empty lines, 4: the
// worst a sender can do, a dot to stuff in every line of three octets.
void dot_stuffing(benchmark::State& state) {
  std::string body;
  const std::string lines[] = {make_message(), std::string(76, 'A') + "\r\n", "....", "\r\n",
                               ".\r\n"};
  while (body.size() < 256 * 1024) body += lines[state.range(0)];
  std::string out;
  for (auto _ : state) {
    out.clear();
    DotStuffer stuffer;
    stuffer.append(body, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(dot_stuffing)->DenseRange(0, 4);

}  // namespace
}  // namespace postern::pop3

BENCHMARK_MAIN();
