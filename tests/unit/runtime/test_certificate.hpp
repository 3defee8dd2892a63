// Throw-away certificates and a TLS client over memory, for tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string>
#include <unistd.h>

#include "runtime/tls.hpp"

namespace postern::test {

/// A certificate with its key, self-signed or signed by another.
class Identity {
 public:
  struct Options {
    std::string common_name = "localhost";
    std::string alternative_names;  ///< "DNS:a.example.org,email:joe@example.org"; empty: none
    bool rsa = false;
    bool authority = false;
    const Identity* issuer = nullptr;  ///< null: itself
  };

  Identity() : Identity(Options{}) {}
  explicit Identity(const Options& options) : key_(make_key(options.rsa)), x509_(X509_new()) {
    static long serial = 0;
    X509_set_version(x509_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509_), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x509_), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509_), 3600);
    X509_set_pubkey(x509_, key_);
    X509_NAME* name = X509_get_subject_name(x509_);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(options.common_name.c_str()),
                               -1, -1, 0);
    const Identity& issuer = options.issuer != nullptr ? *options.issuer : *this;
    X509_set_issuer_name(x509_, X509_get_subject_name(issuer.x509_));
    if (!options.alternative_names.empty()) {
      extend(NID_subject_alt_name, options.alternative_names, issuer);
    }
    if (options.authority) extend(NID_basic_constraints, "critical,CA:TRUE", issuer);
    X509_sign(x509_, issuer.key_, EVP_sha256());
  }
  ~Identity() {
    X509_free(x509_);
    EVP_PKEY_free(key_);
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  std::string certificate_pem() const {
    return text_of([this](BIO* bio) { PEM_write_bio_X509(bio, x509_); });
  }
  std::string key_pem() const {
    return text_of([this](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  /// The server's material, with this as its only certificate.
  TlsMaterial::Pair pair(std::vector<std::string> names = {}) const {
    return {{"cert.pem", "key.pem", std::move(names)}, certificate_pem(), key_pem()};
  }
  X509* x509() const { return x509_; }
  EVP_PKEY* key() const { return key_; }

 private:
  static EVP_PKEY* make_key(bool rsa) {
    EVP_PKEY* key = EVP_PKEY_new();
    if (rsa) {
      RSA* pair = RSA_new();
      BIGNUM* exponent = BN_new();
      BN_set_word(exponent, RSA_F4);
      RSA_generate_key_ex(pair, 2048, exponent, nullptr);
      BN_free(exponent);
      EVP_PKEY_assign_RSA(key, pair);
    } else {
      EC_KEY* ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
      EC_KEY_generate_key(ec);
      EVP_PKEY_assign_EC_KEY(key, ec);
    }
    return key;
  }
  void extend(int nid, const std::string& value, const Identity& issuer) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer.x509_, x509_, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str());
    if (extension == nullptr) std::abort();
    X509_add_ext(x509_, extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <class Fill>
  static std::string text_of(Fill fill) {
    BIO* bio = BIO_new(BIO_s_mem());
    fill(bio);
    const std::uint8_t* octets = nullptr;
    std::size_t size = 0;
    BIO_mem_contents(bio, &octets, &size);
    std::string text(reinterpret_cast<const char*>(octets), size);
    BIO_free(bio);
    return text;
  }

  EVP_PKEY* key_;
  X509* x509_;
};

/// Self-signed for "localhost".
using Certificate = Identity;

/// A context with one certificate, as a connection takes it.
inline TlsSlot slot_of(const Identity& identity) {
  TlsMaterial material;
  material.pairs = {identity.pair()};
  auto context = TlsContext::make(material, TicketKeyring::make(std::chrono::hours(1)));
  if (!context) std::abort();
  return {*context};
}

/// The client side, octets in and out.
class TlsClient {
 public:
  explicit TlsClient(const Identity&) : TlsClient() {}
  TlsClient() : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context_, [](SSL* ssl, SSL_SESSION* session) {
      auto* self = static_cast<TlsClient*>(SSL_get_ex_data(ssl, 0));
      self->session_.reset(session, SSL_SESSION_free);
      return 1;
    });
    ssl_ = SSL_new(context_);
    SSL_set_ex_data(ssl_, 0, this);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// Takes ciphertext, goes as far as it can, gives ciphertext to send.
  std::string step(const std::string& ciphertext) {
    BIO_write(in_, ciphertext.data(), static_cast<int>(ciphertext.size()));
    if (!connected_) connected_ = SSL_do_handshake(ssl_) == 1;
    if (connected_) {
      char buffer[4096];
      for (int got = 0; (got = SSL_read(ssl_, buffer, sizeof buffer)) > 0;) {
        clear_.append(buffer, static_cast<std::size_t>(got));
      }
    }
    std::string out;
    char buffer[4096];
    for (int got = 0; (got = BIO_read(out_, buffer, sizeof buffer)) > 0;) {
      out.append(buffer, static_cast<std::size_t>(got));
    }
    return out;
  }
  void write(const std::string& text) {
    SSL_write(ssl_, text.data(), static_cast<int>(text.size()));
  }
  bool connected() const { return connected_; }
  const std::string& clear() const { return clear_; }

  /// The library's object, to set what a test wants before the first step().
  SSL* ssl() const { return ssl_; }
  void show(const Identity& identity) {
    SSL_use_certificate(ssl_, identity.x509());
    SSL_use_PrivateKey(ssl_, identity.key());
  }
  /// The last ticket, for another client's resume().
  std::shared_ptr<SSL_SESSION> session() const { return session_; }
  void resume(const std::shared_ptr<SSL_SESSION>& session) { SSL_set_session(ssl_, session.get()); }
  bool resumed() const { return SSL_session_reused(ssl_) == 1; }
  /// The common name of the server's certificate.
  std::string server_common_name() const {
    X509* certificate = SSL_get_peer_certificate(ssl_);
    if (certificate == nullptr) return {};
    char text[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                              sizeof text);
    X509_free(certificate);
    return text;
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  bool connected_ = false;
  std::string clear_;
  std::shared_ptr<SSL_SESSION> session_;
};

}  // namespace postern::test
