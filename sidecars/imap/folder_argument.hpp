// A mailbox name argument, and finding the mailbox it names.
#pragma once

#include <string>

#include "runtime/result.hpp"
#include "sidecars/imap/arguments.hpp"
#include "sidecars/imap/context.hpp"

namespace postern::imap {

/// Reads a mailbox name and gives it in UTF-8. invalid_argument when it is no astring; a name that
/// cannot exist (bad UTF-7, too long, too deep: IMAP-16) is given as an empty string.
Result<std::string> parse_mailbox(Arguments& arguments);

/// Finds a mailbox's id by name, asking for the folder list unless it is INBOX.
class FolderLookup {
 public:
  explicit FolderLookup(std::string name) : name_(std::move(name)) {}

  /// Progress::reply: the list was asked for, give the answer to on_reply(). Progress::done: id()
  /// tells.
  Progress begin(Context& context);
  /// Progress::done; on failure the completion is set and id() is nullopt.
  Progress on_reply(Context& context, sidecars::FoldersReply reply);
  /// The mailbox; nullopt: not found, and the completion says so.
  const std::optional<store::MailboxId>& id() const noexcept { return id_; }
  /// The name as it was created.
  const std::string& name() const noexcept { return name_; }

 private:
  Progress not_found(Context& context);

  std::string name_;
  std::optional<store::MailboxId> id_;
};

}  // namespace postern::imap
