// STATUS (RFC 3501 6.3.10; SIZE: RFC 8438).
#include <array>
#include <utility>
#include <vector>

#include "sidecars/imap/commands/immediate.hpp"
#include "sidecars/imap/folder_argument.hpp"
#include "sidecars/imap/mailbox_name.hpp"
#include "sidecars/imap/response.hpp"

namespace postern::imap {
namespace {

struct StatusItem {
  std::string_view name;
  std::uint64_t (*value)(const store::MailboxHead& head);
};

constexpr std::array kItems = std::to_array<StatusItem>({
    {"MESSAGES",
     [](const store::MailboxHead& head) -> std::uint64_t { return head.message_count; }},
    {"RECENT", [](const store::MailboxHead&) -> std::uint64_t { return 0; }},
    {"UIDNEXT", [](const store::MailboxHead& head) -> std::uint64_t { return head.uid_next; }},
    {"UIDVALIDITY",
     [](const store::MailboxHead& head) -> std::uint64_t { return head.uid_validity; }},
    {"UNSEEN", [](const store::MailboxHead& head) -> std::uint64_t { return head.unseen_count; }},
    {"SIZE", [](const store::MailboxHead& head) -> std::uint64_t { return head.total_octets; }},
});

class Status final : public Command {
 public:
  Status(std::string name, std::vector<const StatusItem*> items)
      : lookup_(std::move(name)), items_(std::move(items)) {}

  Progress run(Context& context) override { return look(context, lookup_.begin(context)); }

  Progress on_reply(Context& context, sidecars::MailReply reply) override {
    if (auto* const folders = std::get_if<sidecars::FoldersReply>(&reply)) {
      return look(context, lookup_.on_reply(context, std::move(*folders)));
    }
    const auto& answer = std::get<sidecars::HeadReply>(reply);
    if (!answer.head) return context.store_failed(answer.head.error());
    std::string& out = context.out();
    out.append("* STATUS ");
    append_mailbox(out, to_wire_name(lookup_.name()));
    char before = '(';
    out.push_back(' ');
    for (const StatusItem* const item : items_) {
      out.push_back(before);
      out.append(item->name).push_back(' ');
      append_number(out, item->value(*answer.head));
      before = ' ';
    }
    out.append(")\r\n");
    return context.ok("STATUS completed");
  }

 private:
  Progress look(Context& context, Progress progress) {
    if (progress != Progress::done || !lookup_.id()) return progress;
    return context.ask(sidecars::HeadRequest{*lookup_.id()});
  }

  FolderLookup lookup_;
  std::vector<const StatusItem*> items_;
};

Result<std::vector<const StatusItem*>> parse_items(Arguments& arguments) {
  std::vector<const StatusItem*> items;
  if (!arguments.take('(')) {
    return fail(ErrorCode::invalid_argument, "A parenthesised list of status items was expected");
  }
  while (true) {
    const auto name = arguments.atom();
    if (!name) return std::unexpected(name.error());
    const StatusItem* found = nullptr;
    for (const StatusItem& item : kItems) {
      if (equals_ignoring_case(*name, item.name)) found = &item;
    }
    if (found == nullptr || items.size() > kItems.size()) {
      return fail(ErrorCode::invalid_argument, "A status item is unknown");
    }
    items.push_back(found);
    if (arguments.take(')')) return items;
    if (auto space = arguments.space(); !space) return std::unexpected(space.error());
  }
}

}  // namespace

Result<CommandPtr> parse_status(Context&, Arguments& arguments) {
  auto parsed = arguments.first_space();
  if (!parsed) return std::unexpected(parsed.error());
  auto name = parse_mailbox(arguments);
  if (!name) return std::unexpected(name.error());
  if (parsed = arguments.space(); !parsed) return std::unexpected(parsed.error());
  auto items = parse_items(arguments);
  if (!items) return std::unexpected(items.error());
  if (parsed = arguments.end(); !parsed) return std::unexpected(parsed.error());
  return std::make_unique<Status>(std::move(*name), std::move(*items));
}

}  // namespace postern::imap
