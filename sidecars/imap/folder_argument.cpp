#include "sidecars/imap/folder_argument.hpp"

#include <algorithm>
#include <utility>

#include "sidecars/imap/limits.hpp"
#include "sidecars/imap/mailbox_name.hpp"

namespace postern::imap {
namespace {

bool can_exist(std::string_view utf8) {
  const auto slashes = std::ranges::count(utf8, kHierarchyDelimiter);
  const auto characters = std::ranges::count_if(
      utf8, [](char octet) { return (static_cast<unsigned char>(octet) & 0xc0) != 0x80; });
  return static_cast<std::size_t>(slashes) < kMailboxLevelsMax &&
         static_cast<std::size_t>(characters) <= kMailboxNameCharactersMax;
}

}  // namespace

Result<std::string> parse_mailbox(Arguments& arguments) {
  const auto wire = arguments.astring();
  if (!wire) return fail(ErrorCode::invalid_argument, "A mailbox name was expected");
  auto name = from_wire_name(*wire);
  if (!name || !can_exist(*name)) return std::string();
  return std::move(*name);
}

Progress FolderLookup::begin(Context& context) {
  if (is_inbox(name_)) {
    name_ = "INBOX";
    id_ = context.inbox;
    return Progress::done;
  }
  if (name_.empty()) return not_found(context);
  return context.ask(sidecars::FoldersRequest{context.account});
}

Progress FolderLookup::on_reply(Context& context, sidecars::FoldersReply reply) {
  if (!reply.folders) return context.store_failed(reply.folders.error());
  const store::Folder* const folder = find_folder(*reply.folders, name_);
  if (folder == nullptr) return not_found(context);
  id_ = folder->id;
  name_ = folder->name;
  return Progress::done;
}

Progress FolderLookup::not_found(Context& context) {
  return context.no("NONEXISTENT", "There is no such mailbox");
}

}  // namespace postern::imap
