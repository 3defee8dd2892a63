#include "deploy/cli/up/ports.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/unique_fd.hpp"

namespace postern::cli::up {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct Listening {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port = 0;

  Listening() {
    const int on = 1;  // as the gateway does: it must count as taken all the same
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }
};

config::Settings listening_on(const std::string& address) {
  config::Settings s;
  s.pop3.listeners.resize(1);
  s.pop3.listeners[0].name = "pop3";
  s.pop3.listeners[0].addresses = {address};
  return s;
}

TEST(Ports, ATakenPortIsNamedWithItsOwner) {
  const Listening other;
  const std::string address = fmt::format("127.0.0.1:{}", other.port);
  EXPECT_THAT(
      unavailable_addresses(listening_on(address)),
      ElementsAre(HasSubstr(address + " (POP3 listener pop3) is taken by unit_cli (process " +
                            std::to_string(::getpid()) + ")")));
}

TEST(Ports, AFreePortIsFine) {
  std::string address;
  {
    const Listening gone;
    address = fmt::format("127.0.0.1:{}", gone.port);
  }
  EXPECT_THAT(unavailable_addresses(listening_on(address)), IsEmpty());
}

TEST(Ports, AForeignAddressIsNamed) {
  EXPECT_THAT(unavailable_addresses(listening_on("192.0.2.1:2110")),
              ElementsAre(HasSubstr("is not an address of this machine")));
}

TEST(Ports, NobodyOwnsAFreePort) {
  std::uint16_t port = 0;
  {
    const Listening gone;
    port = gone.port;
  }
  EXPECT_EQ(port_owner(port), "");
}

}  // namespace
}  // namespace postern::cli::up
