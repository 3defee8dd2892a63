#!/bin/bash
# Postfix (Debian package postfix), its AUTH checked by Dovecot, its mail delivered to joe's Maildir.
# shellcheck source=tests/conformance/peers/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

peer_version() { echo "Postfix $(postconf -d -h mail_version)"; }

peer_start() {
  "$here/dovecot.sh" start "$folder" || return 1
  local uid gid
  uid=$(id -u $owner) gid=$(id -g $owner)
  mkdir -p "$folder/etc" "$folder/queue"
  install -d -o postfix "$folder/data"
  cat >"$folder/etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $folder/queue
data_directory = $folder/data
maillog_file = $folder/maillog
maillog_file_prefixes = $folder
myhostname = mx.peer.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
# The tests are strangers, also on this machine.
mynetworks = 192.0.2.1/32
alias_maps =
virtual_mailbox_domains = peer.test
virtual_mailbox_base = $folder/mail
virtual_mailbox_maps = inline:{ joe@peer.test=joe/, postmaster@peer.test=postmaster/ }
virtual_alias_maps = inline:{ postmaster@mx.peer.test=postmaster@peer.test }
virtual_uid_maps = static:$uid
virtual_gid_maps = static:$gid
virtual_minimum_uid = 1
smtpd_tls_cert_file = $folder/certificate.pem
smtpd_tls_key_file = $folder/key.pem
smtpd_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = $folder/run/auth
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtputf8_enable = yes
default_transport = discard:
# Limits of clients that would slow the tests down.
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
# A process for every session: one that its authentication server hung up on answers 454 from then on.
max_use = 1
CONF
  awk -v port="127.0.0.1:$port_smtp" '/^[#]/||/^ *$/{next} /^[ \t]/{if(!skip)print;next} {skip=0}
    $1=="smtp"&&$2=="inet"{print port,"inet n - n - - smtpd";next}
    $1=="pickup"{skip=1;next} $2=="unix"||$2=="unix-dgram"{$5="n";print;next}
    $1=="maildrop"{print;next} {skip=1}' \
    "$(postconf -d -h meta_directory)/master.cf" >"$folder/etc/master.cf"
  local submission='-o smtpd_sasl_auth_enable=yes -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
 -o smtpd_recipient_restrictions='
  cat >>"$folder/etc/master.cf" <<CONF
127.0.0.1:$port_submission inet n - n - - smtpd -o smtpd_tls_security_level=encrypt
 $submission
127.0.0.1:$port_submissions inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
 $submission
CONF
  postfix -c "$folder/etc" start && wait_port "$port_smtp" && wait_port "$port_submissions"
}

peer_stop() {
  postfix -c "$folder/etc" stop
  "$here/dovecot.sh" stop "$folder"
}

peer_options() {
  echo "--target 127.0.0.1:$port_smtp --submission 127.0.0.1:$port_submission" \
    "--implicit-tls 127.0.0.1:$port_submissions $account_options" \
    "--expect-recipients 1000 --expect-hops 50 --expect-protocol-errors 20 --expect-command 2048"
}

peer_main
