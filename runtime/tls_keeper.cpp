#include "runtime/tls_keeper.hpp"

#include "runtime/assert.hpp"
#include "runtime/log.hpp"

namespace postern {

namespace {

using log::Level;

// Automatic renewal leaves thirty days; less than ten say that it has failed.
constexpr std::int64_t kExpiryWarningSeconds = 10 * 86400;

/// Whether a context can be made of one pair and the authorities.
Result<void> try_out(const TlsMaterial::Pair& pair, const TlsMaterial& others) {
  TlsMaterial alone;
  alone.pairs = {pair};
  alone.client_ca_file = others.client_ca_file;
  alone.client_ca_pem = others.client_ca_pem;
  alone.tls_1_3_only = others.tls_1_3_only;
  auto context = TlsContext::make(alone, TicketKeyring{});
  if (!context) return std::unexpected(context.error());
  return {};
}

void report_kept(const std::string& file, const Error& error) {
  log::event(Level::error, "tls.reload.failed",
             {{"file", file}, {"cause", error.message}, {"kept", "what was read before"}});
}

}  // namespace

TlsKeeper::TlsKeeper(TlsFiles files, std::uint32_t cores)
    : files_(std::move(files)), slots_(cores) {}

Result<std::unique_ptr<TlsKeeper>> TlsKeeper::open(TlsFiles files, Duration ticket_period,
                                                   std::uint32_t cores) {
  std::unique_ptr<TlsKeeper> keeper(new TlsKeeper(std::move(files), cores));
  if (!keeper->configured()) return keeper;
  auto material = read_tls_files(keeper->files_);
  if (!material) return std::unexpected(material.error());
  keeper->material_ = std::make_shared<const TlsMaterial>(std::move(*material));
  keeper->tickets_ = TicketKeyring::make(ticket_period);
  auto context = TlsContext::make(*keeper->material_, keeper->tickets_);
  if (!context) return std::unexpected(context.error());
  keeper->take(**context);
  return keeper;
}

// Remembers, and warns of, what the certificates' dates say.
void TlsKeeper::take(const TlsContext& present) {
  expires_unix_seconds_ = present.expires_unix_seconds();
  const std::int64_t left_seconds = present.expires_unix_seconds() - read_clocks().unix_ms / 1000;
  if (left_seconds >= kExpiryWarningSeconds) return;
  log::event(Level::warn, "tls.certificate.expires",
             {{"seconds_left", left_seconds}, {"remedy", "renew it, then send SIGHUP"}});
}

Result<TlsSlot*> TlsKeeper::attach(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (configured()) {
    auto context = TlsContext::make(*material_, tickets_);
    if (!context) return std::unexpected(context.error());
    slot.context = std::move(*context);
  }
  return &slot;
}

void TlsKeeper::reload(CoreGroup& cores) {
  if (!configured()) return;
  auto next = std::make_shared<TlsMaterial>(*material_);
  if (!files_.client_ca.empty()) {
    auto pem = read_pem_file(files_.client_ca, "client authorities'");
    Result<void> good;
    if (pem) {
      const std::string old = std::exchange(next->client_ca_pem, std::move(*pem));
      good = try_out(next->pairs.front(), *next);
      if (!good) next->client_ca_pem = old;
    } else {
      good = std::unexpected(pem.error());
    }
    if (!good) report_kept(files_.client_ca, good.error());
  }
  for (TlsMaterial::Pair& pair : next->pairs) {
    auto read = read_tls_pair(pair.files);
    Result<void> good = read ? try_out(*read, *next) : std::unexpected(read.error());
    if (!good) {
      report_kept(pair.files.certificate, good.error());
      continue;
    }
    const bool changed =
        read->certificate_pem != pair.certificate_pem || read->key_pem != pair.key_pem;
    pair = std::move(*read);
    log::event(Level::info, "tls.certificate.read",
               {{"file", pair.files.certificate}, {"changed", changed ? "yes" : "no"}});
  }
  material_ = std::move(next);
  if (auto present = TlsContext::make(*material_, tickets_)) take(**present);
  distribute(cores);
}

void TlsKeeper::rotate_tickets(CoreGroup& cores) {
  tickets_ = tickets_.rotated();
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    cores.loop(index).post(
        [slot = &slots_[index], tickets = tickets_] { slot->context->set_tickets(tickets); });
  }
}

// Every core parses for itself: a certificate that two cores share is a cache line that they share.
void TlsKeeper::distribute(CoreGroup& cores) {
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    cores.loop(index).post([slot = &slots_[index], material = material_, tickets = tickets_] {
      auto context = TlsContext::make(*material, tickets);
      POSTERN_ASSERT(context.has_value());  // each part was tried out
      slot->context = std::move(*context);
    });
  }
}

}  // namespace postern
