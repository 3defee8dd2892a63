#include "deploy/cli/up/certificates.hpp"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "tests/unit/cli/temporary_folder.hpp"

namespace postern::cli::up {
namespace {

bssl::UniquePtr<X509> certificate_in(const std::string& path) {
  bssl::UniquePtr<BIO> bio(BIO_new_file(path.c_str(), "r"));
  return bssl::UniquePtr<X509>(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

/// X509_V_OK if a client that trusts `authority` accepts `certificate` for `host`.
int verify(const std::string& authority, const std::string& certificate, const std::string& host) {
  const auto root = certificate_in(authority);
  const auto leaf = certificate_in(certificate);
  bssl::UniquePtr<X509_STORE> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root.get());
  bssl::UniquePtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), leaf.get(), nullptr);
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
  const bool is_address = host.find_first_not_of("0123456789.:abcdef") == host.npos;
  if (is_address) {
    X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str());
  } else {
    X509_VERIFY_PARAM_set1_host(parameters, host.data(), host.size());
  }
  return X509_verify_cert(context.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context.get());
}

struct Certificates : testing::Test {
  TemporaryFolder folder;
  CertificateFiles files{folder.file("ca.pem"), folder.file("cert.pem"), folder.file("key.pem")};
  CertificateNames names{{"postern.test", "localhost"}, {"127.0.0.1", "::1"}};
};

TEST_F(Certificates, AreAcceptedForTheirNamesOnly) {
  const auto made = ensure_certificate(files, names);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_TRUE(*made);
  for (const char* name : {"postern.test", "localhost", "127.0.0.1", "::1"}) {
    EXPECT_EQ(verify(files.authority, files.certificate, name), X509_V_OK) << name;
  }
  EXPECT_EQ(verify(files.authority, files.certificate, "example.org"),
            X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verify(files.authority, files.certificate, "127.0.0.2"),
            X509_V_ERR_IP_ADDRESS_MISMATCH);
}

TEST_F(Certificates, KeyIsForItsOwnerOnly) {
  ASSERT_TRUE(ensure_certificate(files, names));
  struct stat facts{};
  ASSERT_EQ(::stat(files.key.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(Certificates, StayWhileTheyFit) {
  ASSERT_TRUE(ensure_certificate(files, names));
  const std::string before = folder.read("cert.pem");
  EXPECT_EQ(ensure_certificate(files, names), false);
  EXPECT_EQ(folder.read("cert.pem"), before);
}

TEST_F(Certificates, AreMadeAnewForAnotherAddress) {
  ASSERT_TRUE(ensure_certificate(files, names));
  names.addresses.push_back("192.0.2.7");
  EXPECT_EQ(ensure_certificate(files, names), true);
  EXPECT_EQ(verify(files.authority, files.certificate, "192.0.2.7"), X509_V_OK);
}

TEST_F(Certificates, AreMadeAnewWhenAPartIsMissingOrForeign) {
  ASSERT_TRUE(ensure_certificate(files, names));
  folder.write("key.pem", "");
  EXPECT_EQ(ensure_certificate(files, names), true);
  const TemporaryFolder other;
  ASSERT_TRUE(ensure_certificate(
      {other.file("ca.pem"), other.file("cert.pem"), other.file("key.pem")}, names));
  folder.write("ca.pem", other.read("ca.pem"));
  EXPECT_EQ(ensure_certificate(files, names), true);
  EXPECT_EQ(verify(files.authority, files.certificate, "localhost"), X509_V_OK);
}

TEST_F(Certificates, FailureNamesTheFile) {
  files.key = folder.file("no/key.pem");
  const auto made = ensure_certificate(files, names);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("no/key.pem"), std::string::npos);
}

}  // namespace
}  // namespace postern::cli::up
