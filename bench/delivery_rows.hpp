// The rows that the delivery of a message writes, for benchmarks that write them without the
// engine: what the row stage stages for one local recipient. Keys and records are the product's
// own.
#pragma once

#include <array>
#include <cstdint>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <string>

#include "store/database.hpp"
#include "store/schema.hpp"
#include "store/schema_private.hpp"

namespace postern::bench {

/// Where a message's parts go; all of one database, or `bodies` the family of another.
struct DeliveryFamilies {
  rocksdb::ColumnFamilyHandle* rows = nullptr;
  rocksdb::ColumnFamilyHandle* refs = nullptr;
  rocksdb::ColumnFamilyHandle* bodies = nullptr;
};

/// Invents deliveries to a handful of mailboxes, in turn. One thread.
class DeliveryRows {
 public:
  /// Mailboxes that mail is spread over. A group writes one head for each mailbox it touches.
  static constexpr std::size_t kMailboxes = 64;

  explicit DeliveryRows(DeliveryFamilies families) : families_(families) {
    for (std::size_t i = 0; i < kMailboxes; ++i) {
      heads_[i].id = store::MailboxId{i + 1};
      heads_[i].uid_validity = 1;
    }
  }

  /// Stages one message's octets, under a new body id.
  void put_body(rocksdb::WriteBatch& batch, std::string_view octets) {
    ++body_;
    (void)batch.Put(families_.bodies,
                    store::to_slice(store::schema::body_key(store::BodyId{body_}, 0)),
                    store::to_slice(octets));
  }
  /// Stages the rows of a message whose body is `body`: its row and its reference count.
  void put_rows(rocksdb::WriteBatch& batch, std::uint64_t body, std::size_t size_octets) {
    namespace schema = store::schema;
    const std::size_t index = body % kMailboxes;
    store::MailboxHead& head = heads_[index];
    ++head.highest_modseq;
    const auto row =
        schema::encode_live_row({}, store::BodyId{body}, size_octets, 1'700'000'000'000);
    (void)batch.Put(
        families_.rows,
        store::to_slice(schema::message_key(head.id, head.uid_next, head.highest_modseq)),
        store::to_slice(row));
    ++head.uid_next;
    ++head.message_count;
    ++head.unseen_count;
    head.total_octets += size_octets;
    touched_[index] = true;
    (void)batch.Put(families_.refs, store::to_slice(schema::body_id_key(store::BodyId{body})),
                    store::to_slice(schema::encode_u32(1)));
  }
  /// Stages the head of every mailbox that got something: once a group, as the row stage does.
  void put_heads(rocksdb::WriteBatch& batch) {
    for (std::size_t i = 0; i < kMailboxes; ++i) {
      if (!touched_[i]) continue;
      touched_[i] = false;
      record_.clear();
      store::schema::append_head(record_, heads_[i]);
      (void)batch.Put(
          families_.rows,
          store::to_slice(store::schema::head_key(heads_[i].id, heads_[i].highest_modseq)),
          store::to_slice(record_));
    }
  }
  /// The body id given out last.
  std::uint64_t last_body() const noexcept { return body_; }

 private:
  DeliveryFamilies families_;
  std::array<store::MailboxHead, kMailboxes> heads_{};
  std::array<bool, kMailboxes> touched_{};
  std::uint64_t body_ = 0;
  std::string record_;
};

}  // namespace postern::bench
