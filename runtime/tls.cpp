#include "runtime/tls.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "runtime/assert.hpp"
#include "runtime/tls_library.hpp"

namespace postern {

namespace {

// A record's clear text at most (RFC 8446 5.1): one SSL_read never gives more.
constexpr std::size_t kRecordOctetsMax = 16 * 1024;

/// RFC 4514: "CN=joe,O=Example".
std::string subject_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  POSTERN_ASSERT(bio != nullptr);
  X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  const std::uint8_t* octets = nullptr;
  std::size_t size = 0;
  BIO_mem_contents(bio, &octets, &size);
  std::string text(reinterpret_cast<const char*>(octets), size);
  BIO_free(bio);
  // A certificate with an empty subject is one all the same.
  return text.empty() ? "(no subject)" : text;
}

/// The first rfc822Name among the subject's alternative names; empty: none. Names with a NUL are
/// passed over: whoever signed them and whoever reads them see different ones.
std::string first_email_of(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::string result;
  for (std::size_t i = 0; names != nullptr && result.empty() && i < sk_GENERAL_NAME_num(names);
       ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_EMAIL) continue;
    const std::string_view text(
        reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.rfc822Name)),
        static_cast<std::size_t>(ASN1_STRING_length(name->d.rfc822Name)));
    if (text.find('\0') == text.npos) result = text;
  }
  GENERAL_NAMES_free(names);
  return result;
}

}  // namespace

/// The BIO between SSL and a pipe's buffers.
struct TlsPipeBio {
  static TlsPipe& pipe(BIO* bio) { return *static_cast<TlsPipe*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* into, int size) {
    TlsPipe& self = pipe(bio);
    BIO_clear_retry_flags(bio);
    const std::size_t take = std::min(self.backlog(), static_cast<std::size_t>(std::max(size, 0)));
    if (take == 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    std::memcpy(into, self.input_.data() + self.input_used_, take);
    self.input_used_ += take;
    if (self.input_used_ == self.input_.size()) {
      self.input_.clear();
      self.input_used_ = 0;
    }
    return static_cast<int>(take);
  }

  static int write(BIO* bio, const char* octets, int size) {
    TlsPipe& self = pipe(bio);
    BIO_clear_retry_flags(bio);
    POSTERN_ASSERT(self.output_ != nullptr && size >= 0);
    self.output_->append(octets, static_cast<std::size_t>(size));
    return size;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static const BIO_METHOD* method() {
    static const BIO_METHOD* const kMethod = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern pipe");
      POSTERN_ASSERT(made != nullptr);
      BIO_meth_set_read(made, &TlsPipeBio::read);
      BIO_meth_set_write(made, &TlsPipeBio::write);
      BIO_meth_set_ctrl(made, &TlsPipeBio::control);
      return made;
    }();
    return kMethod;
  }
};

TlsPipe::TlsPipe(std::shared_ptr<TlsContext> context, ClientCertificateMode client_certificates)
    : context_(std::move(context)),
      client_certificates_(client_certificates),
      ssl_(SSL_new(context_->certificates_.front().context)) {
  POSTERN_ASSERT(ssl_ != nullptr);
  BIO* bio = BIO_new(TlsPipeBio::method());
  POSTERN_ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
  POSTERN_ASSERT(SSL_set_ex_data(ssl_, 0, this) == 1);
  if (client_certificates_ != ClientCertificateMode::none) {
    const bool required = client_certificates_ == ClientCertificateMode::require;
    // Where a certificate is only requested, a bad one is worth as much as none: facts() says so.
    if (required) {
      SSL_set_verify(ssl_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    } else {
      SSL_set_verify(ssl_, SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    }
  }
  bind_tickets();
}

// A ticket is taken only where it was made: a session without a verified certificate must not be
// resumed by a listener that requires one, nor one that was verified against other authorities. The
// library keeps this with the certificate, so it is set again when another one is chosen.
void TlsPipe::bind_tickets() {
  std::string id(1, static_cast<char>('0' + static_cast<int>(client_certificates_)));
  if (client_certificates_ != ClientCertificateMode::none) id += context_->authorities_digest_;
  POSTERN_ASSERT(SSL_set_session_id_context(ssl_, reinterpret_cast<const std::uint8_t*>(id.data()),
                                            id.size()) == 1);
}

TlsPipe::~TlsPipe() { SSL_free(ssl_); }

void TlsPipe::feed(std::string_view ciphertext) { input_.append(ciphertext); }

TlsPipe::State TlsPipe::fail_from_library() {
  error_ = tls_library_error();
  state_ = State::failed;
  return state_;
}

TlsPipe::State TlsPipe::handshake(std::string& out) {
  if (state_ != State::handshaking) return state_;
  output_ = &out;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  output_ = nullptr;
  if (result == 1) {
    state_ = State::open;
  } else if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) {
    fail_from_library();
  }
  return state_;
}

TlsPipe::State TlsPipe::read(std::string& clear, std::size_t limit, std::string& out) {
  output_ = &out;
  std::size_t taken = 0;
  while (state_ == State::open && taken < limit) {
    ERR_clear_error();
    const std::size_t before = clear.size();
    int got = 0;
    clear.resize_and_overwrite(before + kRecordOctetsMax, [&](char* buffer, std::size_t) {
      got = SSL_read(ssl_, buffer + before, static_cast<int>(kRecordOctetsMax));
      return before + static_cast<std::size_t>(std::max(got, 0));
    });
    if (got > 0) {
      taken += static_cast<std::size_t>(got);
      continue;
    }
    const int error = SSL_get_error(ssl_, got);
    if (error == SSL_ERROR_WANT_READ) break;
    if (error == SSL_ERROR_ZERO_RETURN) {
      state_ = State::ended;
    } else {
      fail_from_library();
    }
  }
  output_ = nullptr;
  return state_;
}

void TlsPipe::write(std::string_view clear, std::string& out) {
  POSTERN_ASSERT(state_ != State::handshaking);
  if (state_ == State::failed) return;
  output_ = &out;
  while (!clear.empty()) {
    const int size = static_cast<int>(std::min<std::size_t>(clear.size(), INT_MAX));
    ERR_clear_error();
    const int written = SSL_write(ssl_, clear.data(), size);
    if (written <= 0) {  // the BIO never refuses: only a connection that failed before gets here
      fail_from_library();
      break;
    }
    clear.remove_prefix(static_cast<std::size_t>(written));
  }
  output_ = nullptr;
}

void TlsPipe::close(std::string& out) {
  if (state_ != State::open && state_ != State::ended) return;
  output_ = &out;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_);
  ERR_clear_error();
  output_ = nullptr;
}

TlsFacts TlsPipe::facts() const {
  TlsFacts facts;
  facts.version = SSL_get_version(ssl_);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl_)) {
    facts.cipher = SSL_CIPHER_standard_name(cipher);
    facts.bits = static_cast<std::uint16_t>(SSL_CIPHER_get_bits(cipher, nullptr));
  }
  if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name)) {
    facts.server_name = name;
  }
  if (X509* certificate = SSL_get_peer_certificate(ssl_)) {
    facts.client_certificate = subject_of(certificate);
    facts.client_verified = SSL_get_verify_result(ssl_) == X509_V_OK;
    if (facts.client_verified) facts.client_name = first_email_of(certificate);
    X509_free(certificate);
  }
  return facts;
}

}  // namespace postern
