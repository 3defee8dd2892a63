// Certificates, choice by name, tickets: the server's side that all connections of a core share.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "runtime/assert.hpp"
#include "runtime/tls.hpp"
#include "runtime/tls_library.hpp"

namespace postern {

namespace {

// TLS 1.2 suites; TLS 1.3's are fixed by the library. Forward secrecy and AEAD only.
constexpr const char* kCipherSuites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// Where the parts of TicketKeys begin.
constexpr std::size_t kTicketNameOctets = 16;
constexpr std::size_t kTicketKeyOctets = 16;
constexpr std::size_t kTicketIvOctets = 16;

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* object) const { Free(object); }
};
using OwnedX509 = std::unique_ptr<X509, Freer<X509, X509_free>>;
using OwnedKey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;

struct BioFreer {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using OwnedBio = std::unique_ptr<BIO, BioFreer>;

OwnedBio reader_of(const std::string& text) {
  OwnedBio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  POSTERN_ASSERT(bio != nullptr);
  return bio;
}

/// A key with a password is refused: nobody is there to be asked.
int no_password(char*, int, int, void*) { return -1; }

/// All certificates of a PEM text; nothing if one of them, or what stands behind them, is broken.
std::vector<OwnedX509> certificates_in(const std::string& pem) {
  ERR_clear_error();
  std::vector<OwnedX509> all;
  const OwnedBio bio = reader_of(pem);
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    all.emplace_back(next);
  }
  const std::uint32_t end = ERR_peek_last_error();
  const bool clean = ERR_GET_LIB(end) == ERR_LIB_PEM && ERR_GET_REASON(end) == PEM_R_NO_START_LINE;
  if (!clean) return {};
  ERR_clear_error();
  return all;
}

/// The DNS names in a certificate; its common name if it has no alternative names (RFC 6125 6.4.4).
std::vector<std::string> names_in(X509* certificate) {
  std::vector<std::string> result;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (std::size_t i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    result.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                        static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
  }
  const bool has_alternatives = names != nullptr;
  GENERAL_NAMES_free(names);
  if (has_alternatives) return result;
  char common[256];
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                             common, sizeof common);
  if (size > 0) result.emplace_back(common, static_cast<std::size_t>(size));
  return result;
}

/// When a certificate expires; the end of time for a date that cannot be read.
std::int64_t expiry_of(X509* certificate) {
  int days = 0;
  int seconds = 0;
  ASN1_TIME* epoch = ASN1_TIME_set(nullptr, 0);
  POSTERN_ASSERT(epoch != nullptr);
  const bool read = ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(certificate)) == 1;
  ASN1_TIME_free(epoch);
  constexpr std::int64_t kDaySeconds = 86400;
  return read ? days * kDaySeconds + seconds : std::numeric_limits<std::int64_t>::max();
}

/// Whether a client with these signature algorithms can check a signature of a key of `type`.
bool can_verify(std::span<const std::uint16_t> algorithms, int type) {
  return std::ranges::any_of(algorithms, [type](std::uint16_t algorithm) {
    switch (algorithm) {
      case SSL_SIGN_ECDSA_SECP256R1_SHA256:
      case SSL_SIGN_ECDSA_SECP384R1_SHA384:
      case SSL_SIGN_ECDSA_SECP521R1_SHA512:
        return type == EVP_PKEY_EC;
      case SSL_SIGN_ED25519:
        return type == EVP_PKEY_ED25519;
      case SSL_SIGN_RSA_PKCS1_SHA256:
      case SSL_SIGN_RSA_PKCS1_SHA384:
      case SSL_SIGN_RSA_PKCS1_SHA512:
      case SSL_SIGN_RSA_PSS_RSAE_SHA256:
      case SSL_SIGN_RSA_PSS_RSAE_SHA384:
      case SSL_SIGN_RSA_PSS_RSAE_SHA512:
        return type == EVP_PKEY_RSA;
      default:
        return false;
    }
  });
}

}  // namespace

/// What BoringSSL calls back during a handshake. The pipe stands in the SSL's first slot.
struct TlsCallbacks {
  static TlsPipe& pipe(const SSL* ssl) { return *static_cast<TlsPipe*>(SSL_get_ex_data(ssl, 0)); }

  // Before a ticket is looked at and before anything is signed.
  static int choose_certificate(SSL* ssl, void*) {
    TlsPipe& self = pipe(ssl);
    const TlsContext& context = *self.context_;
    if (const std::size_t number = context.choose(ssl); number != 0) {
      SSL_set_SSL_CTX(ssl, context.certificates_[number].context);
      self.bind_tickets();
    }
    return 1;
  }

  // Says which keys: 1 those of now, 2 taken once more and replaced, 0 unknown, -1 failed.
  static int ticket_keys(SSL* ssl, std::uint8_t* name, std::uint8_t* iv, EVP_CIPHER_CTX* cipher,
                         HMAC_CTX* hmac, int encrypt) {
    const TicketKeyring& ring = pipe(ssl).context_->tickets_;
    const TicketKeys* keys = &ring.current;
    int answer = 1;
    if (encrypt != 0) {
      std::memcpy(name, keys->data(), kTicketNameOctets);
      RAND_bytes(iv, kTicketIvOctets);
    } else if (std::memcmp(name, keys->data(), kTicketNameOctets) != 0) {
      if (!ring.previous || std::memcmp(name, ring.previous->data(), kTicketNameOctets) != 0) {
        return 0;
      }
      keys = &*ring.previous;
      answer = 2;
    }
    const std::uint8_t* const hmac_key = keys->data() + kTicketNameOctets;
    const std::uint8_t* const aes_key = hmac_key + kTicketKeyOctets;
    const bool ready =
        HMAC_Init_ex(hmac, hmac_key, kTicketKeyOctets, EVP_sha256(), nullptr) == 1 &&
        (encrypt != 0 ? EVP_EncryptInit_ex(cipher, EVP_aes_128_cbc(), nullptr, aes_key, iv)
                      : EVP_DecryptInit_ex(cipher, EVP_aes_128_cbc(), nullptr, aes_key, iv)) == 1;
    return ready ? answer : -1;
  }
};

