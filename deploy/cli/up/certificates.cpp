#include "deploy/cli/up/certificates.hpp"

#include <ctime>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "deploy/cli/up/state_folder.hpp"

namespace postern::cli::up {
namespace {

// The longest that Apple's clients accept for a server certificate (825 days).
constexpr long kValidDays = 825;
constexpr long kRenewDays = 30;
constexpr long kDaySeconds = 86400;
// Clocks of test machines differ.
constexpr long kBackdateSeconds = 3600;
constexpr long kX509Version3 = 2;

std::unexpected<Error> failed(std::string_view what) {
  char text[256] = "no reason given";
  if (const auto number = ERR_get_error(); number != 0) {
    ERR_error_string_n(number, text, sizeof text);
  }
  return fail(ErrorCode::io, fmt::format("cannot make a certificate: {}: {}", what, text));
}

bssl::UniquePtr<EVP_PKEY> new_key() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  if (!ec || !key || !EC_KEY_generate_key(ec.get()) || !EVP_PKEY_set1_EC_KEY(key.get(), ec.get())) {
    return nullptr;
  }
  return key;
}

bool set_serial(X509* certificate) {
  bssl::UniquePtr<BIGNUM> number(BN_new());
  // RFC 5280 4.1.2.2: positive, at most 20 octets; random, so that two state folders never collide.
  return number && BN_rand(number.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// A certificate without extensions and signature; subject "Postern demo"'s `name`.
bssl::UniquePtr<X509> new_certificate(EVP_PKEY* key, const char* name) {
  bssl::UniquePtr<X509> out(X509_new());
  const auto* text = reinterpret_cast<const unsigned char*>(name);
  if (!out || !X509_set_version(out.get(), kX509Version3) || !set_serial(out.get()) ||
      !X509_gmtime_adj(X509_getm_notBefore(out.get()), -kBackdateSeconds) ||
      !X509_gmtime_adj(X509_getm_notAfter(out.get()), kValidDays * kDaySeconds) ||
      !X509_set_pubkey(out.get(), key) ||
      !X509_NAME_add_entry_by_txt(X509_get_subject_name(out.get()), "CN", MBSTRING_UTF8, text, -1,
                                  -1, 0)) {
    return nullptr;
  }
  return out;
}

/// Adds an extension given in the notation of OpenSSL's configuration files.
bool add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1);
}

bssl::UniquePtr<X509> make_authority(EVP_PKEY* key) {
  auto out = new_certificate(key, "Postern demo authority");
  if (!out || !X509_set_issuer_name(out.get(), X509_get_subject_name(out.get())) ||
      !add_extension(out.get(), out.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(out.get(), out.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(out.get(), out.get(), NID_subject_key_identifier, "hash") ||
      !X509_sign(out.get(), key, EVP_sha256())) {
    return nullptr;
  }
  return out;
}

bssl::UniquePtr<X509> make_server(EVP_PKEY* key, X509* authority, EVP_PKEY* authority_key,
                                  const CertificateNames& names) {
  std::string alternatives;
  for (const std::string& host : names.hosts) alternatives += ",DNS:" + host;
  for (const std::string& address : names.addresses) alternatives += ",IP:" + address;
  auto out = new_certificate(key, names.hosts.front().c_str());
  X509* x = out.get();
  if (!out || !X509_set_issuer_name(x, X509_get_subject_name(authority)) ||
      !add_extension(x, authority, NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(x, authority, NID_key_usage, "critical,digitalSignature") ||
      !add_extension(x, authority, NID_ext_key_usage, "serverAuth") ||
      !add_extension(x, authority, NID_subject_key_identifier, "hash") ||
      !add_extension(x, authority, NID_authority_key_identifier, "keyid:always") ||
      !add_extension(x, authority, NID_subject_alt_name, alternatives.substr(1)) ||
      !X509_sign(x, authority_key, EVP_sha256())) {
    return nullptr;
  }
  return out;
}

std::string text_of(BIO* bio) {
  const std::uint8_t* octets = nullptr;
  std::size_t count = 0;
  if (!BIO_mem_contents(bio, &octets, &count)) return {};
  return std::string(reinterpret_cast<const char*>(octets), count);
}

/// PEM; empty if memory ran out.
std::string pem(X509* certificate) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio || !PEM_write_bio_X509(bio.get(), certificate)) return {};
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio ||
      !PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr)) {
    return {};
  }
  return text_of(bio.get());
}

bssl::UniquePtr<X509> read_certificate(const std::string& path) {
  bssl::UniquePtr<BIO> bio(BIO_new_file(path.c_str(), "r"));
  if (!bio) return nullptr;
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

bssl::UniquePtr<EVP_PKEY> read_key(const std::string& path) {
  bssl::UniquePtr<BIO> bio(BIO_new_file(path.c_str(), "r"));
  if (!bio) return nullptr;
  return bssl::UniquePtr<EVP_PKEY>(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
}

/// What is there will do for another month.
bool is_current(const CertificateFiles& files, const CertificateNames& names) {
  const auto authority = read_certificate(files.authority);
  const auto certificate = read_certificate(files.certificate);
  const auto key = read_key(files.key);
  if (!authority || !certificate || !key) return false;
  bssl::UniquePtr<EVP_PKEY> signer(X509_get_pubkey(authority.get()));
  if (!signer || X509_verify(certificate.get(), signer.get()) != 1 ||
      X509_check_private_key(certificate.get(), key.get()) != 1) {
    return false;
  }
  std::time_t renew = std::time(nullptr) + kRenewDays * kDaySeconds;
  if (X509_cmp_time(X509_get0_notAfter(certificate.get()), &renew) <= 0) return false;
  for (const std::string& host : names.hosts) {
    if (X509_check_host(certificate.get(), host.data(), host.size(), 0, nullptr) != 1) return false;
  }
  for (const std::string& address : names.addresses) {
    if (X509_check_ip_asc(certificate.get(), address.c_str(), 0) != 1) return false;
  }
  return true;
}

}  // namespace

Result<bool> ensure_certificate(const CertificateFiles& files, const CertificateNames& names) {
  const bool current = is_current(files, names);
  ERR_clear_error();  // of files that were not there
  if (current) return false;
  const auto authority_key = new_key();
  const auto key = new_key();
  if (!authority_key || !key) return failed("its key");
  const auto authority = make_authority(authority_key.get());
  if (!authority) return failed("the authority");
  const auto server = make_server(key.get(), authority.get(), authority_key.get(), names);
  if (!server) return failed("the server's");
  const std::string authority_pem = pem(authority.get());
  const std::string server_pem = pem(server.get());
  const std::string key_pem = pem(key.get());
  if (authority_pem.empty() || server_pem.empty() || key_pem.empty()) return failed("as PEM");
  if (auto done = write_file(files.key, key_pem, 0600); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = write_file(files.certificate, server_pem, 0644); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = write_file(files.authority, authority_pem, 0644); !done) {
    return std::unexpected(done.error());
  }
  return true;
}

}  // namespace postern::cli::up
