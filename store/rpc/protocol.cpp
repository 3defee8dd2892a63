#include "store/rpc/protocol.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "runtime/assert.hpp"
#include "store/octet_codec.hpp"
#include "store/rpc/protocol_fields.hpp"

namespace postern::store::rpc {

namespace {

// Frame types: requests count up from 1 in the order of RequestBody, replies from 128 in the order
// of ReplyBody, and two of their own at the end.
constexpr std::uint8_t kFirstRequestType = 1;
constexpr std::uint8_t kFirstReplyType = 128;
constexpr std::uint8_t kChangedType = 254;
constexpr std::uint8_t kErrorType = 255;
static_assert(kFirstRequestType + std::variant_size_v<RequestBody> <= kFirstReplyType);
static_assert(kFirstReplyType + std::variant_size_v<ReplyBody> <= kChangedType);
// The largest list of ranges leaves room for the other fields of its frame.
static_assert(kUidRangesMax * 8 + 128 * 1024 < kFrameOctetsMax);

/// Ascending, disjoint, no empty range, no uid 0: what StoreFlags, Expunge and MutationReply
/// promise.
bool well_formed(const std::vector<UidRange>& ranges) {
  Uid previous = 0;
  for (const UidRange& range : ranges) {
    if (range.first <= previous || range.last < range.first) return false;
    previous = range.last;
  }
  return true;
}

/// Writes fields behind each other; remembers the first thing that must not be sent.
class Encoder {
 public:
  template <class T>
  using Ref = const T&;

  explicit Encoder(std::string& out) : out_(out) {}

  template <std::integral T>
  void number(T value) {
    append_be(out_, static_cast<std::make_unsigned_t<T>>(value));
  }
  template <class Id>
  void id(Id value) {
    append_be(out_, raw(value));
  }
  void flag(bool value) { append_be(out_, static_cast<std::uint8_t>(value)); }
  template <class Enum>
  void choice(Enum value, Enum last) {
    if (value > last) refuse("a value outside its list");
    append_be(out_, static_cast<std::uint8_t>(value));
  }
  void page(std::uint32_t limit) {
    if (limit == 0 || limit > kListEntriesMax) refuse("a page size outside 1 .. 1000");
    number(limit);
  }
  void text(const std::string& value, std::size_t octets_max) {
    if (value.size() > octets_max) return refuse("a text that is too long");
    append_string(out_, value);
  }
  void cut(const std::string& value, std::size_t octets_max) {
    append_string(out_, std::string_view(value).substr(0, octets_max));
  }
  template <class T, class Each>
  void list(const std::vector<T>& values, std::size_t count_max, Each each) {
    if (values.size() > count_max) return refuse("a list that is too long");
    number(static_cast<std::uint32_t>(values.size()));
    for (const T& value : values) each(*this, value);
  }
  void uid_ranges(const std::vector<UidRange>& ranges) {
    if (ranges.size() > kUidRangesMax) return refuse("too many UID ranges");
    if (!well_formed(ranges)) return refuse("UID ranges that are not ascending and disjoint");
    number(static_cast<std::uint32_t>(ranges.size()));
    for (const UidRange& range : ranges) {
      number(range.first);
      number(range.last);
    }
  }
  void optional_number(const std::optional<std::uint64_t>& value) {
    flag(value.has_value());
    if (value) number(*value);
  }
  void duration(std::chrono::seconds value) {
    if (value.count() < 0) return refuse("a negative duration");
    number(value.count());
  }
  template <class T, class Each>
  void optional(const std::optional<T>& value, Each each) {
    flag(value.has_value());
    if (value) each(*this, *value);
  }
  void alternative(const MutationBody& body) {
    number(static_cast<std::uint8_t>(body.index()));
    std::visit([this](const auto& alternative) { fields(*this, alternative); }, body);
  }

  const char* refusal() const noexcept { return refusal_; }

 private:
  void refuse(const char* what) noexcept {
    if (refusal_ == nullptr) refusal_ = what;
  }

  std::string& out_;
  const char* refusal_ = nullptr;
};

/// Reads fields off a frame; after the first failure everything is empty and ok() stays false.
class Decoder {
 public:
  template <class T>
  using Ref = T&;

  explicit Decoder(std::string_view octets) : in_(octets) {}

