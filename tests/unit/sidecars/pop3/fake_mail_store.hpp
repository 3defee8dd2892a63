// A mail store in memory that answers a session's requests at once, and can be told to fail.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sidecars/common/mail_requests.hpp"
#include "store/mailbox_snapshot.hpp"

namespace postern::pop3::test {

class FakeMailStore {
 public:
  static constexpr store::MailboxId kInbox{7};

  /// Stores a message; uids are given out in ascending order, with gaps of `uid_gap`.
  store::Uid add(std::string body) {
    const store::Uid uid = next_uid_;
    next_uid_ += uid_gap;
    const store::BodyId id{next_body_++};
    entries.push_back({.uid = uid, .modseq = 1, .body = id, .size_octets = body.size()});
    bodies.emplace(id, std::move(body));
    return uid;
  }

  /// Removes a message as another session would. Its octets stay unless `with_body`.
  void expunge(store::Uid uid, bool with_body = false) {
    const auto at = std::find_if(entries.begin(), entries.end(),
                                 [uid](const auto& entry) { return entry.uid == uid; });
    if (at == entries.end()) return;
    if (with_body) bodies.erase(at->body);
    entries.erase(at);
  }

  store::MailboxSnapshotPtr snapshot() const {
    store::MailboxHead head{.id = kInbox, .uid_validity = 1, .uid_next = next_uid_};
    head.message_count = static_cast<std::uint32_t>(entries.size());
    return store::MailboxSnapshot::from_entries(head, entries);
  }

  sidecars::MailReply answer(const sidecars::MailRequest& request) {
    ++requests;
    return std::visit([this](const auto& r) { return sidecars::MailReply{reply_to(r)}; }, request);
  }

  std::vector<store::MessageEntry> entries;
  std::map<store::BodyId, std::string> bodies;
  std::map<std::string, std::string> passwords{{"anna@example.org", "s3cret pass"}};
  store::Uid uid_gap = 1;
  store::MailboxPolicy policy;  ///< of the account
  sidecars::PolicyReply::Policy strictest;

  // Failures to inject.
  bool logins_unavailable = false;
  std::uint32_t login_retry_after_s = 0;  ///< not zero: right logins come too soon
  bool policy_unavailable = false;
  std::optional<ErrorCode> snapshot_error;
  std::optional<ErrorCode> body_error;
  std::optional<ErrorCode> mutation_error;

  // What was asked.
  std::uint64_t requests = 0;
  std::uint64_t bodies_requests = 0;
  std::uint64_t snapshot_requests = 0;
  std::uint64_t largest_batch_octets = 0;
  std::vector<sidecars::LoginRequest> logins;
  std::vector<store::Expunge> expunges;

 private:
  sidecars::LoginReply reply_to(const sidecars::LoginRequest& request) {
    logins.push_back(request);
    using Outcome = sidecars::LoginReply::Outcome;
    if (logins_unavailable) return {.outcome = Outcome::unavailable};
    const auto found = passwords.find(request.user);
    if (found == passwords.end() || found->second != request.password)
      return {.outcome = Outcome::bad_credentials};
    if (login_retry_after_s != 0)
      return {.outcome = Outcome::too_soon, .retry_after_s = login_retry_after_s};
    return {.outcome = Outcome::ok,
            .account = store::AccountId{3},
            .name = request.user,
            .inbox = kInbox,
            .policy = policy};
  }
  sidecars::FoldersReply reply_to(const sidecars::FoldersRequest&) {
    return {fail(ErrorCode::unsupported, "not asked by POP3")};
  }
  sidecars::SnapshotReply reply_to(const sidecars::SnapshotRequest&) {
    ++snapshot_requests;
    if (snapshot_error) return {fail(*snapshot_error, "injected")};
    return {snapshot()};
  }
  sidecars::PolicyReply reply_to(const sidecars::PolicyRequest&) {
    if (policy_unavailable) return {fail(ErrorCode::unavailable, "injected")};
    return {strictest};
  }
  sidecars::HeadReply reply_to(const sidecars::HeadRequest&) {
    return {fail(ErrorCode::unsupported, "not asked by POP3")};
  }
  sidecars::BodiesReply reply_to(const sidecars::BodiesRequest& request) {
    ++bodies_requests;
    sidecars::BodiesReply reply;
    std::uint64_t octets = 0;
    for (const auto& range : request.ranges) {
      octets += range.length;
      const auto found = bodies.find(range.body);
      if (body_error)
        reply.parts.push_back(fail(*body_error, "injected"));
      else if (found == bodies.end() || range.offset > found->second.size())
        reply.parts.push_back(fail(ErrorCode::not_found, "no such body"));
      else
        reply.parts.push_back(found->second.substr(range.offset, range.length));
    }
    largest_batch_octets = std::max(largest_batch_octets, octets);
    return reply;
  }
  sidecars::MutationDone reply_to(const sidecars::MutateRequest& request) {
    const auto& expunge_change = std::get<store::Expunge>(request.body);
    expunges.push_back(expunge_change);
    if (mutation_error) return {fail(*mutation_error, "injected")};
    store::MutationReply done;
    for (const auto& range : expunge_change.uids) {
      for (std::uint64_t uid = range.first; uid <= range.last; ++uid) {
        const std::size_t before = entries.size();
        expunge(static_cast<store::Uid>(uid), true);
        done.changed_count += before != entries.size() ? 1 : 0;
      }
    }
    return {done};
  }

  store::Uid next_uid_ = 1;
  std::uint64_t next_body_ = 100;
};

}  // namespace postern::pop3::test
