#include "store/row_filter.hpp"

#include <string>
#include <string_view>

#include "store/database.hpp"
#include "store/schema.hpp"

namespace postern::store {

namespace {

/// What all versions of the row with this key start with; empty for rows without versions.
std::string_view version_group(std::string_view key) {
  if (key.empty()) return {};
  switch (static_cast<schema::RowKind>(key[0])) {
    case schema::RowKind::message:
      return key.substr(0, std::tuple_size_v<decltype(schema::UidPrefix::octets)>);
    case schema::RowKind::head:
      return key.substr(0, std::tuple_size_v<decltype(schema::OwnerPrefix::octets)>);
    case schema::RowKind::folder:
      return key.substr(0, 17);  // kind, account, mailbox
    case schema::RowKind::clock:
      return key.substr(0, 1);
    case schema::RowKind::change:
      return {};
  }
  return {};
}

/// Keys come in order, newest version first: whatever follows in the same group is superseded. One
/// compaction's thread only.
class RowFilter final : public rocksdb::CompactionFilter {
 public:
  explicit RowFilter(ViewHorizon& horizon) : horizon_(horizon) {}
  ~RowFilter() override { horizon_.count_dropped(dropped_); }
  const char* Name() const override { return "SupersededRows"; }

  bool Filter(int, const rocksdb::Slice& key, const rocksdb::Slice&, std::string*,
              bool*) const override {
    const std::string_view group = version_group(to_view(key));
    if (group.empty()) return false;
    if (group == last_) {
      ++dropped_;
      return true;
    }
    last_.assign(group);
    return false;
  }

 private:
  ViewHorizon& horizon_;
  mutable std::string last_;
  mutable std::uint64_t dropped_ = 0;
};

class RowFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit RowFilterFactory(ViewHorizon& horizon) : horizon_(horizon) {}
  const char* Name() const override { return "SupersededRows"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context&) override {
    if (!horizon_.covers_table_files()) return nullptr;
    return std::make_unique<RowFilter>(horizon_);
  }

 private:
  ViewHorizon& horizon_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> make_row_filter_factory(ViewHorizon& horizon) {
  return std::make_shared<RowFilterFactory>(horizon);
}

}  // namespace postern::store
