// Who gets a message back from the store: what SpoolRequest::owner points to in this process.
#pragma once

#include "store/spool.hpp"

namespace postern::gateway {

class SpoolOwner {
 public:
  /// A submitted message has come back from the store. Core thread.
  virtual void on_spool_completion(store::SpoolRequest* request) = 0;

 protected:
  ~SpoolOwner() = default;
};

}  // namespace postern::gateway
