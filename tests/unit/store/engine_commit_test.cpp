// Accepting messages: rows, bodies, groups, streams.
#include <gtest/gtest.h>
#include <thread>

#include "tests/unit/store/engine_harness.hpp"

namespace postern::store::testing {
namespace {

TEST(EngineCommit, OneMessageIsThereAfterReopen) {
  TempDir dir;
  MailboxId inbox{};
  StorePosition before = 0;
  {
    EngineUnderTest store(dir.path());
    inbox = store.add_user("ann@example.net");
    before = store.engine().position();
    EXPECT_EQ(store.deliver({inbox}, "hello\r\n"), SpoolOutcome::durable);
    EXPECT_GT(store.engine().position(), before);
  }
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  const auto& mailbox = contents.mailboxes.at(inbox);
  ASSERT_EQ(mailbox.messages.size(), 1u);
  const MessageEntry& message = mailbox.messages.at(1);
  EXPECT_EQ(message.size_octets, 7u);
  EXPECT_EQ(message.internal_date_ms, 1'700'000'000'123);
  EXPECT_EQ(message.modseq, 2u);
  EXPECT_EQ(contents.bodies.at(message.body), "hello\r\n");
  EXPECT_EQ(mailbox.head.uid_next, 2u);
  EXPECT_TRUE(mailbox.changes.empty()) << "arrivals are not in the change log";
  EXPECT_TRUE(contents.queue.empty());

  EngineUnderTest again(dir.path());
  EXPECT_GT(again.engine().position(), before);
  EXPECT_EQ(again.deliver({inbox}, "second"), SpoolOutcome::durable);
  again.close();
  const StoreContents later = read_store(dir.path());
  expect_consistent(later);
  EXPECT_EQ(later.mailboxes.at(inbox).messages.size(), 2u);
  EXPECT_GT(later.mailboxes.at(inbox).messages.at(2).body, message.body) << "body ids never repeat";
}

TEST(EngineCommit, RecipientsShareOneBodyAndDuplicatesGetItOnce) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId ann = store.add_user("ann@example.net");
  const MailboxId bob = store.add_user("bob@example.net");
  auto request = make_message({ann, bob, ann}, "to both");
  request->envelope.recipients.push_back({.address = "x@far.example", .mailboxes = {}});
  request->envelope.recipients.push_back({.address = "y@far.example", .mailboxes = {}});
  EXPECT_EQ(store.submit(*request), SpoolOutcome::durable);
  const auto queue = store.engine().list_queue(10).value();
  ASSERT_EQ(queue.size(), 1u);
  EXPECT_EQ(queue[0].recipients, (std::vector<std::string>{"x@far.example", "y@far.example"}));
  EXPECT_EQ(queue[0].body, request->body);
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.mailboxes.at(ann).messages.size(), 1u);
  EXPECT_EQ(contents.mailboxes.at(bob).messages.size(), 1u);
  EXPECT_EQ(contents.bodies.size(), 1u);
  EXPECT_EQ(contents.references.at(request->body), 3u);
}

TEST(EngineCommit, ListQueueStopsAtItsLimitOldestFirst) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  for (int i = 0; i < 5; ++i) {
    const auto request = make_relayed("relay " + std::to_string(i));
    EXPECT_EQ(store.submit(*request), SpoolOutcome::durable);
  }
  const auto queue = store.engine().list_queue(3).value();
  ASSERT_EQ(queue.size(), 3u);
  EXPECT_EQ(queue[0].id, "id-relay 0");
  EXPECT_LT(queue[0].body, queue[1].body);
  EXPECT_LT(queue[1].body, queue[2].body);
}

TEST(EngineCommit, EmptyMessageHasABody) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId inbox = store.add_user("ann@example.net");
  EXPECT_EQ(store.deliver({inbox}, ""), SpoolOutcome::durable);
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.bodies.size(), 1u);
}

TEST(EngineCommit, MissingMailboxFailsThatMessageOnly) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId inbox = store.add_user("ann@example.net");
  const auto good = make_message({inbox}, "good");
  const auto bad = make_message({inbox, MailboxId{4711}}, "bad");
  ASSERT_TRUE(store.engine().submit(bad.get()));
  ASSERT_TRUE(store.engine().submit(good.get()));
  ASSERT_TRUE(store.sink().wait_for(2));
  EXPECT_EQ(good->outcome, SpoolOutcome::durable);
  EXPECT_EQ(bad->outcome, SpoolOutcome::failed);
  EXPECT_FALSE(bad->error.empty());
  store.close();
  const StoreContents contents = read_store(dir.path());
  EXPECT_EQ(contents.mailboxes.at(inbox).messages.size(), 1u);
  // The bad one's octets go with the next group or the next start.
  EngineUnderTest again(dir.path());
  again.close();
  expect_consistent(read_store(dir.path()));
}

