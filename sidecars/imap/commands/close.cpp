// CLOSE (RFC 3501 6.4.2) and UNSELECT (RFC 3691).
#include <algorithm>

#include "sidecars/imap/commands/immediate.hpp"

namespace postern::imap {
namespace {

bool may_hold_deleted(const SelectedMailbox& mailbox) {
  if (mailbox.dirty) return true;
  const auto deleted = [](const store::MessageEntry& entry) {
    return entry.flags.has(store::Flag::deleted);
  };
  return std::ranges::any_of(mailbox.latest->blocks(), [&](const auto& block) {
    return std::ranges::any_of(*block, deleted);
  });
}

/// Expunges silently, then leaves.
class Close final : public Command {
 public:
  Progress run(Context& context) override {
    const SelectedMailbox& mailbox = *context.selected;
    // A mutation costs a disk write; most mailboxes are closed with nothing deleted.
    if (mailbox.read_only || !may_hold_deleted(mailbox)) return leave(context);
    return context.ask(sidecars::MutateRequest{
        store::Expunge{.mailbox = mailbox.id, .uids = {{1, UINT32_MAX}}, .only_deleted = true}});
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    const auto& answer = std::get<sidecars::MutationDone>(reply);
    if (!answer.reply && answer.reply.error().code != ErrorCode::not_found) {
      return context.store_failed(answer.reply.error());
    }
    return leave(context);
  }

 private:
  static Progress leave(Context& context) {
    context.unselect();
    return context.ok("CLOSE completed");
  }
};

}  // namespace

Result<CommandPtr> parse_close(Context&, Arguments& arguments) {
  if (auto end = arguments.end(); !end) return std::unexpected(end.error());
  return std::make_unique<Close>();
}

Result<CommandPtr> parse_unselect(Context&, Arguments& arguments) {
  return without_arguments(arguments, [](Context& context) {
    context.unselect();
    return context.ok("UNSELECT completed");
  });
}

}  // namespace postern::imap
