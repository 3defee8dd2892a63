// Sending messages and listings, piece by piece; the answers of the store to RETR, TOP and QUIT.
#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <utility>

#include "runtime/assert.hpp"
#include "sidecars/pop3/limits.hpp"
#include "sidecars/pop3/session.hpp"

namespace postern::pop3 {

// Reads a message-number argument; answers and gives nullopt when no available message has it.
std::optional<std::uint64_t> Pop3Session::message_argument(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) {
    reply_error("a message-number is a decimal number");
  } else if (!maildrop_.exists(*number)) {
    reply_error(fmt::format("no such message, only {} in maildrop", maildrop_.count()));
  } else if (!maildrop_.available(*number)) {
    reply_error(fmt::format("message {} is marked as deleted", *number));
  } else {
    return number;
  }
  return std::nullopt;
}

// Answers RETR (no top_lines) or TOP for an available message.
void Pop3Session::begin_transfer(std::uint64_t number, std::optional<std::uint64_t> top_lines) {
  Transfer& transfer = transfer_.emplace();
  transfer.number = number;
  transfer.size_octets = maildrop_.entry(number).size_octets;
  if (top_lines) {
    transfer.top.emplace(*top_lines);
    transfer.top_lines = *top_lines;
  }
  read_ahead_.note_wanted(number, top_lines ? ReadAhead::Use::top : ReadAhead::Use::whole,
                          pending_input_);
  if (mailbox_changed_) {
    mailbox_changed_ = false;  // a change while the answer is under way sets it again
    waiting_ = Waiting::recheck;
    request_ = sidecars::SnapshotRequest{maildrop_.mailbox()};
    return;
  }
  check_presence();
}

void Pop3Session::on_recheck_reply(sidecars::SnapshotReply reply) {
  if (reply.snapshot) {
    newest_ = std::move(*reply.snapshot);
    check_presence();
    return;
  }
  mailbox_changed_ = true;
  fail_transfer(reply.snapshot.error());
}

// POP-03: a message that another session removed cannot be had, even while its octets still exist.
void Pop3Session::check_presence() {
  const store::Uid uid = maildrop_.entry(transfer_->number).uid;
  if (newest_ && newest_->index_of(uid) == newest_->size())
    fail_transfer({ErrorCode::not_found, {}});
  else
    continue_transfer();
}

// Gets the octets at next_offset: from the read-ahead, or else from the store.
void Pop3Session::continue_transfer() {
  Transfer& transfer = *transfer_;
  if (transfer.next_offset == transfer.size_octets) {
    send_transfer_status();  // an empty message
    return;
  }
  auto piece = read_ahead_.take(transfer.number, transfer.next_offset);
  // What failed while reading ahead is tried again now that it matters.
  if (piece && piece->octets)
    attach(std::move(*piece));
  else
    request_octets();
}

void Pop3Session::request_octets() {
  const Transfer& transfer = *transfer_;
  std::uint64_t length =
      std::min(sidecars::kReadBatchOctets, transfer.size_octets - transfer.next_offset);
  auto use = ReadAhead::Use::whole;
  if (transfer.top) {
    use = ReadAhead::Use::top;
    if (transfer.next_offset == 0) {
      const std::uint64_t lines = std::min(transfer.top_lines, sidecars::kReadBatchOctets);
      length = std::min(length, kTopFirstReadOctets + lines * kTopOctetsPerLine);
    }
  }
  waiting_ = Waiting::body;
  request_ = read_ahead_.plan(maildrop_, transfer.number, transfer.next_offset, length, use);
}

void Pop3Session::on_bodies_reply(sidecars::BodiesReply reply) {
  read_ahead_.fill(std::move(reply));
  auto piece = read_ahead_.take(transfer_->number, transfer_->next_offset);
  POSTERN_ASSERT(piece.has_value());
  if (piece->octets)
    attach(std::move(*piece));
  else
    fail_transfer(piece->octets.error());
}

