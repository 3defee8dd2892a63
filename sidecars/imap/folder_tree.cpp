#include "sidecars/imap/folder_tree.hpp"

#include <algorithm>
#include <map>
#include <string_view>

#include "sidecars/imap/mailbox_name.hpp"

namespace postern::imap {
namespace {

/// Sorts a folder directly before its inferiors: the delimiter becomes the lowest octet, INBOX the
/// lowest name.
std::string sort_key(std::string_view name) {
  std::string key = fold_name(name);
  std::ranges::replace(key, kHierarchyDelimiter, '\1');
  if (key == "inbox" || key.starts_with("inbox\1")) key.insert(key.begin(), '\1');
  return key;
}

}  // namespace

std::vector<FolderNode> folder_tree(const std::vector<store::Folder>& folders,
                                    bool subscribed_only) {
  std::map<std::string, FolderNode> nodes;
  for (const store::Folder& folder : folders) {
    if (subscribed_only && !folder.subscribed) continue;
    FolderNode& node = nodes[sort_key(folder.name)];
    node.name = folder.name;
    node.exists = true;
    std::string_view superior = folder.name;
    for (std::size_t slash = superior.rfind(kHierarchyDelimiter);
         slash != std::string_view::npos && slash > 0;
         slash = superior.rfind(kHierarchyDelimiter)) {
      superior = superior.substr(0, slash);
      FolderNode& above = nodes[sort_key(superior)];
      if (above.name.empty()) above.name = superior;
      if (above.has_children) break;  // and so have all above it
      above.has_children = true;
    }
  }
  std::vector<FolderNode> sorted;
  sorted.reserve(nodes.size());
  for (auto& [key, node] : nodes) sorted.push_back(std::move(node));
  return sorted;
}

}  // namespace postern::imap
