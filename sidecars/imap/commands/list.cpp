// LIST and LSUB (RFC 3501 6.3.8, 6.3.9; CHILDREN: RFC 3348).
#include <utility>
#include <vector>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/folder_tree.hpp"
#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/list_pattern.hpp"
#include "sidecars/imap/mailbox_name.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

class List final : public Command {
 public:
  List(ListPattern pattern, bool subscribed_only)
      : pattern_(std::move(pattern)), subscribed_only_(subscribed_only) {}

  Progress run(Context& context) override {
    if (!asked_) {
      asked_ = true;
      return context.ask(sidecars::FoldersRequest{context.account});
    }
    for (; next_ < nodes_.size(); ++next_) {
      if (context.full()) return Progress::room;
      const FolderNode& node = nodes_[next_];
      // RFC 3501 6.3.9: a superior that is not subscribed itself is named only where "%" asks for
      // levels.
      const bool hidden = subscribed_only_ && !node.exists && !pattern_.has_percent();
      if (!hidden && pattern_.matches(node.name)) append(context.out(), node);
    }
    return context.ok(subscribed_only_ ? "LSUB completed" : "LIST completed");
  }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    auto& answer = std::get<sidecars::FoldersReply>(reply);
    if (!answer.folders) return context.store_failed(answer.folders.error());
    nodes_ = folder_tree(*answer.folders, subscribed_only_);
    return run(context);
  }

 private:
  void append(std::string& out, const FolderNode& node) const {
    out.append(subscribed_only_ ? "* LSUB (" : "* LIST (");
    if (!node.exists) out.append("\\Noselect ");
    out.append(node.has_children ? "\\HasChildren" : "\\HasNoChildren");
    out.append(") \"/\" ");
    append_mailbox(out, to_wire_name(node.name));
    out.append("\r\n");
  }

  ListPattern pattern_;
  bool subscribed_only_;
  bool asked_ = false;
  std::vector<FolderNode> nodes_;
  std::size_t next_ = 0;
};

Result<CommandPtr> parse(Arguments& arguments, bool subscribed_only) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  auto reference = arguments.astring();
  if (!reference) return std::unexpected(reference.error());
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  auto pattern = arguments.astring();
  if (!pattern) return std::unexpected(pattern.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  if (reference->size() + pattern->size() > kListPatternOctetsMax) {
    return fail(ErrorCode::invalid_argument, "The mailbox pattern is too long");
  }
  const auto nothing = [subscribed_only](Context& context) {
    return context.ok(subscribed_only ? "LSUB completed" : "LIST completed");
  };
  if (pattern->empty() && !subscribed_only) {
    return make_immediate([nothing](Context& context) {
      context.untagged("LIST (\\Noselect) \"/\" \"\"");
      return nothing(context);
    });
  }
  // IMAP-29: a reference that is no level of the hierarchy finds nothing.
  if (!reference->empty() && reference->back() != kHierarchyDelimiter) {
    return make_immediate(nothing);
  }
  auto compiled = ListPattern::compile(*reference + *pattern);
  if (!compiled) return make_immediate(nothing);
  return std::make_unique<List>(std::move(*compiled), subscribed_only);
}

}  // namespace

Result<CommandPtr> parse_list(Context&, Arguments& arguments) { return parse(arguments, false); }
Result<CommandPtr> parse_lsub(Context&, Arguments& arguments) { return parse(arguments, true); }

}  // namespace postern::imap
