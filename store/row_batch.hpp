// One group of changes to mail/ while it is put together: the WriteBatch, and what rows say once it
// is applied. Nothing here is visible to anybody until commit() returned ok.
//
// Every kind of change works in two phases: first read and decide (may fail, leaves no trace), then
// stage (cannot fail). So one refused change never spoils the group it is in.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <rocksdb/iterator.h>
#include <rocksdb/write_batch.h>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/result.hpp"
#include "store/body_stage.hpp"
#include "store/database.hpp"
#include "store/mailbox_cache.hpp"
#include "store/mailbox_change.hpp"
#include "store/mailbox_quotas.hpp"
#include "store/schema.hpp"
#include "store/types.hpp"
#include "store/write_gate.hpp"

namespace postern::store {

/// A message as the group sees it: staged state where there is one, else what is on disk.
struct MessageState {
  Uid uid = 0;
  ModSeq modseq = 0;
  schema::MessageRow row;
};

/// Row thread only. Reused from group to group.
class RowBatch {
 public:
  /// `quotas`, if any, is told what became of the mailboxes of each group that was written.
  explicit RowBatch(Database& database, MailboxQuotas* quotas = nullptr);

  /// Forgets everything staged. To be called before each group, with the newest clock row's tick.
  void begin(std::uint64_t clock_tick);

  // --- reading
  // -----------------------------------------------------------------------------------------

  /// The mailbox's head with this group's changes; not_found also for one that was deleted. The
  /// pointer holds until the group ends.
  Result<CachedMailbox*> mailbox(MailboxId id);
  /// The same for one that may have been deleted.
  Result<CachedMailbox*> deleted_mailbox(MailboxId id);
  /// Calls `visit` for every live message in `ranges`, ascending, until it returns false.
  Result<void> each_message(MailboxId mailbox, const std::vector<UidRange>& ranges,
                            const std::function<bool(const MessageState&)>& visit);
  /// Makes the body's reference count known, for release(). Phase one of removing a message.
  Result<void> load_references(BodyId body);
  /// An iterator over the tailed family as it was when the group began; shared, reposition before
  /// use.
  rocksdb::Iterator& rows();

  // --- staging
  // -----------------------------------------------------------------------------------------

  /// Adds a mailbox that does not exist yet, touched.
  void create_mailbox(MailboxHead head);
  /// The head changed: its row is written when the group ends.
  void touch(CachedMailbox& mailbox);
  /// A message that arrived. `row` as encode_live_row() gives it.
  void put_arrival(MailboxId mailbox, Uid uid, ModSeq modseq, const schema::MessageRowOctets& row);
  /// A new state of a known message: its row and the change log's. `before` is the state it
  /// supersedes: its entry in the change log goes, so that the log has one entry a message and not
  /// one a change.
  void put_change(MailboxId mailbox, const MessageState& before, const MessageState& state);
  /// The message's newest row is an expunge: remembers to collect it (expunge_collector.hpp).
  void note_expunged(MailboxId mailbox, Uid uid, ModSeq modseq);
  /// A new body's reference count.
  void put_references(BodyId body, std::uint32_t count);
  /// One reference less; at none the body is doomed. load_references() came first.
  void release(BodyId body, std::uint64_t size_octets);
  /// The mailbox's account has this quota now, or (nullopt) follows the default.
  void set_quota(MailboxId mailbox, std::optional<std::uint64_t> own_octets);
  /// For rows of other kinds.
  void put(rocksdb::ColumnFamilyHandle* family, std::string_view key, std::string_view record);
  void remove(rocksdb::ColumnFamilyHandle* family, std::string_view key);

  /// Octets staged so far: the bound on how much more joins the group.
  std::size_t size_octets() const noexcept { return batch_.GetDataSize(); }
  /// Holds until begin().
  bool empty() const noexcept { return batch_.Count() == 0; }
  /// A body lost its last reference: its octets go once this group is synced.
  bool dooms() const noexcept;

  // --- the end
  // -----------------------------------------------------------------------------------------

  /// Writes, and fsyncs if `sync`, everything before it included. Not ok: nothing was changed,
  /// touched heads are forgotten.
  rocksdb::Status commit(WriteGate& gate, bool sync);
  /// After commit() was ok: what it changed, and bodies nothing names any more.
  const std::vector<MailboxChange>& changes() const noexcept { return changes_; }
  std::vector<DoomedBody>& doomed() noexcept { return doomed_; }

 private:
  struct References {
    std::uint32_t before = 0;
    std::uint32_t now = 0;
    std::uint64_t size_octets = 0;
  };

  /// Staged state of the message if there is one, else what its newest row on disk says.
  Result<MessageState> current_state(const schema::MessageKeyParts& key,
                                     std::string_view record) const;
  void stage_heads();
  void stage_references();
  /// The group is written: from now on RCPT goes by it.
  void publish_quotas();

  Database& database_;
  MailboxQuotas* const quotas_;
  MailboxCache cache_;
  rocksdb::WriteBatch batch_;
  std::uint64_t clock_tick_ = 0;
  std::unique_ptr<rocksdb::Iterator> rows_;
  std::vector<CachedMailbox*> touched_;
  std::unordered_map<MailboxId, std::map<Uid, MessageState>> staged_;
  std::map<std::uint64_t, References> references_;
  std::vector<std::pair<MailboxId, std::optional<std::uint64_t>>> own_quotas_;
  std::vector<MailboxChange> changes_;
  std::vector<DoomedBody> doomed_;
  std::string scratch_;
};

}  // namespace postern::store
