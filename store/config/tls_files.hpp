// [tls] as the TLS layer takes it.
#pragma once

#include "runtime/tls.hpp"
#include "store/config/settings.hpp"

namespace postern::config {

/// Without pairs when no certificate is configured.
TlsFiles tls_files(const TlsSettings& settings);
ClientCertificateMode client_certificate_mode(ClientCertificates setting);

}  // namespace postern::config
