// EXPUNGE (RFC 3501 6.4.3) and UID EXPUNGE (RFC 4315 2.1). The EXPUNGE and EXISTS responses come
// from the refresh at the command's end (IMAP-42).
#include <utility>
#include <vector>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/sequence_set.hpp"

namespace postern::imap {
namespace {

class ExpungeCommand final : public Command {
 public:
  explicit ExpungeCommand(std::vector<store::UidRange> uids) : uids_(std::move(uids)) {}

  Progress run(Context& context) override {
    if (context.selected->read_only) return context.no("READ-ONLY", "The mailbox is read-only");
    if (uids_.empty()) return done(context);
    return context.ask(sidecars::MutateRequest{store::Expunge{
        .mailbox = context.selected->id, .uids = std::move(uids_), .only_deleted = true}});
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    const auto& answer = std::get<sidecars::MutationDone>(reply);
    context.sync.refresh = true;
    if (!answer.reply) return context.store_failed(answer.reply.error());
    return done(context);
  }

 private:
  static Progress done(Context& context) { return context.ok("EXPUNGE completed"); }

  std::vector<store::UidRange> uids_;
};

}  // namespace

Result<CommandPtr> parse_expunge(Context&, Arguments& arguments) {
  if (auto end = arguments.end(); !end) return std::unexpected(end.error());
  return std::make_unique<ExpungeCommand>(std::vector<store::UidRange>{{1, UINT32_MAX}});
}

Result<CommandPtr> parse_uid_expunge(Context& context, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  const auto set = parse_sequence_set(arguments);
  if (!set) return std::unexpected(set.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  const store::MailboxSnapshot& known = *context.selected->reported;
  return std::make_unique<ExpungeCommand>(uid_ranges(resolve_uids(*set, known), known));
}

}  // namespace postern::imap
