#include "sidecars/imap/search_message.hpp"

#include <algorithm>
#include <utility>

#include "sidecars/imap/limits.hpp"
#include "store/mime_header.hpp"

namespace postern::imap {

std::uint64_t SearchMessage::first_octets(const store::MessageEntry& entry) const noexcept {
  return std::min(entry.size_octets,
                  program_.needs_body ? sidecars::kReadBatchOctets : kHeaderReadOctets);
}

void SearchMessage::begin(const SearchSubject& subject, std::string first_octets) {
  subject_ = subject;
  verdict_ = Verdict::unknown;
  stage_ = Stage::header;
  window_.begin(subject.entry->body, 0, std::move(first_octets));
  scan_.begin(subject.entry->body, subject.entry->size_octets);
  range_ = {0, std::min(subject.entry->size_octets, kHeaderOctetsMax)};
  gathered_.clear();
  found_.assign(program_.needles.size(), false);
  part_ = 0;
  part_header_done_ = true;  // the message's own header is no part of its body
}

SearchMessage::Outcome SearchMessage::run(StructureCache& cache) {
  const auto read = [this](std::uint64_t offset, std::uint64_t octets) {
    return window_.want(offset, octets) ? Outcome::read : Outcome::gone;
  };
  while (true) {
    switch (stage_) {
      case Stage::header:
        if (!gather(range_)) return read(range_.begin, range_.size());
        end_header();
        if (decide()) return Outcome::decided;
        stage_ = Stage::structure;
        break;
      case Stage::structure:
        if (!scan_.run(window_, cache)) return read(scan_.next(), sidecars::kReadBatchOctets);
        stage_ = Stage::next_text;
        break;
      case Stage::next_text:
        next_text();
        if (stage_ == Stage::next_text) {
          subject_.found_in_body = &found_;
          decide();
          return Outcome::decided;
        }
        break;
      case Stage::part_header:
        if (!gather(range_)) return read(range_.begin, range_.size());
        end_part_header();
        break;
      case Stage::text:
        if (!stream_text()) return read(range_.begin, range_.size());
        break;
    }
  }
}

bool SearchMessage::decide() {
  verdict_ = match(program_, subject_);
  return verdict_ != Verdict::unknown;
}

bool SearchMessage::gather(OctetRange& range) {
  const bool whole_header = stage_ == Stage::header;
  while (range.begin < range.end) {
    const std::string_view piece = window_.at(range.begin).substr(0, range.size());
    if (piece.empty()) return false;
    gathered_.append(piece);
    range.begin += piece.size();
    // Where the message's header ends is only known when it is seen.
    if (whole_header && store::header_octets(gathered_) < gathered_.size()) break;
  }
  return true;
}

void SearchMessage::end_header() {
  header_ = read_search_header(gathered_);
  subject_.header = &header_;
}

/// Goes to the next part header or text; stays in Stage::next_text when there is none.
void SearchMessage::next_text() {
  const store::MessageStructure& structure = *scan_.structure();
  for (; part_ < structure.parts.size(); ++part_, part_header_done_ = false) {
    const store::MimePart& part = structure.parts[part_];
    if (!part_header_done_) {
      part_header_done_ = true;
      range_ = {part.header_begin, std::min(part.body_begin, part.header_begin + kHeaderOctetsMax)};
      gathered_.clear();
      stage_ = Stage::part_header;
      return;
    }
    if (part.kind != store::MimePart::Kind::leaf || part.type != "text") continue;
    const auto charset = std::ranges::find(part.parameters, "charset", &store::MimeParameter::name);
    decoder_.emplace(encoding_named(part.encoding), charset == part.parameters.end()
                                                        ? Charset::utf8
                                                        : charset_named(charset->value));
    states_.assign(program_.needles.size(), 0);
    range_ = {part.body_begin, part.body_end};
    stage_ = Stage::text;
    return;
  }
}

void SearchMessage::end_part_header() {
  std::string_view header = gathered_;
  for (std::size_t count = 0; count < kSearchFieldsMax; ++count) {
    const auto field = store::take_field(header);
    if (!field) break;
    states_.assign(program_.needles.size(), 0);
    look_for(fold_header_text(store::unfold(field->whole)));
  }
  stage_ = Stage::next_text;
}

bool SearchMessage::stream_text() {
  while (range_.begin < range_.end) {
    const std::string_view piece = window_.at(range_.begin).substr(0, range_.size());
    if (piece.empty()) return false;
    decoded_.clear();
    decoder_->feed(piece, decoded_);
    look_for(decoded_);
    range_.begin += piece.size();
  }
  ++part_;
  part_header_done_ = false;
  stage_ = Stage::next_text;
  return true;
}

void SearchMessage::look_for(std::string_view folded) {
  for (std::size_t needle = 0; needle < found_.size(); ++needle) {
    if (!found_[needle] && program_.needles[needle].find(folded, states_[needle])) {
      found_[needle] = true;
    }
  }
}

}  // namespace postern::imap