std::string tls_library_error() {
  std::string text;
  while (const std::uint32_t code = ERR_get_error()) {
    char buffer[160];
    ERR_error_string_n(code, buffer, sizeof buffer);
    if (!text.empty()) text += "; ";
    text += buffer;
  }
  return text.empty() ? "unknown TLS error" : text;
}

TicketKeys make_ticket_keys() {
  TicketKeys keys{};
  RAND_bytes(keys.data(), keys.size());
  return keys;
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(const TlsMaterial& material,
                                                     const TicketKeyring& tickets) {
  std::shared_ptr<TlsContext> made(new TlsContext);
  made->tickets_ = tickets;
  if (material.pairs.empty()) return fail(ErrorCode::invalid_argument, "no certificate is given");
  for (const TlsMaterial::Pair& pair : material.pairs) {
    if (auto added = made->add_certificate(pair, material); !added) {
      return std::unexpected(added.error());
    }
  }
  // On the first context alone: handshakes begin there.
  SSL_CTX* first = made->certificates_.front().context;
  SSL_CTX_set_cert_cb(first, TlsCallbacks::choose_certificate, nullptr);
  if (tickets.lifetime > Duration::zero()) {
    const auto lifetime = std::chrono::duration_cast<std::chrono::seconds>(tickets.lifetime);
    SSL_CTX_set_timeout(first, static_cast<std::uint32_t>(lifetime.count()));
    SSL_CTX_set_session_psk_dhe_timeout(first, static_cast<std::uint32_t>(lifetime.count()));
    SSL_CTX_set_tlsext_ticket_key_cb(first, TlsCallbacks::ticket_keys);
  } else {
    SSL_CTX_set_options(first, SSL_OP_NO_TICKET);
  }
  return made;
}

TlsContext::~TlsContext() {
  for (const Certificate& certificate : certificates_) SSL_CTX_free(certificate.context);
}

Result<void> TlsContext::add_certificate(const TlsMaterial::Pair& pair,
                                         const TlsMaterial& material) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  POSTERN_ASSERT(context != nullptr);
  certificates_.push_back({context, 0});
  std::vector<OwnedX509> chain = certificates_in(pair.certificate_pem);
  if (chain.empty() || SSL_CTX_use_certificate(context, chain.front().get()) != 1) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("cannot use the certificate file {}: {}", pair.files.certificate,
                            tls_library_error()));
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    POSTERN_ASSERT(SSL_CTX_add1_chain_cert(context, chain[i].get()) == 1);
  }
  const OwnedKey key(
      PEM_read_bio_PrivateKey(reader_of(pair.key_pem).get(), nullptr, no_password, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("cannot use the private key file {} with the certificate {}: {}",
                            pair.files.key, pair.files.certificate, tls_library_error()));
  }
  expires_unix_seconds_ = std::min(expires_unix_seconds_, expiry_of(chain.front().get()));
  certificates_.back().key_type = EVP_PKEY_id(key.get());
  SSL_CTX_set_min_proto_version(context, material.tls_1_3_only ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  POSTERN_ASSERT(SSL_CTX_set_strict_cipher_list(context, kCipherSuites) == 1);
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  add_names(pair.files.names.empty() ? names_in(chain.front().get()) : pair.files.names,
            certificates_.size() - 1);
  return set_authorities(context, material);
}

// Verification and the names of authorities that clients are shown.
Result<void> TlsContext::set_authorities(SSL_CTX* context, const TlsMaterial& material) {
  if (material.client_ca_pem.empty()) return {};
  const std::vector<OwnedX509> authorities = certificates_in(material.client_ca_pem);
  if (authorities.empty()) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("cannot use the client authorities' file {}: {}",
                            material.client_ca_file, tls_library_error()));
  }
  STACK_OF(X509_NAME)* names = sk_X509_NAME_new_null();
  POSTERN_ASSERT(names != nullptr);
  for (const OwnedX509& authority : authorities) {
    POSTERN_ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) == 1);
    X509_NAME* name = X509_NAME_dup(X509_get_subject_name(authority.get()));
    POSTERN_ASSERT(name != nullptr && sk_X509_NAME_push(names, name) != 0);
  }
  SSL_CTX_set_client_CA_list(context, names);
  // A session id context has 32 octets at most, one of which is the mode.
  std::uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const std::uint8_t*>(material.client_ca_pem.data()),
         material.client_ca_pem.size(), digest);
  authorities_digest_.assign(reinterpret_cast<const char*>(digest), sizeof digest / 2);
  return {};
}

void TlsContext::add_names(const std::vector<std::string>& names, std::size_t number) {
  for (const std::string& name : names) names_.add(name, number);
}

// The first certificate for the name that the client can check; the first for the name if it can
// check none of them; the first of all for a name that nobody has.
std::size_t TlsContext::choose(SSL* ssl) const {
  const char* host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (host == nullptr) return 0;
  const std::span<const std::size_t> candidates = names_.find(host);
  if (candidates.empty()) return 0;
  const std::uint16_t* algorithms = nullptr;
  const std::size_t count = SSL_get0_peer_verify_algorithms(ssl, &algorithms);
  for (const std::size_t number : candidates) {
    if (can_verify({algorithms, count}, certificates_[number].key_type)) return number;
  }
  return candidates.front();
}

}  // namespace postern
