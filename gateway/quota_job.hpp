// Tells people that their mailbox is nearly full, or full (POP-19).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "gateway/shared.hpp"
#include "gateway/smtp/message_id.hpp"
#include "gateway/spool_owner.hpp"
#include "runtime/event_loop.hpp"
#include "store/quota_watch.hpp"

namespace postern::gateway {

/// Lives on core 0's loop. Every two seconds a worker looks at the use of all quotas, which are in
/// memory; what it finds is sent as ordinary messages, a few at a time, each with the note that its
/// owner was told (SpoolRequest::quota_note). So a crash repeats a mail at most once and loses
/// none: what was not noted is found again. These mails get in however full the mailbox is.
class QuotaJob final : public SpoolOwner {
 public:
  /// `ids`: of this core's messages.
  QuotaJob(GatewayShared& shared, EventLoop& loop, metrics::Cells& cells,
           smtp::MessageIdSource& ids);

  void start();
  /// Nothing further is begun. stopped() turns true when nothing is under way.
  void stop();
  bool stopped() const noexcept { return !worker_outstanding_ && outstanding_ == 0; }

  void on_spool_completion(store::SpoolRequest* request) override;

 private:
  struct Item {
    store::QuotaNews news;
    std::string account;  ///< name; empty if nothing is sent
  };
  struct Sent {
    Item item;
    std::unique_ptr<store::SpoolRequest> request;
  };
  struct Found {
    std::vector<Item> items;
    std::size_t near_count = 0;
    std::size_t full_count = 0;
  };

  void begin_pass();
  void load_notes();
  /// Worker thread; the watch is its alone meanwhile.
  Found find(std::int64_t now_unix_ms) const;
  void on_found(Found found);
  void go_on();
  void send(Item item);
  void keep(const Item& item);
  void on_kept(const Item& item, const Result<store::DirectoryReply>& reply);
  void end_pass();

  GatewayShared& shared_;
  EventLoop& loop_;
  metrics::Cells& cells_;
  smtp::MessageIdSource& ids_;
  std::unique_ptr<store::QuotaWatch> watch_;  // null until the notes are read
  std::vector<Item> items_;                   // of this pass, still to be done
  std::unordered_map<const store::SpoolRequest*, Sent> sent_;
  std::size_t outstanding_ = 0;  // messages and notes in the store's hands
  bool worker_outstanding_ = false;
  bool store_refuses_ = false;  // in this pass: busy or no space
  bool failed_ = false;         // something in this pass
  bool stopping_ = false;
  Timer timer_;
};

}  // namespace postern::gateway
