// postern-imap: reads the shared store over IMAP.
#include "runtime/log.hpp"
#include "sidecars/common/sidecar.hpp"
#include "sidecars/imap/session.hpp"

namespace postern::imap {
namespace {

using log::Level;

/// Logs and counts what one session tells.
class SessionLog final : public SessionObserver {
 public:
  SessionLog(metrics::Cells& cells, PeerFacts peer) : cells_(cells), peer_(std::move(peer)) {}

  void login_succeeded(std::string_view account, std::string_view mechanism) override {
    cells_.add(sidecars::kLoginsOk);
    account_ = account;
    log::event(Level::info, "imap.login.ok",
               {{"client", peer_.address}, {"account", account}, {"mechanism", mechanism}});
  }
  void login_failed(std::string_view user, std::string_view mechanism) override {
    cells_.add(sidecars::kLoginsFailed);
    log::event(Level::info, "imap.login.failed",
               {{"client", peer_.address}, {"user", user}, {"mechanism", mechanism}});
  }
  void mailbox_selected(std::string_view mailbox, bool read_only, std::size_t messages) override {
    log::event(Level::debug, "imap.mailbox.selected",
               {{"client", peer_.address},
                {"account", account_},
                {"mailbox", mailbox},
                {"read_only", read_only ? "yes" : "no"},
                {"messages", messages}});
  }
  void session_ended(EndReason reason) override {
    log::event(Level::info, "imap.session.end",
               {{"client", peer_.address}, {"account", account_}, {"reason", to_string(reason)}});
  }

 private:
  metrics::Cells& cells_;
  const PeerFacts peer_;
  std::string account_;
};

class Imap final : public sidecars::Protocol {
 public:
  std::string name() const override { return "imap"; }
  std::string purpose() const override {
    return "Postern's IMAP sidecar: reads the gateway's store.";
  }

  void configure(const config::Settings& settings) override {
    settings_ = settings.imap;
    for (const auto& listener : settings_.listeners) {
      profiles_.push_back(std::make_shared<const ImapProfile>(ImapProfile{
          .settings = settings_,
          .listener = listener,
          .hostname = settings.hostname,
          .version = POSTERN_VERSION,
          .tls_available = !settings.tls.certificate.empty(),
          .behaviour = settings.profile == "exchange" ? Behaviour::exchange : Behaviour::modern}));
    }
  }
  const std::vector<config::MailboxListenerSettings>& listeners() const override {
    return settings_.listeners;
  }
  const std::string& metrics_endpoint(const config::MetricsSettings& settings) const override {
    return settings.listen_imap;
  }
  sidecars::OwnedSession make_session(std::size_t listener, const PeerFacts& peer,
                                      metrics::Cells& cells) override {
    auto observer = std::make_shared<SessionLog>(cells, peer);
    auto session = std::make_unique<ImapSession>(profiles_[listener], peer);
    session->set_observer(observer.get());
    return {std::move(observer), std::move(session)};
  }
  // RFC 3501 7.1.5: BYE in place of a greeting; RFC 5530 section 3: UNAVAILABLE passes.
  std::string refusal(Verdict why) const override {
    switch (why) {
      case Verdict::not_allowed:
      case Verdict::denied:
        return "* BYE Your address may not connect here\r\n";
      case Verdict::per_source:
        return "* BYE [UNAVAILABLE] Too many connections from your address\r\n";
      case Verdict::connections:
      case Verdict::admitted:
        break;
    }
    return "* BYE [UNAVAILABLE] Too many connections, try again later\r\n";
  }

 private:
  config::ImapSettings settings_;
  std::vector<std::shared_ptr<const ImapProfile>> profiles_;
};

}  // namespace
}  // namespace postern::imap

int main(int argc, char** argv) {
  postern::imap::Imap protocol;
  return postern::sidecars::run_sidecar(argc, argv, protocol);
}
