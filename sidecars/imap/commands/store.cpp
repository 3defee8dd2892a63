// STORE and UID STORE (RFC 3501 6.4.6). Its FETCH responses come from the refresh at the command's
// end.
#include <utility>
#include <vector>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/flags.hpp"
#include "sidecars/imap/sequence_set.hpp"

namespace postern::imap {
namespace {

class Store final : public Command {
 public:
  Store(store::StoreFlags change, bool silent) : change_(std::move(change)), silent_(silent) {}

  Progress run(Context& context) override {
    const SelectedMailbox& mailbox = *context.selected;
    if (mailbox.read_only) return context.no("READ-ONLY", "The mailbox is read-only");
    if (!context.modern() && names_unknown_keyword()) {
      return context.no("CANNOT", "Keywords other than $MDNSent are not supported");
    }
    // More than any mailbox has room for. Nobody asks for so many to be taken away, either.
    if (change_.keywords.size() > store::kKeywordsPerMailboxMax) {
      return context.no("LIMIT", "There are more keywords than a mailbox can have");
    }
    if (change_.uids.empty()) return done(context);
    return context.ask(sidecars::MutateRequest{change_});
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    const auto& answer = std::get<sidecars::MutationDone>(reply);
    context.sync.refresh = true;
    if (!answer.reply) return context.store_failed(answer.reply.error());
    if (silent_) {
      context.sync.told = std::move(change_);
    } else {
      context.sync.report = std::move(change_.uids);
    }
    return done(context);
  }

 private:
  static Progress done(Context& context) { return context.ok("STORE completed"); }
  /// IMAP-10: the exchange behaviour knows $MDNSent alone.
  bool names_unknown_keyword() const {
    for (const std::string& keyword : change_.keywords) {
      if (!equals_ignoring_case(keyword, "$MDNSent")) return true;
    }
    return false;
  }

  store::StoreFlags change_;
  bool silent_;
};

Result<CommandPtr> parse(Context& context, Arguments& arguments, bool by_uid) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  const auto set = parse_sequence_set(arguments);
  if (!set) return std::unexpected(set.error());
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  store::StoreFlags change;
  change.mode = store::StoreFlags::Mode::replace;
  if (arguments.take('+')) {
    change.mode = store::StoreFlags::Mode::add;
  } else if (arguments.take('-')) {
    change.mode = store::StoreFlags::Mode::remove;
  }
  if (!arguments.take_word("FLAGS")) {
    return fail(ErrorCode::invalid_argument, "FLAGS, +FLAGS or -FLAGS was expected");
  }
  const bool silent = arguments.take_word(".SILENT");
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  auto flags = parse_flag_list(arguments);
  if (!flags) return std::unexpected(flags.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());

  const store::MailboxSnapshot& known = *context.selected->reported;
  auto indices =
      by_uid ? Result<IndexSet>(resolve_uids(*set, known)) : resolve_sequences(*set, known);
  if (!indices) return std::unexpected(indices.error());
  change.mailbox = context.selected->id;
  change.uids = uid_ranges(*indices, known);
  change.system_flags = flags->system;
  change.keywords = std::move(flags->keywords);
  return std::make_unique<Store>(std::move(change), silent);
}

}  // namespace

Result<CommandPtr> parse_store(Context& context, Arguments& arguments) {
  return parse(context, arguments, false);
}
Result<CommandPtr> parse_uid_store(Context& context, Arguments& arguments) {
  return parse(context, arguments, true);
}

}  // namespace postern::imap
