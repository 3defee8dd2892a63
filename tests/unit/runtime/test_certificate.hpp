// A throw-away certificate and a TLS client over memory, for tests.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string>
#include <unistd.h>

namespace postern::test {

/// Self-signed for "localhost", in two files that go away with it.
class Certificate {
 public:
  Certificate() {
    folder_ = (std::filesystem::temp_directory_path() / "postern-test-XXXXXX").string();
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    EC_KEY* ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EC_KEY_generate_key(ec);
    EVP_PKEY* key = EVP_PKEY_new();
    EVP_PKEY_assign_EC_KEY(key, ec);
    X509* x509 = X509_new();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, key);
    X509_NAME* name = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_sign(x509, key, EVP_sha256());
    write(certificate_path(), [&](BIO* bio) { PEM_write_bio_X509(bio, x509); });
    write(key_path(), [&](BIO* bio) {
      PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    X509_free(x509);
    EVP_PKEY_free(key);
  }
  ~Certificate() {
    ::unlink(certificate_path().c_str());
    ::unlink(key_path().c_str());
    ::rmdir(folder_.c_str());
  }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;
  std::string certificate_path() const { return folder_ + "/cert.pem"; }
  std::string key_path() const { return folder_ + "/key.pem"; }

 private:
  template <class Fill>
  static void write(const std::string& path, Fill fill) {
    BIO* bio = BIO_new_file(path.c_str(), "w");
    fill(bio);
    BIO_free(bio);
  }
  std::string folder_;
};

/// The client side, octets in and out.
class TlsClient {
 public:
  explicit TlsClient(const Certificate&) : context_(SSL_CTX_new(TLS_client_method())) {
    ssl_ = SSL_new(context_);
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

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  bool connected_ = false;
  std::string clear_;
};

}  // namespace postern::test
