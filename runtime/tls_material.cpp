#include "runtime/tls_material.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "runtime/unique_fd.hpp"

namespace postern {

namespace {

// A bundle of all public authorities is a quarter of this: a wrong path is noticed here.
constexpr std::size_t kPemOctetsMax = 1u << 20;

ErrorCode code_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return ErrorCode::not_found;
  if (error == EACCES || error == EPERM) return ErrorCode::permission_denied;
  return ErrorCode::io;
}

}  // namespace

Result<std::string> read_pem_file(const std::string& path, const char* what) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto failed = [&](int error) {
    return fail(code_of(error),
                fmt::format("cannot use the {} file {}: {}", what, path, std::strerror(error)));
  };
  if (!fd) return failed(errno);
  std::string text;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(errno);
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > kPemOctetsMax) return failed(EFBIG);
  }
}

Result<TlsMaterial::Pair> read_tls_pair(const TlsFilePair& files) {
  auto certificate = read_pem_file(files.certificate, "certificate");
  if (!certificate) return std::unexpected(certificate.error());
  auto key = read_pem_file(files.key, "private key");
  if (!key) return std::unexpected(key.error());
  return TlsMaterial::Pair{files, std::move(*certificate), std::move(*key)};
}

Result<TlsMaterial> read_tls_files(const TlsFiles& files) {
  TlsMaterial material;
  material.tls_1_3_only = files.tls_1_3_only;
  for (const TlsFilePair& pair : files.pairs) {
    auto read = read_tls_pair(pair);
    if (!read) return std::unexpected(read.error());
    material.pairs.push_back(std::move(*read));
  }
  if (!files.client_ca.empty()) {
    auto read = read_pem_file(files.client_ca, "client authorities'");
    if (!read) return std::unexpected(read.error());
    material.client_ca_file = files.client_ca;
    material.client_ca_pem = std::move(*read);
  }
  return material;
}

}  // namespace postern