  template <std::integral T>
  void number(T& value) {
    value = static_cast<T>(in_.number<std::make_unsigned_t<T>>());
  }
  template <class Id>
  void id(Id& value) {
    value = Id{in_.number<std::uint64_t>()};
  }
  void flag(bool& value) {
    const auto octet = in_.number<std::uint8_t>();
    require(octet <= 1);
    value = octet == 1;
  }
  template <class Enum>
  void choice(Enum& value, Enum last) {
    const auto octet = in_.number<std::uint8_t>();
    require(octet <= static_cast<std::uint8_t>(last));
    if (ok()) value = static_cast<Enum>(octet);
  }
  void page(std::uint32_t& limit) {
    number(limit);
    require(limit > 0 && limit <= kListEntriesMax);
  }
  void text(std::string& value, std::size_t octets_max) {
    const std::string_view octets = in_.string();
    require(octets.size() <= octets_max);
    if (ok()) value.assign(octets);
  }
  void cut(std::string& value, std::size_t octets_max) { text(value, octets_max); }
  template <class T, class Each>
  void list(std::vector<T>& values, std::size_t count_max, Each each) {
    const auto count = in_.number<std::uint32_t>();
    require(count <= count_max);
    // Grows with what is really there: a count alone allocates nothing.
    for (std::uint32_t i = 0; i < count && ok(); ++i) each(*this, values.emplace_back());
  }
  void uid_ranges(std::vector<UidRange>& ranges) {
    const auto count = in_.number<std::uint32_t>();
    require(count <= kUidRangesMax && count <= in_.remaining() / 8);
    if (!ok()) return;
    ranges.resize(count);
    for (UidRange& range : ranges) {
      number(range.first);
      number(range.last);
    }
    require(well_formed(ranges));
  }
  void optional_number(std::optional<std::uint64_t>& value) {
    bool present = false;
    flag(present);
    if (present) number(value.emplace());
  }
  void duration(std::chrono::seconds& value) {
    std::int64_t count = 0;
    number(count);
    require(count >= 0);
    if (ok()) value = std::chrono::seconds(count);
  }
  template <class T, class Each>
  void optional(std::optional<T>& value, Each each) {
    bool present = false;
    flag(present);
    if (present) each(*this, value.emplace());
  }
  void alternative(MutationBody& body) {
    switch (in_.number<std::uint8_t>()) {
      case 0:
        return fields(*this, body.emplace<StoreFlags>());
      case 1:
        return fields(*this, body.emplace<Expunge>());
      default:
        return require(false);
    }
  }

  bool ok() const noexcept { return valid_ && in_.ok(); }
  bool done() const noexcept { return valid_ && in_.done(); }

 private:
  void require(bool condition) noexcept { valid_ = valid_ && condition; }

