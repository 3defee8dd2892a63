#include "store/envelope_codec.hpp"

#include <cstdint>

namespace postern::store {

namespace {

// Bits of the first octet: what follows, or a flag itself.
constexpr std::uint8_t kBinary = 1 << 0;
constexpr std::uint8_t kRequireTls = 1 << 1;
constexpr std::uint8_t kDeliverBy = 1 << 2;       // mode, time
constexpr std::uint8_t kDeliverByTrace = 1 << 3;  // with kDeliverBy
constexpr std::uint8_t kHold = 1 << 4;            // time
constexpr std::uint8_t kEnvelopeId = 1 << 5;      // string
constexpr std::uint8_t kPriority = 1 << 6;        // one octet
constexpr std::uint8_t kOptionBits = 0x7F;

constexpr std::uint8_t kNotifyBits = kNotifyNever | kNotifySuccess | kNotifyFailure | kNotifyDelay;
constexpr std::uint8_t kHasOrcpt = 1 << 7;

constexpr int kPriorityMax = 9;

std::int64_t read_time(OctetReader& in) {
  return static_cast<std::int64_t>(in.number<std::uint64_t>());
}

}  // namespace

void append_options(std::string& out, const EnvelopeOptions& options) {
  std::uint8_t bits = 0;
  if (options.body_binary) bits |= kBinary;
  if (options.require_tls) bits |= kRequireTls;
  if (options.deliver_by_mode != DeliverByMode::none) bits |= kDeliverBy;
  if (options.deliver_by_trace) bits |= kDeliverByTrace;
  if (options.hold_until_unix_ms != 0) bits |= kHold;
  if (!options.envelope_id.empty()) bits |= kEnvelopeId;
  if (options.priority != 0) bits |= kPriority;
  append_be(out, bits);
  append_be(out, static_cast<std::uint8_t>(options.dsn_return));
  if ((bits & kDeliverBy) != 0) {
    append_be(out, static_cast<std::uint8_t>(options.deliver_by_mode));
    append_be(out, static_cast<std::uint64_t>(options.deliver_by_unix_ms));
  }
  if ((bits & kHold) != 0) append_be(out, static_cast<std::uint64_t>(options.hold_until_unix_ms));
  if ((bits & kEnvelopeId) != 0) append_string(out, options.envelope_id);
  if ((bits & kPriority) != 0) append_be(out, static_cast<std::uint8_t>(options.priority));
}

bool read_options(OctetReader& in, EnvelopeOptions& options) {
  const auto bits = in.number<std::uint8_t>();
  const auto dsn_return = in.number<std::uint8_t>();
  if ((bits & ~kOptionBits) != 0 || dsn_return > static_cast<std::uint8_t>(DsnReturn::headers)) {
    return false;
  }
  options = EnvelopeOptions();
  options.body_binary = (bits & kBinary) != 0;
  options.require_tls = (bits & kRequireTls) != 0;
  options.dsn_return = static_cast<DsnReturn>(dsn_return);
  options.deliver_by_trace = (bits & kDeliverByTrace) != 0;
  if ((bits & kDeliverBy) != 0) {
    const auto mode = in.number<std::uint8_t>();
    if (mode == 0 || mode > static_cast<std::uint8_t>(DeliverByMode::return_to_sender))
      return false;
    options.deliver_by_mode = static_cast<DeliverByMode>(mode);
    options.deliver_by_unix_ms = read_time(in);
  } else if (options.deliver_by_trace) {
    return false;
  }
  if ((bits & kHold) != 0) {
    options.hold_until_unix_ms = read_time(in);
    if (options.hold_until_unix_ms == 0) return false;
  }
  if ((bits & kEnvelopeId) != 0) {
    options.envelope_id = in.string();
    if (options.envelope_id.empty()) return false;
  }
  if ((bits & kPriority) != 0) {
    options.priority = static_cast<std::int8_t>(in.number<std::uint8_t>());
    if (options.priority == 0 || options.priority > kPriorityMax ||
        options.priority < -kPriorityMax) {
      return false;
    }
  }
  return in.ok();
}

void append_options(std::string& out, const RecipientOptions& options) {
  const std::uint8_t has_orcpt = options.orcpt.empty() ? 0 : kHasOrcpt;
  append_be(out, static_cast<std::uint8_t>((options.notify & kNotifyBits) | has_orcpt));
  if (has_orcpt != 0) append_string(out, options.orcpt);
}

bool read_options(OctetReader& in, RecipientOptions& options) {
  const auto bits = in.number<std::uint8_t>();
  if ((bits & ~(kNotifyBits | kHasOrcpt)) != 0) return false;
  options.notify = bits & kNotifyBits;
  options.orcpt.clear();
  if ((bits & kHasOrcpt) != 0) {
    options.orcpt = in.string();
    if (options.orcpt.empty()) return false;
  }
  return in.ok();
}

}  // namespace postern::store
