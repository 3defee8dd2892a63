// What the configuration says about mailboxes of accounts without settings of their own.
#pragma once

#include "store/account_settings.hpp"
#include "store/config/settings.hpp"

namespace postern::gateway {

inline store::MailboxPolicy default_policy(const config::Settings& settings) {
  return {.keep = settings.mailbox.keep,
          .delete_after_retrieval = settings.pop3.delete_after_retrieval,
          .quota_octets = settings.mailbox.quota};
}

}  // namespace postern::gateway
