#include "store/message_structure.hpp"

#include <array>
#include <utility>

namespace postern::store {
namespace {

constexpr char kVersion = 1;

using Field = std::optional<std::string> EnvelopeFields::*;
constexpr std::array<Field, 10> kEnvelopeFields = {
    &EnvelopeFields::date,      &EnvelopeFields::subject,  &EnvelopeFields::from,
    &EnvelopeFields::sender,    &EnvelopeFields::reply_to, &EnvelopeFields::to,
    &EnvelopeFields::cc,        &EnvelopeFields::bcc,      &EnvelopeFields::in_reply_to,
    &EnvelopeFields::message_id};

class Writer {
 public:
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  /// Absent: 0; present: its size plus one.
  void optional(const std::optional<std::string>& value) {
    number(value ? value->size() + 1 : 0);
    if (value) out_.append(*value);
  }
  void parameters(const std::vector<MimeParameter>& list) {
    number(list.size());
    for (const MimeParameter& parameter : list) {
      text(parameter.name);
      text(parameter.value);
    }
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_{kVersion};
};

/// Reads what Writer wrote; after the first error everything reads as empty.
class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return in_.empty(); }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) break;
      const auto octet = static_cast<unsigned char>(in_.front());
      in_.remove_prefix(1);
      value |= std::uint64_t{octet & 0x7fu} << shift;
      if (octet < 0x80) return good_ ? value : 0;
    }
    good_ = false;
    return 0;
  }
  /// A number of at most `most`.
  std::uint64_t bounded(std::uint64_t most) {
    const std::uint64_t value = number();
    if (value > most) good_ = false;
    return good_ ? value : 0;
  }
  /// An index below `count`, or kNone (written as 0).
  std::uint32_t index(std::uint64_t count) {
    return static_cast<std::uint32_t>(bounded(count)) - 1;
  }
  std::string octets(std::uint64_t size) {
    if (size > in_.size()) good_ = false;
    if (!good_) return {};
    std::string value(in_.substr(0, size));
    in_.remove_prefix(size);
    return value;
  }
  std::string text() { return octets(number()); }
  std::optional<std::string> optional() {
    const std::uint64_t size = number();
    if (size == 0) return std::nullopt;
    return octets(size - 1);
  }
  std::vector<MimeParameter> parameters() {
    std::vector<MimeParameter> list(bounded(kMimeParametersMax));
    for (MimeParameter& parameter : list) {
      parameter.name = text();
      parameter.value = text();
    }
    return list;
  }

 private:
  std::string_view in_;
  bool good_ = true;
};

void write_part(Writer& writer, const MimePart& part) {
  writer.number(static_cast<std::uint64_t>(part.kind));
  // kNone becomes 0.
  writer.number(static_cast<std::uint32_t>(part.parent + 1));
  writer.number(static_cast<std::uint32_t>(part.envelope + 1));
  writer.number(part.header_begin);
  writer.number(part.body_begin - part.header_begin);
  writer.number(part.body_end - part.body_begin);
  writer.number(part.lines);
  writer.text(part.type);
  writer.text(part.subtype);
  writer.parameters(part.parameters);
  writer.text(part.encoding);
  for (const auto* field : {&part.id, &part.description, &part.md5, &part.location}) {
    writer.optional(*field);
  }
  writer.optional(part.disposition);
  writer.parameters(part.disposition_parameters);
  writer.number(part.languages.size());
  for (const std::string& language : part.languages) writer.text(language);
}

/// Reads part `self`; the links to children are restored by the caller.
MimePart read_part(Reader& reader, std::uint64_t self, std::uint64_t envelopes,
                   std::uint64_t message_octets) {
  MimePart part;
  part.kind = static_cast<MimePart::Kind>(reader.bounded(2));
  part.parent = reader.index(self);
  part.envelope = reader.index(envelopes);
  part.header_begin = reader.bounded(message_octets);
  part.body_begin = part.header_begin + reader.bounded(message_octets - part.header_begin);
  part.body_end = part.body_begin + reader.bounded(message_octets - part.body_begin);
  part.lines = reader.bounded(message_octets);
  part.type = reader.text();
  part.subtype = reader.text();
  part.parameters = reader.parameters();
  part.encoding = reader.text();
  for (auto* field : {&part.id, &part.description, &part.md5, &part.location}) {
    *field = reader.optional();
  }
  part.disposition = reader.optional();
  part.disposition_parameters = reader.parameters();
  part.languages.resize(reader.bounded(kMimeParametersMax));
  for (std::string& language : part.languages) language = reader.text();
  return part;
}

/// Links children in order; false when the tree is none: a second root, a child of a leaf, a
/// message with two children or none, too deep, or a message's root without envelope.
bool link(MessageStructure& structure) {
  std::vector<MimePart>& parts = structure.parts;
  std::vector<std::uint32_t> last_child(parts.size(), MimePart::kNone);
  std::vector<std::size_t> depth(parts.size(), 1);
  for (std::uint32_t self = 0; self < parts.size(); ++self) {
    MimePart& part = parts[self];
    if ((part.parent == MimePart::kNone) != (self == 0)) return false;
    const bool is_root = self == 0 || parts[part.parent].kind == MimePart::Kind::message;
    if (is_root != (part.envelope != MimePart::kNone)) return false;
    if (self == 0) continue;
    MimePart& above = parts[part.parent];
    depth[self] = depth[part.parent] + 1;
    if (above.kind == MimePart::Kind::leaf || depth[self] > kMimeDepthMax) return false;
    if (part.header_begin < above.body_begin || part.body_end > above.body_end) return false;
    std::uint32_t& last = last_child[part.parent];
    if (last == MimePart::kNone) {
      above.first_child = self;
    } else if (above.kind == MimePart::Kind::message) {
      return false;
    } else {
      parts[last].next_sibling = self;
    }
    last = self;
  }
  for (const MimePart& part : parts) {
    if (part.kind == MimePart::Kind::message && part.first_child == MimePart::kNone) return false;
  }
  return true;
}

}  // namespace

std::string serialise(const MessageStructure& structure) {
  Writer writer;
  writer.number(structure.size_octets);
  writer.number(structure.envelopes.size());
  writer.number(structure.parts.size());
  for (const EnvelopeFields& envelope : structure.envelopes) {
    for (const Field field : kEnvelopeFields) writer.optional(envelope.*field);
  }
  for (const MimePart& part : structure.parts) write_part(writer, part);
  return writer.take();
}

Result<MessageStructure> deserialise_structure(std::string_view octets) {
  const auto corrupted = [] {
    return fail(ErrorCode::corrupted, "the message structure does not decode");
  };
  if (octets.empty()) return corrupted();
  if (octets.front() != kVersion) {
    return fail(ErrorCode::unsupported, "the message structure has an unknown version");
  }
  Reader reader(octets.substr(1));
  MessageStructure structure;
  structure.size_octets = reader.number();
  structure.envelopes.resize(reader.bounded(kMimePartsMax));
  const std::uint64_t parts = reader.bounded(kMimePartsMax);
  for (EnvelopeFields& envelope : structure.envelopes) {
    for (const Field field : kEnvelopeFields) envelope.*field = reader.optional();
  }
  for (std::uint64_t self = 0; self < parts && reader.good(); ++self) {
    structure.parts.push_back(
        read_part(reader, self, structure.envelopes.size(), structure.size_octets));
  }
  if (!reader.good() || !reader.at_end() || structure.parts.empty() || !link(structure)) {
    return corrupted();
  }
  return structure;
}

}  // namespace postern::store
