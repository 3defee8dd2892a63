#include "gateway/smtp/message_intake.hpp"

#include <algorithm>
#include <limits>

namespace postern::smtp {

void MessageIntake::start(const SmtpProfile& profile, const Plan& plan) {
  profile_ = &profile;
  body_ = store::MessageBody();
  header_.start(profile.hostname);
  if (plan.watch_header) {
    editor_.start(plan.edits);
  } else {
    editor_.skip();
  }
  binary_ = plan.binary;
  digesting_ = plan.digest;
  if (digesting_) digest_.start(plan.digest_seed);
  content_octets_ = 0;
  refusal_.reset();
  last_ = '\n';
  second_last_ = '\r';
}

// Which limit is named when several are exceeded depends on where in the message that happens,
// never on how its octets were split.
void MessageIntake::content(std::string_view octets) {
  if (octets.empty() || refusal_) return;
  const std::uint64_t octets_max = profile_->message_octets_max;
  std::string_view fitting = octets;
  Reply cut = Reply::message_too_big;
  if (octets_max != 0) fitting = octets.substr(0, octets_max - content_octets_);
  if (profile_->rules.nul_octets == config::NulPolicy::reject && !binary_) {
    if (const std::size_t nul = fitting.find('\0'); nul < fitting.size()) {
      fitting = fitting.substr(0, nul);
      cut = Reply::nul_octet;
    }
  }
  for (std::string_view rest = fitting; !rest.empty() && !header_.done();) {
    rest.remove_prefix(header_.feed(rest));
    check_header();
    if (refusal_) return;
  }
  if (fitting.size() < octets.size()) {
    refuse(cut);
    return;
  }
  content_octets_ += octets.size();
  second_last_ = octets.size() > 1 ? octets[octets.size() - 2] : last_;
  last_ = octets.back();
  if (digesting_) digest_.feed(octets);
  store(octets);
}

void MessageIntake::store(std::string_view octets) {
  if (!editor_.done()) octets.remove_prefix(editor_.feed(octets, body_));
  if (!octets.empty()) body_.append(octets);
}

void MessageIntake::bare(char octet) {
  const std::string_view itself(&octet, 1);
  if (profile_->rules.bare_newline == config::LineEndPolicy::reject && !binary_) {
    refuse(Reply::bare_newline);
  } else if (profile_->rules.bare_newline == config::LineEndPolicy::allow || binary_) {
    content(itself);
  } else if (octet == '\n') {
    content("\r\n");
  } else {
    content("\n");  // behind the CR that went before
    content(itself);
  }
}

// Completes the last line.
void MessageIntake::end_line() {
  if (refusal_ || (last_ == '\n' && second_last_ == '\r')) return;
  if (last_ != '\r') {
    content("\r\n");
  } else if (profile_->rules.bare_newline == config::LineEndPolicy::reject && !binary_) {
    refuse(Reply::bare_newline);
  } else {
    content("\n");
  }
}

void MessageIntake::check_header() {
  if (profile_->header_octets_max != 0 && header_.octets() > profile_->header_octets_max) {
    refuse(Reply::header_too_big);
  } else if (profile_->hops_max != 0 && header_.hops() > profile_->hops_max) {
    refuse(Reply::too_many_hops);
  } else if (profile_->local_hops_max != 0 && header_.local_hops() > profile_->local_hops_max) {
    refuse(Reply::local_loop);
  }
}

void MessageIntake::finish() {
  end_line();
  if (refusal_) return;
  if (!header_.done()) {
    header_.finish();
    check_header();
  }
  if (!refusal_) editor_.finish(body_);
}

void MessageIntake::refuse(Reply why) {
  if (refusal_) return;
  refusal_ = why;
  body_ = store::MessageBody();
}

std::size_t MessageIntake::room() const noexcept {
  if (refusal_) return std::numeric_limits<std::size_t>::max();
  const std::size_t held = body_.buffered();
  return held < kSpillThresholdOctets ? kSpillThresholdOctets - held : 1;
}

}  // namespace postern::smtp
