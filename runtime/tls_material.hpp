// Certificates and keys as they stand in files: read by the main thread, turned into contexts by
// the cores.
#pragma once

#include <string>
#include <vector>

#include "runtime/result.hpp"

namespace postern {

/// Where a certificate and its key are, and what they are for.
struct TlsFilePair {
  std::string certificate;         ///< PEM: leaf first, then intermediates
  std::string key;                 ///< PEM
  std::vector<std::string> names;  ///< empty: those that stand in the certificate
};

/// What the configuration says about TLS. The first pair serves clients that ask for no name, or
/// for one that nobody has.
struct TlsFiles {
  std::vector<TlsFilePair> pairs;
  std::string client_ca;  ///< PEM; empty: none
  bool tls_1_3_only = false;
};

/// The same with the files' contents. A value: threads get copies or share a const one.
struct TlsMaterial {
  struct Pair {
    TlsFilePair files;
    std::string certificate_pem;
    std::string key_pem;
  };
  std::vector<Pair> pairs;
  std::string client_ca_file;
  std::string client_ca_pem;
  bool tls_1_3_only = false;
};

/// Reads one pair. Blocks. Errors: not_found, permission_denied, io; the message names the file.
Result<TlsMaterial::Pair> read_tls_pair(const TlsFilePair& files);
/// Reads everything; the first error.
Result<TlsMaterial> read_tls_files(const TlsFiles& files);
/// A whole PEM file, at most 1 MiB. Blocks.
Result<std::string> read_pem_file(const std::string& path, const char* what);

}  // namespace postern
