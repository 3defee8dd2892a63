#include "runtime/acceptor.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "runtime/assert.hpp"

namespace postern {

namespace {

// Connections of one core that may be without their header at a time. Proxies send it at once; this
// many silent ones are a proxy that is broken, and each costs a descriptor until its deadline.
constexpr std::size_t kPrefacesMax = 4096;
// A proxy's header usually arrives whole; more than this at once is the client's octets behind it.
constexpr std::size_t kPrefaceOctetsMax = kProxyHeaderOctetsMax * 2;

}  // namespace

/// A connection that has yet to say whose it is. Destroyed through Acceptor when nothing is in
/// flight any more.
class Acceptor::Preface {
 public:
  Preface(Acceptor& owner, UniqueFd fd, PeerFacts peer)
      : owner_(owner),
        fd_(std::move(fd)),
        peer_(std::move(peer)),
        timer_(this,
               [](void* self, Now) { static_cast<Preface*>(self)->fail("no header in time"); }) {
    operation_ = {this, [](void* self, const Operation::Completion& completion) {
                    static_cast<Preface*>(self)->on_receive(completion);
                  }};
  }
  ~Preface() { POSTERN_ASSERT(!receiving_); }

  void start() {
    EventLoop& loop = owner_.loop_;
    loop.timers().arm(timer_, loop.now().mono + owner_.gate_.rules().proxy_timeout);
    receive();
  }
  /// Ends without a word; `why` is null when the process is stopping.
  void fail(const char* why) {
    if (over_) return;
    over_ = true;
    why_ = why;
    owner_.loop_.timers().disarm(timer_);
    if (receiving_) return owner_.loop_.ring().cancel(operation_);
    owner_.preface_failed(this, why_);  // destroys *this
  }

  UniqueFd take_fd() { return std::move(fd_); }
  const PeerFacts& peer() const noexcept { return peer_; }
  const std::string& octets() const noexcept { return octets_; }

 private:
  void receive() {
    receiving_ = true;
    owner_.loop_.ring().receive(fd_.get(), operation_);
  }

  void on_receive(const Operation::Completion& completion) {
    receiving_ = false;
    EventLoop& loop = owner_.loop_;
    if (completion.has_buffer) {
      if (completion.result > 0) {
        octets_.append(loop.ring().buffer(completion.buffer_id).data(),
                       static_cast<std::size_t>(completion.result));
      }
      loop.ring().recycle(completion.buffer_id);
    }
    if (over_) return owner_.preface_failed(this, why_);
    if (completion.result == -ENOBUFS) return receive();
    if (completion.result <= 0) return fail("closed before its header was complete");
    const ProxyParse parse = parse_proxy_header(octets_);
    if (parse.state == ProxyParse::State::malformed) return fail(parse.error);
    if (parse.state == ProxyParse::State::incomplete) {
      return octets_.size() < kPrefaceOctetsMax ? receive() : fail("header too long");
    }
    over_ = true;
    loop.timers().disarm(timer_);
    owner_.preface_done(this, parse);  // destroys *this
  }

  Acceptor& owner_;
  UniqueFd fd_;
  const PeerFacts peer_;
  std::string octets_;
  Operation operation_;
  Timer timer_;
  const char* why_ = nullptr;
  bool receiving_ = false;
  bool over_ = false;
};

Acceptor::Acceptor(EventLoop& loop, ConnectionGate& gate, Events events)
    : loop_(loop), gate_(gate), events_(std::move(events)) {}

Acceptor::~Acceptor() { POSTERN_ASSERT(prefaces_.empty()); }

Result<void> Acceptor::open(const std::vector<SocketAddress>& addresses, std::uint32_t backlog) {
  return listeners_.open(
      loop_, addresses, backlog,
      [this](const SocketAddress& address, UniqueFd fd) { accepted(address, std::move(fd)); });
}

void Acceptor::stop() {
  listeners_.stop();
  std::vector<Preface*> waiting;
  waiting.reserve(prefaces_.size());
  for (const auto& [key, preface] : prefaces_) waiting.push_back(key);
  for (Preface* preface : waiting) preface->fail(nullptr);
}

void Acceptor::accepted(const SocketAddress& address, UniqueFd fd) {
  PeerFacts peer = peer_facts(fd.get(), address);
  if (!gate_.rules().proxy_protocol) return enter(std::move(fd), std::move(peer), {});
  const IpAddress proxy = IpAddress::parse(peer.address).value_or(IpAddress());
  if (!gate_.rules().proxy_from.contains(proxy)) {
    return events_.proxy_failed(peer, "not in proxy_from");
  }
  if (prefaces_.size() >= kPrefacesMax)
    return events_.proxy_failed(peer, "too many without header");
  auto preface = std::make_unique<Preface>(*this, std::move(fd), std::move(peer));
  Preface* const key = preface.get();
  prefaces_.emplace(key, std::move(preface));
  key->start();
}

void Acceptor::enter(UniqueFd fd, PeerFacts peer, std::string early_input) {
  const IpAddress client = IpAddress::parse(peer.address).value_or(IpAddress());
  Admission admission = gate_.admit(client);
  peer.trusted = admission.trusted();
  if (admission.silent()) return events_.dropped(peer, admission.verdict());
  events_.arrived({std::move(fd), std::move(peer), std::move(early_input), std::move(admission)});
}

void Acceptor::preface_done(Preface* preface, const ProxyParse& parse) {
  UniqueFd fd = preface->take_fd();
  PeerFacts peer = preface->peer();
  std::string early_input = preface->octets().substr(parse.size_octets);
  prefaces_.erase(preface);
  if (!parse.header.use_connection) {
    peer.proxy = std::exchange(peer.address, parse.header.source.text());
    peer.port = parse.header.source_port;
    peer.is_ipv6 = !parse.header.source.is_ipv4();
    peer.local_address = parse.header.destination.text();
    peer.local_port = parse.header.destination_port;
  }
  enter(std::move(fd), std::move(peer), std::move(early_input));
}

void Acceptor::preface_failed(Preface* preface, const char* why) {
  const PeerFacts peer = preface->peer();
  prefaces_.erase(preface);
  if (why != nullptr) events_.proxy_failed(peer, why);
}

}  // namespace postern
