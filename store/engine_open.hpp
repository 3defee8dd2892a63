// How an Engine is put together; tests open one on a file system of their own. Not for the gateway.
#pragma once

#include <memory>

#include "store/engine.hpp"

namespace rocksdb {
class Env;
}

namespace postern::store {

/// The one who may make an Engine.
class EngineAccess {
 public:
  static std::unique_ptr<Engine> make(std::unique_ptr<EngineState> state);
};

/// Engine::open() with a RocksDB environment; nullptr: the default one. `env` must outlive the
/// engine.
Result<std::unique_ptr<Engine>> open_engine(EngineOptions options, CompletionSink& sink,
                                            rocksdb::Env* env);

}  // namespace postern::store
