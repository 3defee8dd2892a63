#include "store/quota_watch.hpp"

namespace postern::store {

QuotaWatch::QuotaWatch(QuotaRules rules, const std::vector<MailboxNote>& notes) : rules_(rules) {
  for (const MailboxNote& known : notes) notes_.emplace(known.mailbox, known.note);
}

std::uint64_t QuotaWatch::threshold(QuotaLevel level, std::uint64_t limit_octets) const noexcept {
  // Rounded up, so that less than the percentage is never called that.
  return level == QuotaLevel::full ? limit_octets
                                   : (limit_octets * rules_.warning_percent + 99) / 100;
}

QuotaLevel QuotaWatch::level_of(const QuotaUse& use) const noexcept {
  if (use.full()) return QuotaLevel::full;
  if (rules_.warning_percent == 0 || use.limit_octets == 0) return QuotaLevel::none;
  return use.used_octets >= threshold(QuotaLevel::near, use.limit_octets) ? QuotaLevel::near
                                                                          : QuotaLevel::none;
}

QuotaLevel QuotaWatch::lasting_level(QuotaLevel told, const QuotaUse& use) const noexcept {
  if (use.limit_octets == 0) return QuotaLevel::none;
  if (use.used_octets == 0) return QuotaLevel::none;  // however low the threshold is
  const std::uint64_t margin = use.limit_octets * kQuotaMarginPercent / 100;
  for (const QuotaLevel level : {QuotaLevel::full, QuotaLevel::near}) {
    if (level <= told && use.used_octets + margin >= threshold(level, use.limit_octets))
      return level;
  }
  return QuotaLevel::none;
}

bool QuotaWatch::is_due(const QuotaNote& note, std::int64_t now_unix_ms) const noexcept {
  if (rules_.interval.count() == 0) return false;
  const std::int64_t passed_ms = now_unix_ms - note.told_unix_ms;
  // Told in the future: the clock was set back, and nobody knows how long ago it was.
  return passed_ms < 0 || passed_ms >= rules_.interval.count() * 1000;
}

std::optional<QuotaNews> QuotaWatch::judge(MailboxId mailbox, const QuotaUse& use,
                                           const QuotaNote& told,
                                           std::int64_t now_unix_ms) const noexcept {
  const QuotaLevel level = level_of(use);
  const QuotaLevel lasting = lasting_level(told.level, use);
  QuotaNews news{.mailbox = mailbox, .use = use, .level = level};
  if (level > lasting) {
    news.note = {level, now_unix_ms};
  } else if (level != QuotaLevel::none && is_due(told, now_unix_ms)) {
    news.note = {lasting, now_unix_ms};
  } else if (lasting != told.level) {
    news.note = {lasting, told.told_unix_ms};
    news.tell = false;
  } else {
    return std::nullopt;
  }
  return news;
}

QuotaWatch::Look QuotaWatch::look(const MailboxQuotas& quotas, std::int64_t now_unix_ms) const {
  Look found;
  const bool off = rules_.warning_percent == 0;
  const auto add = [&](const std::optional<QuotaNews>& news) {
    if (news && !off) found.news.push_back(*news);
  };
  // Each mailbox is judged once, by one reading: it goes on changing.
  for (const auto& [mailbox, told] : notes_) {
    add(judge(mailbox, quotas.use_of(mailbox), told, now_unix_ms));
  }
  quotas.each_limited([&](MailboxId mailbox, const QuotaUse& use) {
    const QuotaLevel level = level_of(use);
    found.near_count += level == QuotaLevel::near ? 1 : 0;
    found.full_count += level == QuotaLevel::full ? 1 : 0;
    if (level == QuotaLevel::none || notes_.contains(mailbox)) return;
    add(judge(mailbox, use, {}, now_unix_ms));
  });
  return found;
}

void QuotaWatch::kept(MailboxId mailbox, QuotaNote note) {
  if (note.level == QuotaLevel::none) {
    notes_.erase(mailbox);
  } else {
    notes_.insert_or_assign(mailbox, note);
  }
}

}  // namespace postern::store
