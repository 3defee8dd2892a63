#include "gateway/smtp/message_intake.hpp"

#include <algorithm>
#include <limits>

namespace postern::smtp {

void MessageIntake::start(const SmtpProfile& profile) {
  profile_ = &profile;
  body_ = store::MessageBody();
  header_.start(profile.hostname);
  content_octets_ = 0;
  refusal_.reset();
  last_ = '\n';
}

// Which limit is named when several are exceeded depends on where in the message that happens,
// never on how its octets were split.
void MessageIntake::content(std::string_view octets) {
  if (octets.empty() || refusal_) return;
  const std::uint64_t octets_max = profile_->message_octets_max;
  std::string_view fitting = octets;
  if (octets_max != 0) fitting = octets.substr(0, octets_max - content_octets_);
  for (std::string_view rest = fitting; !rest.empty() && !header_.done();) {
    rest.remove_prefix(header_.feed(rest));
    check_header();
    if (refusal_) return;
  }
  if (fitting.size() < octets.size()) {
    refuse(Reply::message_too_big);
    return;
  }
  content_octets_ += octets.size();
  last_ = octets.back();
  body_.append(octets);
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
  if (refusal_) return;
  if (!header_.done()) {
    header_.finish();
    check_header();
  }
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