TEST(EngineCommit, ManyProducersKeepOrderAndAscendingIds) {
  constexpr std::uint32_t kCores = 4;
  constexpr int kEach = 400;
  TempDir dir;
  EngineUnderTest store(dir.path(), {.cores = kCores, .queue_requests = 64});
  std::vector<MailboxId> inboxes;
  for (int i = 0; i < 8; ++i)
    inboxes.push_back(store.add_user("u" + std::to_string(i) + "@x.example"));
  std::vector<std::vector<std::unique_ptr<SpoolRequest>>> requests(kCores);
  for (std::uint32_t core = 0; core < kCores; ++core) {
    for (int i = 0; i < kEach; ++i) {
      requests[core].push_back(make_message({inboxes[static_cast<std::size_t>(i) % inboxes.size()]},
                                            std::to_string(core) + "/" + std::to_string(i), core));
    }
  }
  std::vector<std::thread> producers;
  for (std::uint32_t core = 0; core < kCores; ++core) {
    producers.emplace_back([&, core] {
      for (auto& request : requests[core]) {
        while (!store.engine().submit(request.get())) std::this_thread::yield();
      }
    });
  }
  for (auto& producer : producers) producer.join();
  ASSERT_TRUE(store.sink().wait_for(kCores * kEach));

  std::vector<std::size_t> next(kCores, 0);
  for (const SpoolRequest* request : store.sink().completed()) {
    EXPECT_EQ(request->outcome, SpoolOutcome::durable);
    EXPECT_EQ(request, requests[request->core][next[request->core]++].get()) << "order of a core";
  }
  const EngineStats stats = store.engine().stats();
  EXPECT_EQ(stats.messages_durable, kCores * kEach);
  EXPECT_LT(stats.bodies.groups, stats.bodies.requests) << "several messages share an fsync";
  EXPECT_EQ(stats.requests_waiting, 0u);
  store.close();

  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  std::set<std::string> seen;
  for (const MailboxId inbox : inboxes) {
    const auto& mailbox = contents.mailboxes.at(inbox);
    EXPECT_EQ(mailbox.messages.size(), kCores * kEach / inboxes.size());
    ModSeq modseq = 0;
    BodyId body{};
    for (const auto& [uid, message] : mailbox.messages) {
      EXPECT_GT(message.modseq, modseq);
      EXPECT_GT(message.body, body) << "arrival order is uid order";
      modseq = message.modseq;
      body = message.body;
      EXPECT_TRUE(seen.insert(contents.bodies.at(message.body)).second) << "delivered twice";
    }
    EXPECT_EQ(mailbox.messages.rbegin()->first, mailbox.head.uid_next - 1) << "no gaps";
  }
  EXPECT_EQ(seen.size(), kCores * kEach);
}

TEST(EngineCommit, FullQueueIsRefusedAndNothingIsLost) {
  TempDir dir;
  EngineUnderTest store(dir.path(), {.queue_requests = 2});
  const MailboxId inbox = store.add_user("ann@example.net");
  std::vector<std::unique_ptr<SpoolRequest>> requests;
  std::size_t taken = 0;
  std::size_t refused = 0;
  for (int i = 0; i < 2000; ++i) {
    requests.push_back(make_message({inbox}, "m" + std::to_string(i)));
    (store.engine().submit(requests.back().get()) ? taken : refused) += 1;
  }
  EXPECT_GT(refused, 0u);
  ASSERT_TRUE(store.sink().wait_for(taken));
  store.close();
  const StoreContents contents = read_store(dir.path());
  EXPECT_EQ(contents.mailboxes.at(inbox).messages.size(), taken);
}

/// A large message in segments of `chunks` stored chunks, the way a session streams it.
struct Streamed {
  explicit Streamed(MailboxId inbox) : request(make_message({inbox}, "")) {
    request->segment = {};
    request->size_octets = 0;
  }
  SpoolOutcome next(EngineUnderTest& store, std::string_view octets, bool last) {
    body.append(octets);
    request->segment = last ? body.take_rest() : body.take_full_chunks();
    request->last = last;
    if (last) request->size_octets = body.size();
    return store.submit(*request);
  }
  std::unique_ptr<SpoolRequest> request;
  MessageBody body;
};

