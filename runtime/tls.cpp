#include "runtime/tls.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "runtime/assert.hpp"

namespace postern {

namespace {

// TLS 1.2 suites; TLS 1.3's are fixed by the library. Forward secrecy and AEAD only.
constexpr const char* kCipherSuites =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// A record's clear text at most (RFC 8446 5.1): one SSL_read never gives more.
constexpr std::size_t kRecordOctetsMax = 16 * 1024;

std::string library_error() {
  std::string text;
  while (const std::uint32_t code = ERR_get_error()) {
    char buffer[160];
    ERR_error_string_n(code, buffer, sizeof buffer);
    if (!text.empty()) text += "; ";
    text += buffer;
  }
  return text.empty() ? "unknown TLS error" : text;
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

TicketKeys make_ticket_keys() {
  TicketKeys keys{};
  RAND_bytes(keys.data(), keys.size());
  return keys;
}

Result<std::unique_ptr<TlsContext>> TlsContext::load(const std::string& certificate,
                                                     const std::string& key,
                                                     const TicketKeys& tickets) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  POSTERN_ASSERT(context != nullptr);
  std::unique_ptr<TlsContext> owned(new TlsContext(context));
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return fail(ErrorCode::invalid_argument, fmt::format("cannot use the certificate file {}: {}",
                                                         certificate, library_error()));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("cannot use the private key file {} with the certificate {}: {}", key,
                            certificate, library_error()));
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION);
  POSTERN_ASSERT(SSL_CTX_set_strict_cipher_list(context, kCipherSuites) == 1);
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  POSTERN_ASSERT(SSL_CTX_set_tlsext_ticket_keys(context, tickets.data(), tickets.size()) == 1);
  return owned;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsPipe::TlsPipe(TlsContext& context) : ssl_(SSL_new(context.context_)) {
  POSTERN_ASSERT(ssl_ != nullptr);
  BIO* bio = BIO_new(TlsPipeBio::method());
  POSTERN_ASSERT(bio != nullptr);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsPipe::~TlsPipe() { SSL_free(ssl_); }

void TlsPipe::feed(std::string_view ciphertext) { input_.append(ciphertext); }

TlsPipe::State TlsPipe::fail_from_library() {
  error_ = library_error();
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
  POSTERN_ASSERT(state_ == State::open || state_ == State::ended);
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
  return facts;
}

}  // namespace postern