void Pop3Session::attach(BodyPiece piece) {
  Transfer& transfer = *transfer_;
  if (piece.octets->size() != piece.length) {
    fail_transfer({ErrorCode::corrupted, "the stored message has not the size its row says"});
    return;
  }
  transfer.octets = std::move(*piece.octets);
  transfer.octets_sent = 0;
  transfer.next_offset += transfer.octets.size();
  send_transfer_status();
}

void Pop3Session::send_transfer_status() {
  Transfer& transfer = *transfer_;
  if (transfer.status_sent) return;
  transfer.status_sent = true;
  reply_ok(transfer.top ? "top of message follows"
                        : fmt::format("{} octets", transfer.size_octets));
}

void Pop3Session::fail_transfer(const Error& error) {
  if (transfer_->status_sent) {
    // Half a message is out. A missing terminator tells the client that it is not whole.
    end_session(EndReason::body_unreadable);
    return;
  }
  const std::uint64_t number = transfer_->number;
  transfer_.reset();
  if (error.code == ErrorCode::not_found)
    reply_error(fmt::format("message {} was removed by another session", number));
  else if (error.code == ErrorCode::corrupted)
    reply_error(fmt::format("[SYS/PERM] message {} is damaged", number));
  else
    reply_error(fmt::format("[SYS/TEMP] message {} cannot be read now", number));
}

// Turns the next piece of what was read into output.
void Pop3Session::produce_transfer() {
  Transfer& transfer = *transfer_;
  std::string_view piece = transfer.octets;
  piece = piece.substr(transfer.octets_sent, kProducePieceOctets);
  if (transfer.top) piece = piece.substr(0, transfer.top->accept(piece));
  const std::size_t size_before = output_.bytes.size();
  transfer.stuffer.append(piece, output_.bytes);
  unsent_octets_ += output_.bytes.size() - size_before;
  transfer.octets_sent += piece.size();
  if (transfer.top && transfer.top->done()) {
    finish_transfer();
  } else if (transfer.octets_sent == transfer.octets.size()) {
    if (transfer.next_offset == transfer.size_octets)
      finish_transfer();
    else
      continue_transfer();  // also above the high-water mark: the store reads while the client does
  }
}

void Pop3Session::finish_transfer() {
  Transfer& transfer = *transfer_;
  const std::size_t size_before = output_.bytes.size();
  transfer.stuffer.finish(output_.bytes);
  unsent_octets_ += output_.bytes.size() - size_before;
  if (transfer.top) {
    ++summary_.top_count;
  } else {
    ++summary_.retrieved_count;
    if (policy_.delete_after_retrieval) maildrop_.note_retrieved(transfer.number);
    summary_.retrieved_octets += transfer.size_octets;
  }
  transfer_.reset();
}

// Turns the next lines of LIST or UIDL into output.
void Pop3Session::produce_listing() {
  Listing& listing = *listing_;
  std::string& out = output_.bytes;
  const std::size_t size_before = out.size();
  char digits[24];
  const auto append_number = [&](std::uint64_t value) {
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
  };
  for (std::size_t lines = 0; lines < kProduceListingLines; ++lines) {
    const std::uint64_t number = listing.next_number;
    if (!maildrop_.exists(number)) break;
    ++listing.next_number;
    if (!maildrop_.available(number)) continue;
    const store::MessageEntry& entry = maildrop_.entry(number);
    append_number(number);
    out.push_back(' ');
    append_number(listing.unique_ids ? entry.uid : entry.size_octets);
    out.append("\r\n");
  }
  const bool complete = !maildrop_.exists(listing.next_number);
  if (complete) out.append(".\r\n");
  unsent_octets_ += out.size() - size_before;
  if (complete) listing_.reset();
}

void Pop3Session::on_update_reply(sidecars::MutationDone done) {
  if (!done.reply) {
    reply_error("[SYS/TEMP] messages marked as deleted may not have been removed");
    end_session(EndReason::update_failed);
    return;
  }
  summary_.deleted_count = done.reply->changed_count;
  reply_ok(fmt::format("{} messages removed, bye", maildrop_.marked_count()));
  end_session(EndReason::quit);
}

}  // namespace postern::pop3
