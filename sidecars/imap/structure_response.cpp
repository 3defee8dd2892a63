#include "sidecars/imap/structure_response.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "sidecars/imap/address_list.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

using store::MessageStructure;
using store::MimeParameter;
using store::MimePart;

void append_nstring(std::string& out, const std::optional<std::string>& value) {
  // IMAP-44: a field that is there but empty is NIL too.
  if (value && !value->empty()) {
    append_string(out, *value);
  } else {
    out.append("NIL");
  }
}

void append_parameters(std::string& out, const std::vector<MimeParameter>& parameters) {
  if (parameters.empty()) {
    out.append("NIL");
    return;
  }
  char before = '(';
  for (const MimeParameter& parameter : parameters) {
    out.push_back(before);
    append_string(out, parameter.name);
    out.push_back(' ');
    append_string(out, parameter.value);
    before = ' ';
  }
  out.push_back(')');
}

/// " disposition language location": the end of every part's extension data.
void append_common_extension(std::string& out, const MimePart& part) {
  if (part.disposition) {
    out.append(" (");
    append_string(out, *part.disposition);
    out.push_back(' ');
    append_parameters(out, part.disposition_parameters);
    out.append(") ");
  } else {
    out.append(" NIL ");
  }
  if (part.languages.empty()) {
    out.append("NIL");
  } else {
    char before = '(';
    for (const std::string& language : part.languages) {
      out.push_back(before);
      append_string(out, language);
      before = ' ';
    }
    out.push_back(')');
  }
  out.push_back(' ');
  append_nstring(out, part.location);
}

/// Walks the parts. Recursion is as deep as the parser lets parts nest (kMimeDepthMax).
class StructureWriter {
 public:
  StructureWriter(std::string& out, const MessageStructure& structure, bool extended)
      : out_(out), structure_(structure), extended_(extended) {}

  void part(std::uint32_t index) {
    const MimePart& part = structure_.parts[index];
    out_.push_back('(');
    if (part.kind == MimePart::Kind::multipart) {
      multipart(part);
    } else {
      single(part);
    }
    out_.push_back(')');
  }

 private:
  void multipart(const MimePart& part) {
    if (part.first_child == MimePart::kNone) {
      // The grammar demands a part where there is none.
      out_.append("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
      out_.append(extended_ ? " NIL NIL NIL NIL)" : ")");
    }
    for (std::uint32_t child = part.first_child; child != MimePart::kNone;
         child = structure_.parts[child].next_sibling) {
      this->part(child);
    }
    out_.push_back(' ');
    append_string(out_, part.subtype);
    if (!extended_) return;
    out_.push_back(' ');
    append_parameters(out_, part.parameters);
    append_common_extension(out_, part);
  }

  void single(const MimePart& part) {
    append_string(out_, part.type);
    out_.push_back(' ');
    append_string(out_, part.subtype);
    out_.push_back(' ');
    append_parameters(out_, part.parameters);
    out_.push_back(' ');
    append_nstring(out_, part.id);
    out_.push_back(' ');
    append_nstring(out_, part.description);
    out_.push_back(' ');
    append_string(out_, part.encoding);
    out_.push_back(' ');
    append_number(out_, part.body_end - part.body_begin);
    if (part.kind == MimePart::Kind::message) {
      out_.push_back(' ');
      append_envelope(out_, structure_.envelopes[structure_.parts[part.first_child].envelope]);
      out_.push_back(' ');
      this->part(part.first_child);
    }
    if (part.kind == MimePart::Kind::message || part.type == "text") {
      out_.push_back(' ');
      append_number(out_, part.lines);
    }
    if (!extended_) return;
    out_.push_back(' ');
    append_nstring(out_, part.md5);
    append_common_extension(out_, part);
  }

  std::string& out_;
  const MessageStructure& structure_;
  const bool extended_;
};

}  // namespace

void append_envelope(std::string& out, const store::EnvelopeFields& fields) {
  const auto addresses = [&out](const std::optional<std::string>& value) {
    out.push_back(' ');
    append_address_list(out, value ? *value : std::string_view());
  };
  // RFC 3501 7.4.2: absent or empty, Sender and Reply-To are From.
  const auto or_from = [&fields](const std::optional<std::string>& value) -> const auto& {
    return value && !value->empty() ? value : fields.from;
  };
  out.push_back('(');
  append_nstring(out, fields.date);
  out.push_back(' ');
  append_nstring(out, fields.subject);
  addresses(fields.from);
  addresses(or_from(fields.sender));
  addresses(or_from(fields.reply_to));
  addresses(fields.to);
  addresses(fields.cc);
  addresses(fields.bcc);
  out.push_back(' ');
  append_nstring(out, fields.in_reply_to);
  out.push_back(' ');
  append_nstring(out, fields.message_id);
  out.push_back(')');
}

void append_body_structure(std::string& out, const MessageStructure& structure, bool extended) {
  StructureWriter(out, structure, extended).part(0);
}

}  // namespace postern::imap
