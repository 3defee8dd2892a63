#!/bin/bash
# Dovecot (Debian dovecot-core, dovecot-pop3d): POP3 over joe's Maildir, and the password check that postfix.sh uses.
# shellcheck source=tests/conformance/peers/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

peer_version() { echo "Dovecot $(dovecot --version)"; }

peer_start() {
  mkdir -p "$folder/dovecot"
  cat >"$folder/dovecot.conf" <<CONF
base_dir = $folder/dovecot/base
state_dir = $folder/dovecot/state
log_path = $folder/dovecot.log
protocols = pop3
ssl = yes
ssl_cert = <$folder/certificate.pem
ssl_key = <$folder/key.pem
disable_plaintext_auth = yes
# Otherwise every client of the same address counts as one behind TLS already.
login_trusted_networks =
mail_location = maildir:$folder/mail/%n
first_valid_uid = 1
auth_mechanisms = plain login
auth_failure_delay = 0
# Several sessions of one test account.
mail_max_userip_connections = 100
passdb {
  driver = passwd-file
  args = scheme=plain $folder/users
}
userdb {
  driver = static
  args = uid=$owner gid=$group home=$folder/mail/%n
}
service pop3-login {
  inet_listener pop3 {
    address = 127.0.0.1
    port = $port_pop3
  }
  inet_listener pop3s {
    address = 127.0.0.1
    port = $port_pop3s
  }
}
# No delays that grow with failed logins of one address: Postfix gives up waiting after 10 s.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener $folder/run/auth {
    mode = 0666
  }
}
# 127.0.0.1 is "secured" for Dovecot, whatever is configured, when client and server have the same address.
namespace inbox {
  inbox = yes
}
CONF
  echo 'joe@peer.test:secret' >"$folder/users"
  chmod 644 "$folder/users" "$folder/key.pem"
  dovecot -c "$folder/dovecot.conf" && wait_port "$port_pop3" && wait_port "$port_pop3s"
}

peer_stop() { dovecot -c "$folder/dovecot.conf" stop; }

peer_options() {
  echo "--pop3 127.0.0.1:$port_pop3 --pop3s 127.0.0.1:$port_pop3s --pop3-plaintext $account_options" \
    "--expect-pop3-command 512"
}

[ "${BASH_SOURCE[0]}" != "$0" ] || peer_main
