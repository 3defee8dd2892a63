#include "store/rpc/client_core.hpp"

#include <algorithm>
#include <utility>

#include "runtime/assert.hpp"

namespace postern::store::rpc {

ClientCore::ClientCore(std::string client_name) {
  client_name.resize(std::min(client_name.size(), kNameOctetsMax));
  const Result<std::uint64_t> sent = send(Hello{.client = std::move(client_name)});
  POSTERN_ASSERT(sent.has_value());
  hello_id_ = *sent;
}

Result<std::uint64_t> ClientCore::send(RequestBody request) {
  const std::size_t answer = reply_index(request);
  const std::uint64_t id = answer == kNoReply ? 0 : next_id_;
  if (Result<void> encoded = encode(Request{id, std::move(request)}, output_); !encoded) {
    return std::unexpected(std::move(encoded.error()));
  }
  if (id != 0) {
    outstanding_.emplace(id, answer);
    ++next_id_;
  }
  return id;
}

Result<void> ClientCore::on_input(std::string_view octets) {
  while (!octets.empty()) {
    switch (reader_.feed(octets)) {
      case FrameReader::Status::need_more:
        return {};
      case FrameReader::Status::bad_length:
        return fail(ErrorCode::corrupted, "the store service sent a frame of impossible length");
      case FrameReader::Status::frame:
        break;
    }
    Result<Message> message = decode(reader_.frame());
    if (!message) return std::unexpected(std::move(message.error()));
    if (auto* reply = std::get_if<Reply>(&*message)) {
      if (Result<void> taken = on_reply(std::move(*reply)); !taken) return taken;
    } else if (auto* changed = std::get_if<Changed>(&*message)) {
      events_.emplace_back(*changed);
    } else {
      return fail(ErrorCode::corrupted, "the store service sent a request");
    }
  }
  return {};
}

Result<void> ClientCore::on_reply(Reply reply) {
  if (reply.id == 0) return std::unexpected(std::move(reply.body.error()));
  const auto entry = outstanding_.find(reply.id);
  if (entry == outstanding_.end() || (reply.body && reply.body->index() != entry->second)) {
    return fail(ErrorCode::corrupted, "the store service answered what was not asked");
  }
  outstanding_.erase(entry);
  if (reply.id != hello_id_) {
    events_.emplace_back(std::move(reply));
    return {};
  }
  if (!reply.body) return std::unexpected(std::move(reply.body.error()));
  hello_ = std::get<HelloReply>(std::move(*reply.body));
  return {};
}

std::vector<ClientCore::Event> ClientCore::take_events() { return std::exchange(events_, {}); }

std::vector<std::uint64_t> ClientCore::outstanding() const {
  std::vector<std::uint64_t> ids;
  ids.reserve(outstanding_.size());
  for (const auto& [id, answer] : outstanding_) {
    if (id != hello_id_) ids.push_back(id);
  }
  std::ranges::sort(ids);
  return ids;
}

}  // namespace postern::store::rpc
