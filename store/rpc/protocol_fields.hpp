// The fields of every message, in wire order, said once for both directions. Private to
// protocol.cpp.
//
// An archive (Encoder, Decoder in protocol.cpp) offers number(), id(), flag(), choice(), text(),
// cut(), list() and uid_ranges(), and Ref<T>: const T& when writing, T& when reading.
#pragma once

#include <cstdint>
#include <string>

#include "store/rpc/messages.hpp"
#include "store/rpc/protocol.hpp"

namespace postern::store::rpc {

template <class A>
using StringRef = typename A::template Ref<std::string>;

// --- mutations
// --------------------------------------------------------------------------------------

template <class A>
void fields(A& a, typename A::template Ref<StoreFlags> m) {
  a.id(m.mailbox);
  a.uid_ranges(m.uids);
  a.choice(m.mode, StoreFlags::Mode::replace);
  a.number(m.system_flags);
  a.list(m.keywords, kKeywordsMax, [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
  a.optional_number(m.unchanged_since);
}

template <class A>
void fields(A& a, typename A::template Ref<Expunge> m) {
  a.id(m.mailbox);
  a.uid_ranges(m.uids);
  a.flag(m.only_deleted);
}

template <class A>
void fields(A& a, typename A::template Ref<Mutate> m) {
  a.number(m.mutation.key_high);
  a.number(m.mutation.key_low);
  a.alternative(m.mutation.body);
}

template <class A>
void fields(A& a, typename A::template Ref<MutationReply> m) {
  a.number(m.position);
  a.number(m.modseq);
  a.number(m.changed_count);
  a.uid_ranges(m.not_applied);
}

// --- requests of sidecars
// ---------------------------------------------------------------------------

template <class A>
void fields(A& a, typename A::template Ref<Hello> m) {
  a.number(m.protocol_version);
  a.text(m.client, kNameOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<Authenticate> m) {
  a.text(m.user, kNameOctetsMax);
  a.text(m.password, kSecretOctetsMax);
  a.text(m.protocol, kNameOctetsMax);
  a.text(m.client_address, kNameOctetsMax);
  a.number(m.attempt);
}

template <class A>
void fields(A& a, typename A::template Ref<LoginUndone> m) {
  a.id(m.account);
  a.number(m.attempt);
}

template <class A>
void fields(A& a, typename A::template Ref<Subscribe> m) {
  a.id(m.mailbox);
}

template <class A>
void fields(A& a, typename A::template Ref<Unsubscribe> m) {
  a.id(m.mailbox);
}

template <class A>
void fields(A& a, typename A::template Ref<ViewPosition> m) {
  a.number(m.position);
}

template <class A>
void fields(A&, typename A::template Ref<Ping>) {}

// --- administration
// ---------------------------------------------------------------------------------

template <class A>
void fields(A& a, typename A::template Ref<DomainAdd> m) {
  a.text(m.domain, kNameOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<DomainDelete> m) {
  a.text(m.domain, kNameOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<DomainList> m) {
  a.text(m.after, kNameOctetsMax);
  a.page(m.limit);
}

template <class A>
void fields(A& a, typename A::template Ref<UserAdd> m) {
  a.text(m.name, kNameOctetsMax);
  a.text(m.password, kSecretOctetsMax);
  a.list(m.aliases, kAliasesMax, [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
}

template <class A>
void fields(A& a, typename A::template Ref<UserDelete> m) {
  a.text(m.name, kNameOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<UserPassword> m) {
  a.text(m.name, kNameOctetsMax);
  a.text(m.password, kSecretOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<UserSendAs> m) {
  a.text(m.name, kNameOctetsMax);
  a.text(m.address, kNameOctetsMax);
  a.flag(m.granted);
}

template <class A>
void fields(A& a, typename A::template Ref<UserSet> m) {
  a.text(m.name, kNameOctetsMax);
  a.choice(m.change.keep_action, SettingAction::set);
  a.duration(m.change.keep);
  a.choice(m.change.delete_after_retrieval_action, SettingAction::set);
  a.flag(m.change.delete_after_retrieval);
  a.choice(m.change.quota_action, SettingAction::set);
  a.number(m.change.quota_octets);
}

template <class A>
void fields(A&, typename A::template Ref<StrictestPolicy>) {}

template <class A>
void fields(A& a, typename A::template Ref<UserList> m) {
  a.text(m.after, kNameOctetsMax);
  a.page(m.limit);
}

template <class A>
void fields(A& a, typename A::template Ref<QueueList> m) {
  a.page(m.limit);
}

// --- replies
// ----------------------------------------------------------------------------------------

template <class A>
void fields(A& a, typename A::template Ref<HelloReply> m) {
  a.number(m.protocol_version);
  a.number(m.gateway_epoch);
  a.text(m.store_path, kPathOctetsMax);
  a.number(m.position);
}

template <class A>
void fields(A& a, typename A::template Ref<MailboxPolicy> m) {
  a.duration(m.keep);
  a.flag(m.delete_after_retrieval);
  a.number(m.quota_octets);
}

template <class A>
void fields(A& a, typename A::template Ref<StrictestPolicyReply> m) {
  fields(a, m.policy);
  a.flag(m.differs_by_user);
}

template <class A>
void fields(A& a, typename A::template Ref<AccountSettings> m) {
  a.optional(m.keep,
             [](A& b, typename A::template Ref<std::chrono::seconds> keep) { b.duration(keep); });
  a.optional(m.delete_after_retrieval,
             [](A& b, typename A::template Ref<bool> flag) { b.flag(flag); });
  a.optional_number(m.quota_octets);
}

template <class A>
void fields(A& a, typename A::template Ref<AuthenticateReply> m) {
  a.choice(m.outcome, AuthenticateReply::Outcome::too_soon);
  a.id(m.account);
  a.text(m.name, kNameOctetsMax);
  a.id(m.inbox);
  a.number(m.position);
  fields(a, m.policy);
  a.number(m.retry_after_s);
  a.flag(m.delay_began);
}

template <class A>
void fields(A& a, typename A::template Ref<PositionReply> m) {
  a.number(m.position);
}

template <class A>
void fields(A&, typename A::template Ref<Done>) {}

template <class A>
void fields(A& a, typename A::template Ref<DomainListReply> m) {
  a.list(m.domains, kListEntriesMax, [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
  a.flag(m.more);
}

template <class A>
void fields(A& a, typename A::template Ref<UserEntry> m) {
  a.id(m.id);
  a.text(m.name, kNameOctetsMax);
  a.id(m.inbox);
  a.flag(m.has_password);
  a.list(m.aliases, kAliasesMax, [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
  a.list(m.send_as, kAliasesMax, [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
  fields(a, m.settings);
  a.number(m.used_octets);
  a.number(m.quota_octets);
}

template <class A>
void fields(A& a, typename A::template Ref<UserListReply> m) {
  a.list(m.users, kListEntriesMax,
         [](A& b, typename A::template Ref<UserEntry> user) { fields(b, user); });
  a.flag(m.more);
}

template <class A>
void fields(A& a, typename A::template Ref<QueueEntry> m) {
  a.text(m.id, kNameOctetsMax);
  a.id(m.body);
  a.text(m.reverse_path, kNameOctetsMax);
  a.list(m.recipients, kQueueRecipientsMax,
         [](A& b, StringRef<A> s) { b.text(s, kNameOctetsMax); });
  a.number(m.recipient_count);
  a.number(m.size_octets);
  a.number(m.arrival_unix_ms);
  a.number(m.next_attempt_unix_ms);
  a.number(m.attempts);
  a.cut(m.last_error, kTextOctetsMax);
}

template <class A>
void fields(A& a, typename A::template Ref<QueueListReply> m) {
  a.list(m.entries, kListEntriesMax,
         [](A& b, typename A::template Ref<QueueEntry> entry) { fields(b, entry); });
  a.number(m.total);
}

template <class A>
void fields(A& a, typename A::template Ref<Changed> m) {
  a.id(m.mailbox);
  a.number(m.modseq);
  a.number(m.position);
}

/// An error reply. Its text is for people, so a long one is cut and not refused.
template <class A>
void fields(A& a, typename A::template Ref<Error> m) {
  a.choice(m.code, ErrorCode::aborted);
  a.cut(m.message, kTextOctetsMax);
}

}  // namespace postern::store::rpc
