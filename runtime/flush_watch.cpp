#include "runtime/flush_watch.hpp"

#include <algorithm>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

namespace postern {

namespace {

std::uint64_t acknowledged_octets(int fd) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_acked;
}

}  // namespace

MonoTime FlushWatch::begin(const FlushLimits& limits, MonoTime now) noexcept {
  end_ = now + limits.total_max;
  return std::min(now + limits.look_interval, end_);
}

std::optional<MonoTime> FlushWatch::look(int fd, const FlushLimits& limits, MonoTime now) noexcept {
  const std::uint64_t acknowledged = acknowledged_octets(fd);
  const auto before = std::exchange(acknowledged_octets_, acknowledged);
  if (now >= end_ || before == acknowledged) return std::nullopt;
  return std::min(now + limits.look_interval, end_);
}

}  // namespace postern
