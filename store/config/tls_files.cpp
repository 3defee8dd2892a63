#include "store/config/tls_files.hpp"

namespace postern::config {

TlsFiles tls_files(const TlsSettings& settings) {
  TlsFiles files;
  files.client_ca = settings.client_ca;
  files.tls_1_3_only = settings.version_min == TlsVersion::v1_3;
  if (settings.certificate.empty()) return files;
  files.pairs.push_back({settings.certificate, settings.key, {}});
  for (const CertificateSettings& row : settings.certificates) {
    files.pairs.push_back({row.certificate, row.key, row.names});
  }
  return files;
}

ClientCertificateMode client_certificate_mode(ClientCertificates setting) {
  switch (setting) {
    case ClientCertificates::none:
      break;
    case ClientCertificates::request:
      return ClientCertificateMode::request;
    case ClientCertificates::require:
      return ClientCertificateMode::require;
  }
  return ClientCertificateMode::none;
}

}  // namespace postern::config
