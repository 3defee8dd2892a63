#include "store/write_gate.hpp"

#include <chrono>

namespace postern::store {

rocksdb::Status WriteGate::write(rocksdb::WriteBatch& batch, bool sync) {
  if (!stopped_.ok()) return stopped_;
  if (health_.failed()) return rocksdb::Status::Aborted("the store has failed", health_.why());
  rocksdb::WriteOptions options;
  options.sync = sync;
  // A stalled database must cost the client a quick 452 and not a hanging connection.
  options.no_slowdown = true;
  return judge(db_.Write(options, &batch));
}

rocksdb::Status WriteGate::sync() {
  if (!stopped_.ok()) return stopped_;
  if (health_.failed()) return rocksdb::Status::Aborted("the store has failed", health_.why());
  return judge(db_.SyncWAL());
}

rocksdb::Status WriteGate::judge(const rocksdb::Status& status) {
  if (status.IsNoSpace()) {
    stopped_ = status;
  } else if (!status.ok() && !status.IsIncomplete()) {
    health_.set_failed(status.ToString());
  }
  return status;
}

bool WriteGate::try_resume(MonoTime now) {
  if (stopped_.ok()) return true;
  if (now < next_try_ || health_.disk_low()) return false;
  next_try_ = now + std::chrono::seconds(1);
  const rocksdb::Status status = db_.Resume();
  if (status.ok()) {
    stopped_ = status;
  } else if (!status.IsNoSpace() && !status.IsBusy()) {
    health_.set_failed(status.ToString());
  }
  return stopped_.ok();
}

}  // namespace postern::store
