// SELECT and EXAMINE (RFC 3501 6.3.1, 6.3.2).
#include <utility>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/folder_argument.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

class Select final : public Command {
 public:
  Select(std::string name, bool read_only) : lookup_(std::move(name)), read_only_(read_only) {}

  Progress run(Context& context) override {
    // Even a SELECT that fails ends the selected state.
    context.unselect();
    return look(context, lookup_.begin(context));
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    if (auto* const folders = std::get_if<sidecars::FoldersReply>(&reply)) {
      return look(context, lookup_.on_reply(context, std::move(*folders)));
    }
    auto& answer = std::get<sidecars::SnapshotReply>(reply);
    if (!answer.snapshot) {
      context.watched.reset();
      return context.store_failed(answer.snapshot.error());
    }
    return select(context, std::move(*answer.snapshot));
  }

 private:
  Progress look(Context& context, Progress progress) {
    if (progress != Progress::done || !lookup_.id()) return progress;
    // Watched before it is read: no change falls between the two.
    context.watched = *lookup_.id();
    return context.ask(sidecars::SnapshotRequest{*lookup_.id()});
  }

  Progress select(Context& context, store::MailboxSnapshotPtr snapshot) {
    const store::MailboxHead& head = snapshot->head();
    std::string& out = context.out();
    append_flag_responses(out, head.keywords, context.modern(), read_only_);
    out.append("* ");
    append_number(out, snapshot->size());
    // \Recent is never set: which session saw a message first is not kept (IMAP4rev2 has dropped
    // it).
    out.append(" EXISTS\r\n* 0 RECENT\r\n");
    append_first_unseen(out, *snapshot);
    out.append("* OK [UIDVALIDITY ");
    append_number(out, head.uid_validity);
    out.append("] UIDs are valid\r\n* OK [UIDNEXT ");
    append_number(out, head.uid_next);
    out.append("] The next UID\r\n");
    context.state = kSelected;
    if (context.observer != nullptr) {
      context.observer->mailbox_selected(lookup_.name(), read_only_, snapshot->size());
    }
    context.selected = SelectedMailbox{
        .id = *lookup_.id(), .read_only = read_only_, .reported = snapshot, .latest = snapshot};
    return context.ok(read_only_ ? "[READ-ONLY] EXAMINE completed"
                                 : "[READ-WRITE] SELECT completed");
  }

  static void append_first_unseen(std::string& out, const store::MailboxSnapshot& snapshot) {
    if (snapshot.head().unseen_count == 0) return;
    std::size_t number = 1;
    for (const auto& block : snapshot.blocks()) {
      for (const store::MessageEntry& entry : *block) {
        if (!entry.flags.has(store::Flag::seen)) {
          out.append("* OK [UNSEEN ");
          append_number(out, number);
          out.append("] The first unseen message\r\n");
          return;
        }
        ++number;
      }
    }
  }

  FolderLookup lookup_;
  bool read_only_;
};

Result<CommandPtr> parse(Arguments& arguments, bool read_only) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  auto name = parse_mailbox(arguments);
  if (!name) return std::unexpected(name.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  return std::make_unique<Select>(std::move(*name), read_only);
}

}  // namespace

Result<CommandPtr> parse_select(Context&, Arguments& arguments) { return parse(arguments, false); }
Result<CommandPtr> parse_examine(Context&, Arguments& arguments) { return parse(arguments, true); }

}  // namespace postern::imap
