#include "store/rpc/service_session.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "runtime/assert.hpp"

namespace postern::store::rpc {

namespace {

bool is_administration(const RequestBody& body) {
  return std::visit(
      []<class T>(const T&) {
        return std::is_same_v<T, DomainAdd> || std::is_same_v<T, DomainDelete> ||
               std::is_same_v<T, DomainList> || std::is_same_v<T, UserAdd> ||
               std::is_same_v<T, UserDelete> || std::is_same_v<T, UserPassword> ||
               std::is_same_v<T, UserList> || std::is_same_v<T, UserSendAs> ||
               std::is_same_v<T, UserSet> || std::is_same_v<T, QueueList>;
      },
      body);
}

bool is_mailbox_business(const RequestBody& body) {
  return std::visit(
      []<class T>(const T&) {
        return std::is_same_v<T, Authenticate> || std::is_same_v<T, StrictestPolicy> ||
               std::is_same_v<T, Mutate> || std::is_same_v<T, Subscribe> ||
               std::is_same_v<T, Unsubscribe> || std::is_same_v<T, ViewPosition> ||
               std::is_same_v<T, LoginUndone>;
      },
      body);
}

}  // namespace

void ServiceSession::on_open(Now now) { output_.deadline = now.mono + kHelloTimeout; }

bool ServiceSession::wants_input() const noexcept {
  const std::size_t in_window = outstanding_.size() - logins_outstanding_;
  return !closed_ && !draining_ && in_window < kOutstandingMax &&
         outstanding_octets_ < kOutstandingOctetsMax && unsent_octets_ < kOutputHighOctets;
}

std::size_t ServiceSession::on_input(std::string_view in, Now) {
  const std::size_t offered = in.size();
  while (!in.empty() && wants_input()) {
    switch (reader_.feed(in)) {
      case FrameReader::Status::need_more:
        break;
      case FrameReader::Status::bad_length:
        violation(ErrorCode::corrupted, "a frame's length is out of bounds");
        break;
      case FrameReader::Status::frame: {
        Result<Message> message = decode(reader_.frame());
        if (!message) {
          violation(message.error().code, std::move(message.error().message));
        } else if (auto* request = std::get_if<Request>(&*message)) {
          accept(std::move(*request), reader_.frame().size());
        } else {
          violation(ErrorCode::corrupted, "a client must not send replies");
        }
        break;
      }
    }
  }
  // A closed session has no use for the rest.
  return closed_ ? offered : offered - in.size();
}

void ServiceSession::accept(Request request, std::size_t frame_octets) {
  if (std::holds_alternative<Hello>(request.body) == hello_seen_) {
    return violation(ErrorCode::corrupted, hello_seen_ ? "a second Hello" : "no Hello");
  }
  if (!hello_seen_) {
    const auto& hello = std::get<Hello>(request.body);
    if (hello.protocol_version != kProtocolVersion) {
      return violation(ErrorCode::unsupported, "the gateway speaks version " +
                                                   std::to_string(kProtocolVersion) +
                                                   " of the store service's protocol, the client " +
                                                   std::to_string(hello.protocol_version) +
                                                   ": restart both after an upgrade");
    }
    hello_seen_ = true;
    client_ = hello.client;
    output_.deadline.reset();
  }
  if (outstanding_.contains(request.id)) {
    return violation(ErrorCode::corrupted, "a request id is in use twice");
  }
  if (refuse(request) || handled_here(request)) return;
  const bool login = std::holds_alternative<Authenticate>(request.body);
  const Waiting waiting{.reply_index = reply_index(request.body),
                        .frame_octets = login ? 0 : frame_octets,
                        .login = login};
  outstanding_.emplace(request.id, waiting);
  outstanding_octets_ += waiting.frame_octets;
  logins_outstanding_ += login ? 1 : 0;
  requests_.push_back(std::move(request));
}

/// Answers what the peer may not do. True: done with it.
bool ServiceSession::refuse(const Request& request) {
  const auto refused = [&](ErrorCode code, const char* text) {
    if (request.id != 0) send(Reply{request.id, fail(code, text)});
    return true;
  };
  if (is_administration(request.body) && !rights_.administration) {
    return refused(ErrorCode::permission_denied,
                   "administration is for root and for the user that the gateway runs as");
  }
  if (is_mailbox_business(request.body) && !rights_.mailboxes) {
    return refused(ErrorCode::permission_denied,
                   "mailboxes are for the sidecars, which run as the gateway's user");
  }
  if (std::holds_alternative<Authenticate>(request.body) &&
      logins_outstanding_ >= kLoginsOutstandingMax) {
    return refused(ErrorCode::exhausted, "too many logins wait for their answers");
  }
  const auto* subscribe = std::get_if<Subscribe>(&request.body);
  if (subscribe != nullptr && subscriptions_.size() >= kSubscriptionsMax &&
      !subscriptions_.contains(raw(subscribe->mailbox))) {
    return refused(ErrorCode::exhausted, "this connection watches too many mailboxes");
  }
  return false;
}

/// Carries out what needs no store. True: done with it.
bool ServiceSession::handled_here(const Request& request) {
  if (const auto* subscribe = std::get_if<Subscribe>(&request.body)) {
    // In force before the driver reads the position it answers with: no change falls in between.
    subscriptions_.insert(raw(subscribe->mailbox));
    return false;
  }
  if (const auto* unsubscribe = std::get_if<Unsubscribe>(&request.body)) {
    subscriptions_.erase(raw(unsubscribe->mailbox));
    pending_changes_.erase(raw(unsubscribe->mailbox));
  } else if (const auto* view = std::get_if<ViewPosition>(&request.body)) {
    view_position_ = view->position;
    return true;
  } else if (!std::holds_alternative<Ping>(request.body)) {
    return false;
  }
  send(Reply{request.id, Done{}});
  return true;
}

std::optional<Request> ServiceSession::take_request() {
  if (requests_.empty()) return std::nullopt;
  Request request = std::move(requests_.front());
  requests_.pop_front();
  return request;
}

void ServiceSession::reply(std::uint64_t id, Result<ReplyBody> body) {
  if (closed_) return;
  const auto entry = outstanding_.find(id);
  POSTERN_ASSERT(entry != outstanding_.end());
  POSTERN_ASSERT(!body || body->index() == entry->second.reply_index);
  outstanding_octets_ -= entry->second.frame_octets;
  logins_outstanding_ -= entry->second.login ? 1 : 0;
  outstanding_.erase(entry);
  send(Reply{id, std::move(body)});
  close_when_drained();
}

void ServiceSession::send(const Message& message) {
  const std::size_t before = output_.bytes.size();
  if (Result<void> encoded = encode(message, output_.bytes); !encoded) {
    const auto* reply = std::get_if<Reply>(&message);
    POSTERN_ASSERT(reply != nullptr);  // nothing else that the service sends can be too large
    const Result<void> error = encode(
        Reply{reply->id,
              fail(ErrorCode::exhausted, "the answer is too large: " + encoded.error().message)},
        output_.bytes);
    POSTERN_ASSERT(error.has_value());
  }
  unsent_octets_ += output_.bytes.size() - before;
}

void ServiceSession::notify(const Changed& changed) {
  if (closed_ || !subscriptions_.contains(raw(changed.mailbox))) return;
  pending_changes_.insert_or_assign(raw(changed.mailbox), changed);
  if (unsent_octets_ == 0) send_changes();
}

void ServiceSession::send_changes() {
  auto next = pending_changes_.begin();
  for (std::size_t i = 0; i < kChangesPerTurn && next != pending_changes_.end(); ++i) {
    send(next->second);
    next = pending_changes_.erase(next);
  }
}

void ServiceSession::on_output_sent(Now) {
  unsent_octets_ = output_.bytes.size();
  if (!closed_ && unsent_octets_ == 0) send_changes();
}

void ServiceSession::violation(ErrorCode code, std::string text) {
  send(Reply{0, fail(code, std::move(text))});
  closed_ = true;
  output_.close = true;
  output_.deadline.reset();
  requests_.clear();
  outstanding_.clear();
  logins_outstanding_ = 0;
  pending_changes_.clear();
  subscriptions_.clear();
}

void ServiceSession::on_end_of_input(Now) {
  // What was taken in is carried out all the same; nobody is left to read most of the answers, but
  // a client that only shut its sending side gets them.
  draining_ = true;
  close_when_drained();
}

void ServiceSession::on_shutdown(Now) {
  draining_ = true;
  close_when_drained();
}

void ServiceSession::close_when_drained() {
  if (!draining_ || closed_ || !outstanding_.empty()) return;
  closed_ = true;
  output_.close = true;
  output_.deadline.reset();
}

void ServiceSession::on_deadline(Now) {
  if (hello_seen_ || closed_) return;
  violation(ErrorCode::unavailable, "no Hello in time");
}

}  // namespace postern::store::rpc