  OctetReader in_;
  bool valid_ = true;
};

static_assert(std::variant_size_v<MutationBody> == 2,
              "teach Decoder::alternative the new mutation");

/// Decodes into the alternative of `Variant` whose index is `index`.
template <class Variant, std::size_t I = 0>
bool decode_alternative(std::size_t index, Decoder& decoder, Variant& out) {
  if constexpr (I < std::variant_size_v<Variant>) {
    if (index != I) return decode_alternative<Variant, I + 1>(index, decoder, out);
    fields(decoder, out.template emplace<I>());
    return decoder.done();
  } else {
    return false;
  }
}

struct Header {
  std::uint8_t type = 0;
  std::uint64_t id = 0;
};

Header header_of(const Message& message) {
  if (const auto* request = std::get_if<Request>(&message)) {
    return {static_cast<std::uint8_t>(kFirstRequestType + request->body.index()), request->id};
  }
  if (const auto* reply = std::get_if<Reply>(&message)) {
    if (!reply->body) return {kErrorType, reply->id};
    return {static_cast<std::uint8_t>(kFirstReplyType + reply->body->index()), reply->id};
  }
  return {kChangedType, 0};
}

/// Only ViewPosition has no answer, so only it has no id.
bool id_fits(const Request& request) {
  return (request.id == 0) == std::holds_alternative<ViewPosition>(request.body);
}

void encode_fields(Encoder& encoder, const Message& message) {
  if (const auto* request = std::get_if<Request>(&message)) {
    POSTERN_ASSERT(id_fits(*request));
    std::visit([&](const auto& body) { fields(encoder, body); }, request->body);
  } else if (const auto* reply = std::get_if<Reply>(&message)) {
    if (!reply->body) return fields(encoder, reply->body.error());
    POSTERN_ASSERT(reply->id != 0);
    std::visit([&](const auto& body) { fields(encoder, body); }, *reply->body);
  } else {
    fields(encoder, std::get<Changed>(message));
  }
}

std::unexpected<Error> not_ours() {
  return fail(ErrorCode::corrupted, "a frame of the store service does not decode");
}

}  // namespace

Result<void> encode(const Message& message, std::string& out) {
  const std::size_t start = out.size();
  const Header header = header_of(message);
  append_be(out, std::uint32_t{0});
  append_be(out, kProtocolVersion);
  append_be(out, header.type);
  append_be(out, header.id);
  Encoder encoder(out);
  encode_fields(encoder, message);
  const char* refusal = encoder.refusal();
  const std::size_t octets = out.size() - start - kFramePrefixOctets;
  if (refusal == nullptr && octets > kFrameOctetsMax) refusal = "more than one frame holds";
  if (refusal != nullptr) {
    out.resize(start);
    return fail(ErrorCode::invalid_argument,
                std::string("a message to the store service has ") + refusal);
  }
  write_be(out.data() + start, static_cast<std::uint32_t>(octets));
  return {};
}

Result<Message> decode(std::string_view frame) {
  OctetReader head(frame);
  const auto version = head.number<std::uint8_t>();
  const auto type = head.number<std::uint8_t>();
  const auto id = head.number<std::uint64_t>();
  if (!head.ok()) return not_ours();
  if (version != kProtocolVersion) {
    return fail(ErrorCode::unsupported, "the peer speaks version " + std::to_string(version) +
                                            " of the store service's protocol, this program " +
                                            std::to_string(kProtocolVersion) +
                                            ": restart both after an upgrade");
  }
  Decoder decoder(frame.substr(kFrameHeaderOctets));
  if (type == kChangedType) {
    Changed changed;
    fields(decoder, changed);
    if (!decoder.done() || id != 0) return not_ours();
    return changed;
  }
  if (type == kErrorType) {
    Error error;
    fields(decoder, error);
    if (!decoder.done()) return not_ours();
    return Reply{id, std::unexpected(std::move(error))};
  }
  if (type >= kFirstReplyType) {
    ReplyBody body;
    if (!decode_alternative(type - kFirstReplyType, decoder, body) || id == 0) return not_ours();
    return Reply{id, std::move(body)};
  }
  Request request{.id = id, .body = {}};
  if (type < kFirstRequestType ||
      !decode_alternative(type - kFirstRequestType, decoder, request.body) || !id_fits(request)) {
    return not_ours();
  }
  return request;
}

namespace {

template <class T, std::size_t I = 0>
consteval std::size_t index_of_reply() {
  if constexpr (std::is_same_v<T, std::variant_alternative_t<I, ReplyBody>>) {
    return I;
  } else {
    return index_of_reply<T, I + 1>();
  }
}

}  // namespace

std::size_t reply_index(const RequestBody& request) noexcept {
  struct Answers {
    std::size_t operator()(const Hello&) const { return index_of_reply<HelloReply>(); }
    std::size_t operator()(const Authenticate&) const {
      return index_of_reply<AuthenticateReply>();
    }
    std::size_t operator()(const Mutate&) const { return index_of_reply<MutationReply>(); }
    std::size_t operator()(const Subscribe&) const { return index_of_reply<PositionReply>(); }
    std::size_t operator()(const Unsubscribe&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const ViewPosition&) const { return kNoReply; }
    std::size_t operator()(const Ping&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const DomainAdd&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const DomainDelete&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const DomainList&) const { return index_of_reply<DomainListReply>(); }
    std::size_t operator()(const UserAdd&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const UserDelete&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const UserPassword&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const UserSendAs&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const UserSet&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const StrictestPolicy&) const {
      return index_of_reply<StrictestPolicyReply>();
    }
    std::size_t operator()(const LoginUndone&) const { return index_of_reply<Done>(); }
    std::size_t operator()(const UserList&) const { return index_of_reply<UserListReply>(); }
    std::size_t operator()(const QueueList&) const { return index_of_reply<QueueListReply>(); }
  };
  return std::visit(Answers{}, request);
}

FrameReader::Status FrameReader::feed(std::string_view& in) {
  if (complete_) {
    // A rare giant must not keep its memory for the life of the connection.
    if (buffer_.capacity() > kBufferKeptOctets) {
      buffer_ = std::string();
    } else {
      buffer_.clear();
    }
    complete_ = false;
  }
  const auto take = [&](std::size_t target) {
    const std::size_t octets = std::min(target - buffer_.size(), in.size());
    buffer_.append(in.substr(0, octets));
    in.remove_prefix(octets);
    return buffer_.size() == target;
  };
  if (buffer_.size() < kFramePrefixOctets && !take(kFramePrefixOctets)) return Status::need_more;
  const std::size_t octets = read_be<std::uint32_t>(buffer_.data());
  if (octets < kFrameHeaderOctets || octets > kFrameOctetsMax) return Status::bad_length;
  if (!take(kFramePrefixOctets + octets)) return Status::need_more;
  complete_ = true;
  return Status::frame;
}

std::string_view FrameReader::frame() const noexcept {
  return std::string_view(buffer_).substr(kFramePrefixOctets);
}

}  // namespace postern::store::rpc
