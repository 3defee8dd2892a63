// SMTP-20: tarpitted sessions cost a timer and their own state; nothing runs while they wait.
#include <gtest/gtest.h>
#include <malloc.h>
#include <memory>
#include <vector>

#include "gateway/smtp/session.hpp"
#include "runtime/timer_wheel.hpp"
#include "tests/unit/gateway/smtp/smtp_driver.hpp"

namespace postern::policy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A connection without its socket: the session and its timer, sent octets thrown away.
struct Client {
  Client(std::shared_ptr<const smtp::SmtpProfile> profile, const smtp::SmtpServices& services,
         TimerWheel& timers)
      : wheel(timers),
        session(std::move(profile), PeerFacts{.address = "192.0.2.1"}, services),
        timer(this, [](void* self, Now now) { static_cast<Client*>(self)->expire(now); }) {}
  void drain() {
    replies += session.output().bytes.size() > 0 ? 1 : 0;
    std::string().swap(session.output().bytes);
    if (session.output().deadline) wheel.arm(timer, *session.output().deadline);
  }
  void expire(Now now) {
    ++fired;
    session.on_deadline(now);
    drain();
  }
  TimerWheel& wheel;
  smtp::SmtpSession session;
  Timer timer;
  int replies = 0;
  int fired = 0;
};

TEST(TarpitCost, AHundredThousandSessions) {
  constexpr std::size_t kSessions = 100'000;
  config::SmtpListenerSettings settings;
  settings.name = "relay";
  settings.connection_timeout = seconds(300);
  settings.inactivity_timeout = seconds(60);
  settings.tarpit_delay = seconds(5);
  const auto profile = smtp::SmtpProfile::make(settings, "mx.example.org", false);
  smtp::test::CountingIds ids;
  smtp::SmtpObserver observer;
  const auto directory = std::make_shared<smtp::test::FakeDirectory>();
  const smtp::SmtpServices services{
      .ids = &ids, .observer = &observer, .policy = nullptr, .directory = directory};

  Now now{.mono = MonoTime(seconds(1000)), .unix_ms = 0};
  TimerWheel wheel(now.mono);
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(kSessions);
  const std::size_t before = ::mallinfo2().uordblks;
  for (std::size_t i = 0; i < kSessions; ++i) {
    clients.push_back(std::make_unique<Client>(profile, services, wheel));
    clients.back()->session.on_open(now);
    clients.back()->drain();
  }
  const std::size_t greeted = ::mallinfo2().uordblks;
  for (auto& client : clients) {
    EXPECT_EQ(client->session.on_input("NONSENSE\r\n", now), 10U);
    client->drain();
    EXPECT_EQ(client->session.on_input("NOOP\r\n", now), 0U) << "commands wait in the driver";
    client->drain();
  }
  const std::size_t held = ::mallinfo2().uordblks;
  const double idle_octets = double(greeted - before) / double(kSessions);
  const double tarpit_octets = double(held - greeted) / double(kSessions);
  RecordProperty("idle_session_octets", int(idle_octets));
  RecordProperty("tarpit_octets", int(tarpit_octets));
  EXPECT_LT(tarpit_octets, 128) << "the held reply, and nothing else";

  // No session is touched before its time, however often the loop looks at its timers.
  for (int turn = 0; turn < 4990; turn += 10) {
    now.mono += milliseconds(10);
    wheel.advance(now);
  }
  for (const auto& client : clients) {
    ASSERT_EQ(client->fired, 0);
    ASSERT_EQ(client->replies, 1) << "the greeting";
  }
  now.mono += milliseconds(20);
  wheel.advance(now);
  for (const auto& client : clients) {
    ASSERT_EQ(client->replies, 2);
    ASSERT_EQ(client->fired, 1);
  }
  clients.front()->drain();
  EXPECT_EQ(clients.front()->session.on_input("NOOP\r\n", now), 6U) << "and it goes on";
}

}  // namespace
}  // namespace postern::policy
