// Owns the connections of one core.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace postern {

/// Keeps connections alive until they are closed. One thread. T is a Connection.
template <class T>
class ConnectionSet {
 public:
  T& add(std::unique_ptr<T> connection) {
    T* key = connection.get();
    connections_.emplace(key, std::move(connection));
    return *key;
  }
  /// Destroys `connection`. For Connection::on_closed().
  void remove(T* connection) { connections_.erase(connection); }
  std::size_t size() const noexcept { return connections_.size(); }
  bool empty() const noexcept { return connections_.empty(); }

  /// Calls `visit` for each; it may close connections, these or others.
  template <class Visit>
  void for_each(Visit visit) {
    std::vector<T*> snapshot;
    snapshot.reserve(connections_.size());
    for (auto& [key, connection] : connections_) snapshot.push_back(key);
    for (T* connection : snapshot) {
      if (connections_.contains(connection)) visit(*connection);
    }
  }

 private:
  std::unordered_map<T*, std::unique_ptr<T>> connections_;
};

}  // namespace postern
