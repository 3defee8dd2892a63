// Drives a Pop3Session by the rules of runtime/session.hpp and sidecars/common/mail_session.hpp,
// against a FakeMailStore, on a clock that only tests move.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecars/pop3/session.hpp"
#include "tests/unit/sidecars/pop3/fake_mail_store.hpp"

namespace postern::pop3::test {

/// Notes what a session reports.
struct RecordingObserver final : Pop3Observer {
  void on_login(const LoginEvent& event, std::string_view account) override {
    logins.push_back(std::string(event.mechanism) + ":" + std::string(account));
  }
  void on_login_failed(const LoginEvent& event) override {
    failures.push_back(std::string(event.mechanism) + ":" + std::string(event.user));
  }
  void on_session_end(const PeerFacts&, const SessionSummary& summary) override {
    ends.push_back(summary);
  }
  std::vector<std::string> logins;
  std::vector<std::string> failures;
  std::vector<SessionSummary> ends;
};

/// A profile that lets a test log in without TLS and without waiting.
inline Pop3Profile open_profile() {
  Pop3Profile profile;
  profile.hostname = "mail.example.org";
  profile.listener.login_plaintext = true;
  profile.tls_available = true;
  profile.failed_login_delay = std::chrono::milliseconds{0};
  return profile;
}

class Pop3Driver {
 public:
  explicit Pop3Driver(FakeMailStore& store, Pop3Profile profile = open_profile(),
                      bool implicit_tls = false)
      : store_(store),
        session_(std::make_unique<Pop3Session>(
            std::make_shared<const Pop3Profile>(std::move(profile)),
            PeerFacts{.address = "192.0.2.1", .port = 40000}, &observer)) {
    if (implicit_tls) session_->on_tls({.version = "TLSv1.3"}, now_);
    session_->on_open(now_);
    run();
  }

  /// New octets from the client, after what was not consumed yet.
  void feed(std::string_view octets) {
    if (closed) return;
    kept_.append(octets);
    offer();
    run();
  }
  /// feed() and what came back for it.
  std::string ask(std::string_view octets) {
    take_output();
    feed(octets);
    return take_output();
  }
  void login() { ask("USER anna@example.org\r\nPASS s3cret pass\r\n"); }
  std::string take_output() { return std::exchange(output_, {}); }
  const std::string& output() const { return output_; }

  void end_of_input() {
    event([&] { session_->on_end_of_input(now_); });
  }
  void shutdown() {
    event([&] { session_->on_shutdown(now_); });
  }
  void mailbox_changed() {
    event([&] { session_->on_mailbox_changed(now_); });
  }
  /// Everything handed over went out; for tests that switched auto_sent off.
  void output_sent() {
    unsent_octets_ = 0;
    event([&] { session_->on_output_sent(now_); });
  }
  /// Carries out the outstanding request; for tests that switched auto_reply off.
  void reply() {
    auto request = std::exchange(request_, std::nullopt);
    if (!request) return;
    auto answer = store_.answer(*request);
    event([&] { session_->on_reply(std::move(answer), now_); });
  }
  /// Lets time pass and calls on_deadline() when it is due.
  void advance(Duration by) {
    now_.mono += by;
    const auto deadline = session_->output().deadline;
    if (closed || !deadline || *deadline > now_.mono) return;
    session_->output().deadline.reset();
    event([&] { session_->on_deadline(now_); });
  }
  std::optional<Duration> until_deadline() const {
    const auto deadline = session_->output().deadline;
    if (!deadline) return std::nullopt;
    return *deadline - now_.mono;
  }
  void destroy() { session_.reset(); }
  Pop3Session& session() { return *session_; }
  bool has_request() const { return request_.has_value(); }
  std::size_t kept_octets() const { return kept_.size(); }

  RecordingObserver observer;
  bool closed = false;
  int tls_handshakes = 0;
  bool auto_reply = true;                 ///< requests are answered at once
  bool auto_sent = true;                  ///< output is taken by the client at once
  bool auto_tls = true;                   ///< handshakes succeed at once
  std::size_t largest_output_octets = 0;  ///< most that waited to be sent at one time

 private:
  template <class Call>
  void event(Call call) {
    if (closed) return;
    call();
    after_call();
    if (!closed) offer();
    run();
  }
  void offer() {
    if (kept_.empty() || closed) return;
    const std::size_t consumed = session_->on_input(kept_, now_);
    kept_.erase(0, consumed);
    after_call();
  }
  void after_call() {
    auto& out = session_->output();
    unsent_octets_ += out.bytes.size();
    largest_output_octets = std::max(largest_output_octets, unsent_octets_);
    output_ += std::exchange(out.bytes, {});
    if (auto& wanted = session_->request()) request_ = std::exchange(wanted, std::nullopt);
    if (out.close) {
      closed = true;
      return;
    }
    if (std::exchange(out.start_tls, false)) {
      kept_.clear();
      ++tls_handshakes;
      tls_pending_ = true;
    }
  }
  void run() {
    after_call();
    while (!closed) {
      if (tls_pending_ && auto_tls) {
        tls_pending_ = false;
        session_->on_tls({.version = "TLSv1.3"}, now_);
      } else if (request_ && auto_reply) {
        auto answer = store_.answer(*std::exchange(request_, std::nullopt));
        session_->on_reply(std::move(answer), now_);
      } else if (unsent_octets_ > 0 && auto_sent) {
        unsent_octets_ = 0;
        session_->on_output_sent(now_);
      } else {
        break;
      }
      after_call();
      offer();
    }
    if (auto_sent) unsent_octets_ = 0;
  }

  FakeMailStore& store_;
  Now now_{MonoTime{std::chrono::hours{1}}, 1'700'000'000'000};
  std::unique_ptr<Pop3Session> session_;
  std::string kept_;
  std::string output_;
  std::size_t unsent_octets_ = 0;
  std::optional<sidecars::MailRequest> request_;
  bool tls_pending_ = false;
};

}  // namespace postern::pop3::test
