// A certificate authority and a server certificate for trying things out. Not for production:
// there, the certificate comes from an authority that mail clients know.
#pragma once

#include <string>
#include <vector>

#include "runtime/result.hpp"

namespace postern::cli::up {

/// Where the PEM files are.
struct CertificateFiles {
  std::string authority;    ///< what clients are told to trust
  std::string certificate;  ///< the server's
  std::string key;          ///< mode 0600
};

/// What the certificate must be valid for.
struct CertificateNames {
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;  ///< numeric
};

/// Makes authority and certificate if they are missing, do not belong together, do not cover
/// `names` or end within a month. The authority's key is never stored: it signs this one
/// certificate. true: they are new.
Result<bool> ensure_certificate(const CertificateFiles& files, const CertificateNames& names);

}  // namespace postern::cli::up
