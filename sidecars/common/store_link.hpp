// One core's connection to the gateway's store service: requests out, replies and changes in,
// reconnecting by itself when the gateway restarts.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/event_loop.hpp"
#include "runtime/result.hpp"
#include "store/rpc/messages.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::sidecars {

class LinkConnection;

/// How long a link waits. Tests wait less.
struct LinkTiming {
  /// For an answer, the gateway's restart included.
  Duration call = store::rpc::kAnswerTimeMax;
  /// How often overdue calls and a silent gateway are looked for.
  Duration tick = std::chrono::seconds(1);
  /// Ticks without an octet from the gateway after which it is asked whether it is there.
  int ping_ticks = 5;
  /// And after which it is not. A gateway that answers pings is there, whatever else it is slow
  /// with.
  int silent_ticks_max = 15;
};

/// Lives on its core's thread. Every request is safe to repeat (mutations carry an idempotency
/// key), so what was unanswered when the link broke is sent again over the next one, until its time
/// is over.
///
/// A call whose time is over is given up by itself; the link and all other calls stay. Only a
/// gateway that says nothing at all any more, not even to a ping, costs the link.
class StoreLink {
 public:
  using Answer = std::move_only_function<void(Result<store::rpc::ReplyBody>)>;
  struct Events {
    /// The gateway has said hello. Requests wait until ready() is called, so that the view can be
    /// brought up to a restarted gateway first.
    std::function<void(const store::rpc::HelloReply&)> on_hello;
    std::function<void(const store::rpc::Changed&)> on_changed;
    std::function<void()> on_lost;
  };

  StoreLink(EventLoop& loop, std::string socket_path, std::string client_name, Events events,
            LinkTiming timing = {});
  ~StoreLink();

  /// Starts connecting, for as long as it takes.
  void start();
  /// After on_hello: requests may flow.
  void ready();
  /// Drops this connection and makes another one a little later.
  void start_over();
  bool is_ready() const noexcept { return ready_; }
  /// Sends `request`; `answer` is called exactly once, never from inside call(), with the reply or
  /// unavailable when none came in time. `late`, if there is one, gets the reply that comes all the
  /// same after that.
  void call(store::rpc::RequestBody request, Answer answer, Answer late = {});
  /// Sends a message that has no answer; dropped when the link is not ready.
  void tell(store::rpc::RequestBody message);
  /// Closes; what still waits is dropped (its askers are gone by then). closed() turns true when
  /// nothing is in flight any more.
  void stop();
  bool closed() const noexcept { return connection_ == nullptr; }

 private:
  friend class LinkConnection;
  struct Call {
    store::rpc::RequestBody request;
    Answer answer;
    Answer late;
    MonoTime expires;
  };

  void connect();
  void retry_later();
  void on_timer(Now now);
  void arm_timer();
  void give_up_overdue(MonoTime now);
  void watch_silence();
  void send(Call call);
  void on_reply(store::rpc::Reply reply);
  void on_lost();

  EventLoop& loop_;
  const std::string socket_path_;
  const std::string client_name_;
  Events events_;
  const LinkTiming timing_;
  std::unique_ptr<LinkConnection> connection_;
  std::unordered_map<std::uint64_t, Call> outstanding_;  // by request id, on connection_
  // Given up, and still owed by the gateway, which bounds them.
  std::unordered_map<std::uint64_t, Answer> late_;
  std::deque<Call> waiting_;  // for a link that is ready
  int silent_ticks_ = 0;      // since an octet came from the gateway
  bool ready_ = false;
  bool stopping_ = false;
  Duration backoff_{};
  MonoTime reconnect_at_{};
  Timer timer_;
};

}  // namespace postern::sidecars
