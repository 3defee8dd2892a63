#include "sidecars/common/shared_view.hpp"

namespace postern::sidecars {

Result<void> SharedView::follow(const std::string& store_path, std::uint64_t gateway_epoch) {
  const std::lock_guard lock(mutex_);
  auto view = view_.load();
  if (view && gateway_epoch == epoch_) return {};
  if (view) {
    if (auto reopened = view->reopen(); !reopened) return reopened;
  } else {
    auto opened =
        store::ReaderView::open({.store_path = store_path, .scratch_path = scratch_path_});
    if (!opened) return std::unexpected(opened.error());
    view_.store(std::shared_ptr<store::ReaderView>(std::move(*opened)));
  }
  epoch_ = gateway_epoch;
  return {};
}

}  // namespace postern::sidecars