TEST(EngineStream, LargeMessageArrivesWhole) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId inbox = store.add_user("ann@example.net");
  Streamed stream(inbox);
  std::string whole;
  for (int i = 0; i < 20; ++i) {
    const std::string part(100'000 + static_cast<std::size_t>(i), static_cast<char>('a' + i));
    whole += part;
    EXPECT_EQ(stream.next(store, part, false), SpoolOutcome::durable);
    // Another message in between does not disturb it.
    EXPECT_EQ(store.deliver({inbox}, "small"), SpoolOutcome::durable);
  }
  EXPECT_EQ(stream.next(store, "end", true), SpoolOutcome::durable);
  whole += "end";
  store.close();
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  const auto& mailbox = contents.mailboxes.at(inbox);
  ASSERT_EQ(mailbox.messages.size(), 21u);
  EXPECT_EQ(contents.bodies.at(stream.request->body), whole);
  EXPECT_EQ(mailbox.messages.at(21).body, stream.request->body)
      << "its uid is the last to be durable";
}

TEST(EngineStream, AbandonRemovesWhatWasWritten) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId inbox = store.add_user("ann@example.net");
  Streamed stream(inbox);
  EXPECT_EQ(stream.next(store, std::string(kBodyChunkOctets * 3, 'x'), false),
            SpoolOutcome::durable);
  stream.request->abandon = true;
  stream.request->segment = {};
  EXPECT_EQ(store.submit(*stream.request), SpoolOutcome::durable);
  // One that never wrote anything may be abandoned too.
  const auto unwritten = make_message({inbox}, "");
  unwritten->abandon = true;
  EXPECT_EQ(store.submit(*unwritten), SpoolOutcome::durable);
  store.close();
  const StoreContents contents = read_store(dir.path());
  EXPECT_TRUE(contents.bodies.empty());
  EXPECT_TRUE(contents.mailboxes.at(inbox).messages.empty());
}

TEST(EngineStream, UnfinishedStreamIsRemovedAtTheNextStart) {
  TempDir dir;
  MailboxId inbox{};
  {
    EngineUnderTest store(dir.path());
    inbox = store.add_user("ann@example.net");
    Streamed stream(inbox);
    EXPECT_EQ(stream.next(store, std::string(kBodyChunkOctets * 2, 'x'), false),
              SpoolOutcome::durable);
    EXPECT_EQ(store.deliver({inbox}, "whole"), SpoolOutcome::durable);
  }
  EXPECT_EQ(read_store(dir.path()).bodies.size(), 2u);
  {
    EngineUnderTest store(dir.path());
  }
  const StoreContents contents = read_store(dir.path());
  expect_consistent(contents);
  EXPECT_EQ(contents.bodies.size(), 1u);
}

TEST(EngineFeed, ListenerHearsEveryMailboxOnceAGroup) {
  TempDir dir;
  std::mutex mutex;
  std::map<MailboxId, ModSeq> reached;
  StorePosition last = 0;
  EngineOptions options;
  options.on_change = [&](std::span<const MailboxChange> changes, StorePosition position) {
    const std::lock_guard lock(mutex);
    EXPECT_GT(position, last);
    last = position;
    std::set<MailboxId> once;
    for (const MailboxChange& change : changes) {
      EXPECT_TRUE(once.insert(change.mailbox).second);
      EXPECT_GT(change.modseq, reached[change.mailbox]);
      reached[change.mailbox] = change.modseq;
    }
  };
  EngineUnderTest store(dir.path(), options);
  const MailboxId inbox = store.add_user("ann@example.net");
  std::vector<std::unique_ptr<SpoolRequest>> requests;
  for (int i = 0; i < 50; ++i) {
    requests.push_back(make_message({inbox}, "m"));
    ASSERT_TRUE(store.engine().submit(requests.back().get()));
  }
  ASSERT_TRUE(store.sink().wait_for(50));
  store.close();
  EXPECT_EQ(reached.at(inbox), 51u);
}

TEST(EngineClose, AnswersEverythingAndRefusesLater) {
  TempDir dir;
  EngineUnderTest store(dir.path());
  const MailboxId inbox = store.add_user("ann@example.net");
  std::vector<std::unique_ptr<SpoolRequest>> requests;
  for (int i = 0; i < 300; ++i) {
    requests.push_back(make_message({inbox}, "m"));
    ASSERT_TRUE(store.engine().submit(requests.back().get()));
  }
  store.engine().close();
  EXPECT_EQ(store.sink().completed().size(), 300u);
  for (const auto& request : requests) EXPECT_EQ(request->outcome, SpoolOutcome::durable);
  const auto late = make_message({inbox}, "late");
  EXPECT_FALSE(store.engine().submit(late.get()));
  EXPECT_EQ(store.apply(Expunge{.mailbox = inbox}).error().code, ErrorCode::aborted);
  EXPECT_EQ(store.apply(AddDomain{"x.example"}).error().code, ErrorCode::aborted);
}

}  // namespace
}  // namespace postern::store::testing
