// postern-pop3: reads the shared store over POP3.
#include "runtime/log.hpp"
#include "sidecars/common/sidecar.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {
namespace {

using log::Level;

/// Logs and counts what one session tells.
class SessionLog final : public Pop3Observer {
 public:
  explicit SessionLog(metrics::Cells& cells) : cells_(cells) {}

  void on_login(const LoginEvent& event, std::string_view account) override {
    cells_.add(sidecars::kLoginsOk);
    log::event(Level::info, "pop3.login.ok",
               {{"client", event.peer.address},
                {"account", account},
                {"mechanism", event.mechanism},
                {"tls", event.tls ? "yes" : "no"}});
  }
  void on_login_failed(const LoginEvent& event) override {
    cells_.add(sidecars::kLoginsFailed);
    log::event(
        Level::info, "pop3.login.failed",
        {{"client", event.peer.address}, {"user", event.user}, {"mechanism", event.mechanism}});
  }
  void on_session_end(const PeerFacts& peer, const SessionSummary& summary) override {
    log::event(Level::info, "pop3.session.end",
               {{"client", peer.address},
                {"account", summary.account},
                {"reason", name_of(summary.reason)},
                {"retrieved", summary.retrieved_count},
                {"octets", summary.retrieved_octets},
                {"deleted", summary.deleted_count}});
  }

 private:
  metrics::Cells& cells_;
};

class Pop3 final : public sidecars::Protocol {
 public:
  std::string name() const override { return "pop3"; }
  std::string purpose() const override {
    return "Postern's POP3 sidecar: reads the gateway's store.";
  }

  void configure(const config::Settings& settings) override {
    settings_ = settings.pop3;
    for (const auto& listener : settings_.listeners) {
      profiles_.push_back(std::make_shared<const Pop3Profile>(
          Pop3Profile{.settings = settings_,
                      .listener = listener,
                      .policy = {.keep = settings.mailbox.keep,
                                 .delete_after_retrieval = settings.pop3.delete_after_retrieval},
                      .exact_command_limit = settings.profile == "exchange",
                      .hostname = settings.hostname,
                      .tls_available = !settings.tls.certificate.empty()}));
    }
  }
  const std::vector<config::MailboxListenerSettings>& listeners() const override {
    return settings_.listeners;
  }
  const std::string& metrics_endpoint(const config::MetricsSettings& settings) const override {
    return settings.listen_pop3;
  }
  sidecars::OwnedSession make_session(std::size_t listener, const PeerFacts& peer,
                                      metrics::Cells& cells) override {
    auto observer = std::make_shared<SessionLog>(cells);
    auto session = std::make_unique<Pop3Session>(profiles_[listener], peer, observer.get());
    return {std::move(observer), std::move(session)};
  }
  // RFC 3206: SYS/TEMP asks to come again later, SYS/PERM does not.
  std::string refusal(Verdict why) const override {
    switch (why) {
      case Verdict::not_allowed:
      case Verdict::denied:
        return "-ERR [SYS/PERM] Your address may not connect here\r\n";
      case Verdict::per_source:
        return "-ERR [SYS/TEMP] Too many connections from your address\r\n";
      case Verdict::connections:
      case Verdict::admitted:
        break;
    }
    return "-ERR [SYS/TEMP] Too many connections, try again later\r\n";
  }

 private:
  config::Pop3Settings settings_;
  std::vector<std::shared_ptr<const Pop3Profile>> profiles_;
};

}  // namespace
}  // namespace postern::pop3

int main(int argc, char** argv) {
  postern::pop3::Pop3 protocol;
  return postern::sidecars::run_sidecar(argc, argv, protocol);
}
