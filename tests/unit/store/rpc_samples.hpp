// One message of every kind of the store service's protocol, for round trips and damage tests.
#pragma once

#include <string>
#include <vector>

#include "store/rpc/messages.hpp"

namespace postern::store::rpc::test {

inline std::vector<Message> sample_messages() {
  const Mutation flags{.key_high = 0x1122334455667788,
                       .key_low = 7,
                       .body = StoreFlags{.mailbox = MailboxId{5},
                                          .uids = {{1, 1}, {3, 9}, {4'000'000'000, 4'294'967'295}},
                                          .mode = StoreFlags::Mode::remove,
                                          .system_flags = 0x11,
                                          .keywords = {"$Forwarded", "Junk"},
                                          .unchanged_since = 99}};
  const Mutation expunge{
      .key_high = 1,
      .key_low = 2,
      .body = Expunge{.mailbox = MailboxId{6}, .uids = {{2, 2}}, .only_deleted = false}};
  const UserEntry user{.id = AccountId{3},
                       .name = "ann@example.org",
                       .inbox = MailboxId{4},
                       .has_password = true,
                       .aliases = {"a@example.org", "b@example.org"},
                       .send_as = {"@example.net"},
                       .settings = {.keep = std::chrono::days(30),
                                    .delete_after_retrieval = false,
                                    .quota_octets = 1ull << 40},
                       .used_octets = 5'000'000'000,
                       .quota_octets = 1ull << 40};
  const QueueEntry entry{.id = "4Zx-1",
                         .body = BodyId{77},
                         .reverse_path = "ann@example.org",
                         .recipients = {"bob@example.net"},
                         .recipient_count = 3,
                         .size_octets = 4096,
                         .arrival_unix_ms = -5,
                         .next_attempt_unix_ms = 1'700'000'000'000,
                         .attempts = 2,
                         .last_error = "451 4.7.1 later"};
  std::vector<Message> all;
  std::uint64_t id = 1;
  const auto ask = [&](RequestBody body) { all.emplace_back(Request{id++, std::move(body)}); };
  const auto answer = [&](ReplyBody body) { all.emplace_back(Reply{id++, std::move(body)}); };
  ask(Hello{.client = "imap"});
  ask(Authenticate{"ann@example.org", std::string("p\0w", 3), "imap", "2001:db8::1",
                   0xabcdef0123456789});
  ask(Mutate{flags});
  ask(Mutate{expunge});
  ask(Subscribe{MailboxId{9}});
  ask(Unsubscribe{MailboxId{9}});
  all.emplace_back(Request{0, ViewPosition{123456789}});
  ask(Ping{});
  ask(DomainAdd{"example.org"});
  ask(DomainDelete{"example.org"});
  ask(DomainList{"a", 10});
  ask(UserAdd{"ann@example.org", "secret", {"a@example.org"}});
  ask(UserDelete{"ann@example.org"});
  ask(UserPassword{"ann@example.org", "new"});
  ask(UserSendAs{"ann@example.org", "@example.net", true});
  ask(UserList{"", 1000});
  ask(QueueList{50});
  ask(UserSet{"ann@example.org",
              {.keep_action = SettingAction::set,
               .keep = std::chrono::days(7),
               .delete_after_retrieval_action = SettingAction::reset,
               .quota_action = SettingAction::set,
               .quota_octets = 2ull << 30}});
  ask(StrictestPolicy{});
  ask(LoginUndone{AccountId{3}, 0xabcdef0123456789});
  answer(
      HelloReply{.gateway_epoch = 0xfedcba9876543210, .store_path = "/var/lib/x", .position = 12});
  answer(AuthenticateReply{
      AuthenticateReply::Outcome::ok,
      AccountId{1},
      "ann",
      MailboxId{2},
      33,
      {.keep = std::chrono::days(1), .delete_after_retrieval = true, .quota_octets = 1ull << 33},
      0,
      true});
  answer(AuthenticateReply{.outcome = AuthenticateReply::Outcome::too_soon, .retry_after_s = 30});
  answer(StrictestPolicyReply{{.keep = std::chrono::hours(5)}, true});
  answer(MutationReply{
      .position = 5, .modseq = 6, .changed_count = 7, .not_applied = {{1, 4}, {6, 6}}});
  answer(PositionReply{44});
  answer(Done{});
  answer(DomainListReply{{"a.example", "b.example"}, true});
  answer(UserListReply{{user, user}, false});
  answer(QueueListReply{{entry}, 18});
  all.emplace_back(Reply{id++, fail(ErrorCode::not_found, "no such user")});
  all.emplace_back(Reply{0, fail(ErrorCode::corrupted, "not this protocol")});
  all.emplace_back(Changed{MailboxId{8}, 21, 34});
  return all;
}

}  // namespace postern::store::rpc::test
