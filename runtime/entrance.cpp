#include "runtime/entrance.hpp"

#include <algorithm>
#include <utility>

#include "runtime/log.hpp"

namespace postern {

Entrance::Entrance(EventLoop& loop, metrics::Cells& cells, const EntranceMetrics& metrics,
                   std::string event)
    : loop_(loop), cells_(cells), metrics_(metrics), event_(std::move(event)) {}

Result<void> Entrance::open(const std::string& listener, ConnectionGate& gate,
                            const std::vector<SocketAddress>& addresses, std::uint32_t backlog,
                            std::function<void(Arrival)> arrived) {
  Acceptor::Events events{.arrived =
                              [this, arrived = std::move(arrived)](Arrival arrival) {
                                cells_.add(metrics_.accepted);
                                arrived(std::move(arrival));
                              },
                          .dropped =
                              [this, &listener](const PeerFacts& peer, Verdict verdict) {
                                cells_.add(metrics_.accepted);
                                count_refusal(listener, peer, verdict);
                              },
                          .proxy_failed =
                              [this, &listener](const PeerFacts& peer, const char* why) {
                                cells_.add(metrics_.accepted);
                                count_refusal(listener, peer, metrics_.proxy, why);
                              }};
  acceptors_.push_back(std::make_unique<Acceptor>(loop_, gate, std::move(events)));
  return acceptors_.back()->open(addresses, backlog);
}

void Entrance::start() {
  for (auto& acceptor : acceptors_) acceptor->start();
}

void Entrance::stop() {
  for (auto& acceptor : acceptors_) acceptor->stop();
}

bool Entrance::stopped() const noexcept {
  return std::ranges::all_of(acceptors_, [](const auto& acceptor) { return acceptor->stopped(); });
}

void Entrance::count_refusal(const std::string& listener, const PeerFacts& peer, Verdict verdict) {
  count_refusal(listener, peer, metric_of(verdict), name_of(verdict));
}

void Entrance::count_refusal(const std::string& listener, const PeerFacts& peer, std::size_t metric,
                             const char* reason) {
  cells_.add(metrics_.refused);
  cells_.add(metric);
  log::event(log::Level::info, event_,
             {{"listener", listener},
              {"client", peer.address},
              {"port", peer.port},
              {"proxy", peer.proxy},
              {"reason", reason}});
}

std::size_t Entrance::metric_of(Verdict verdict) const noexcept {
  switch (verdict) {
    case Verdict::not_allowed:
      return metrics_.not_allowed;
    case Verdict::denied:
      return metrics_.denied;
    case Verdict::per_source:
      return metrics_.per_source;
    case Verdict::connections:
    case Verdict::admitted:
      break;
  }
  return metrics_.connections;
}

}  // namespace postern
