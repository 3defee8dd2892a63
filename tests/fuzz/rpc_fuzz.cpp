// The store service's protocol: whatever a peer sends, the service's session neither crashes nor
// owes more than its bounds, and everything it says decodes. Also the codec alone: what decodes
// encodes to the same octets, and the client's half takes anything.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fuzzer/FuzzedDataProvider.h>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/assert.hpp"
#include "store/rpc/client_core.hpp"
#include "store/rpc/protocol.hpp"
#include "store/rpc/service_session.hpp"

namespace {

using namespace postern;
using namespace postern::store;
using namespace postern::store::rpc;

/// The right kind of answer to a request, or an error.
Result<ReplyBody> answer(const RequestBody& request, FuzzedDataProvider& data) {
  if (data.ConsumeBool()) return fail(ErrorCode::not_found, data.ConsumeRandomLengthString(20));
  const std::size_t kind = reply_index(request);
  const std::vector<ReplyBody> replies = {
      HelloReply{.gateway_epoch = 1},
      AuthenticateReply{.name = data.ConsumeRandomLengthString(2000)},
      MutationReply{.position = 1, .not_applied = {{data.ConsumeIntegral<Uid>(), 5}}},
      PositionReply{1},
      Done{},
      DomainListReply{{data.ConsumeRandomLengthString(20)}, true},
      UserListReply{{UserEntry{.name = "a"}}, false},
      QueueListReply{{QueueEntry{.id = "x"}}, 1}};
  const auto fitting = std::ranges::find(replies, kind, &ReplyBody::index);
  POSTERN_ASSERT(fitting != replies.end());
  return *fitting;
}

void check_codec(const std::string& octets) {
  const Result<Message> message = decode(octets);
  if (!message) return;
  std::string again;
  POSTERN_ASSERT(encode(*message, again).has_value());
  POSTERN_ASSERT(std::string_view(again).substr(kFramePrefixOctets) == octets);
}

void check_client(std::string_view octets) {
  ClientCore client("fuzz");
  (void)client.send(Ping{});
  (void)client.on_input(octets);
  (void)client.take_events();
}

/// A driver as the store service is one: keeps what was not consumed, sends when it likes.
class Driver {
 public:
  explicit Driver(FuzzedDataProvider& data)
      : data_(data), session_(Rights{data.ConsumeBool(), data.ConsumeBool()}) {
    session_.on_open({});
  }

  void run() {
    while (data_.remaining_bytes() > 0 && !session_.output().close) step();
    send();
  }

 private:
  void step() {
    switch (data_.ConsumeIntegralInRange(0, 9)) {
      case 0:
      case 1:
      case 2:
        feed_frame();
        break;
      case 3:
        feed(data_.ConsumeRandomLengthString(200));
        break;
      case 4:
        answer_one();
        break;
      case 5:
        send();
        break;
      case 6:
        session_.notify({MailboxId{data_.ConsumeIntegralInRange<std::uint64_t>(0, 3)}, 1, 2});
        break;
      case 7:
        feed({});
        break;
      case 8:
        if (data_.ConsumeIntegralInRange(0, 20) == 0) session_.on_shutdown({});
        break;
      case 9:
        if (data_.ConsumeIntegralInRange(0, 20) == 0) session_.on_end_of_input({});
        break;
    }
    POSTERN_ASSERT(session_.outstanding() <= kOutstandingMax + kLoginsOutstandingMax);
    POSTERN_ASSERT(session_.pending_changes() <= session_.subscription_count());
  }

  /// A frame with a right length and version, mostly: else nothing but the first check is tested.
  void feed_frame() {
    std::string content;
    content += static_cast<char>(kProtocolVersion);
    content += static_cast<char>(data_.ConsumeIntegralInRange(1, 17));
    for (int i = 0; i < 7; ++i) content += '\0';
    content += static_cast<char>(data_.ConsumeIntegralInRange(0, 5));
    content += data_.ConsumeRandomLengthString(300);
    check_codec(content);
    const auto size = static_cast<std::uint32_t>(content.size());
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(size >> shift);
    feed(frame + content);
  }

  void feed(std::string_view octets) {
    input_ += octets;
    const std::size_t used = session_.on_input(input_, {});
    POSTERN_ASSERT(used <= input_.size());
    input_.erase(0, used);
    while (auto request = session_.take_request()) waiting_.push_back(std::move(*request));
    if (session_.output().close) waiting_.clear();
  }

  void answer_one() {
    if (waiting_.empty()) return;
    const std::size_t index = data_.ConsumeIntegralInRange<std::size_t>(0, waiting_.size() - 1);
    session_.reply(waiting_[index].id, answer(waiting_[index].body, data_));
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  void send() {
    std::string& bytes = session_.output().bytes;
    std::string_view rest = bytes;
    FrameReader reader;
    while (!rest.empty()) {
      POSTERN_ASSERT(reader.feed(rest) == FrameReader::Status::frame);
      POSTERN_ASSERT(decode(reader.frame()).has_value());
    }
    bytes.clear();
    session_.on_output_sent({});
  }

  FuzzedDataProvider& data_;
  ServiceSession session_;
  std::string input_;
  std::vector<Request> waiting_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* octets, std::size_t size) {
  FuzzedDataProvider data(octets, size);
  switch (data.ConsumeIntegralInRange(0, 3)) {
    case 0:
      check_codec(data.ConsumeRemainingBytesAsString());
      break;
    case 1:
      check_client(data.ConsumeRemainingBytesAsString());
      break;
    default:
      Driver(data).run();
      break;
  }
  return 0;
}
