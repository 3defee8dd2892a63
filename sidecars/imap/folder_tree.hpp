// An account's folders as LIST and LSUB show them: sorted, with the superiors that exist only as
// names, and knowing who has children.
#pragma once

#include <string>
#include <vector>

#include "store/types.hpp"

namespace postern::imap {

/// A name in the hierarchy.
struct FolderNode {
  std::string name;     ///< UTF-8
  bool exists = false;  ///< false: only a superior of something (\Noselect)
  bool has_children = false;
};

/// All names, a folder directly before its inferiors, INBOX first. `subscribed_only` leaves out
/// folders that are not subscribed, as if they were not there.
std::vector<FolderNode> folder_tree(const std::vector<store::Folder>& folders,
                                    bool subscribed_only);

}  // namespace postern::imap
