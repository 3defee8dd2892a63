#!/bin/bash
# Exim (Debian exim4-daemon-light, unpacked: tests/harness/unpack-exim), its mail delivered to joe's Maildir.
# shellcheck source=tests/conformance/peers/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
exim=$("$here/../../harness/unpack-exim") || exit 1

# Without root's rights on the way: a configuration that is not the compiled-in one costs them.
owner=Debian-exim
group=Debian-exim

peer_version() { "$exim" -C /dev/null -bV | sed -n 's/^\(Exim version [^ ]*\).*/\1/p'; }

peer_start() {
  install -d -o Debian-exim -g Debian-exim "$folder/spool" "$folder/spool/log"
  chmod 644 "$folder/key.pem"
  cat >"$folder/exim.conf" <<CONF
spool_directory = $folder/spool
log_file_path = $folder/spool/log/%slog
pid_file_path = $folder/spool/exim.pid
primary_hostname = mx.peer.test
daemon_smtp_ports = $port_smtp : $port_submission : $port_submissions
tls_on_connect_ports = $port_submissions
local_interfaces = 127.0.0.1
tls_advertise_hosts = *
tls_certificate = $folder/certificate.pem
tls_privatekey = $folder/key.pem
auth_advertise_hosts = \${if def:tls_in_cipher{*}{}}
dsn_advertise_hosts = *
chunking_advertise_hosts = *
domainlist local_domains = peer.test : mx.peer.test
qualify_domain = peer.test
qualify_recipient = peer.test
recipient_unqualified_hosts =
message_size_limit = 36M
recipients_max = 200
received_headers_max = 30
host_lookup =
rfc1413_query_timeout = 0s
deliver_drop_privilege = true
smtp_accept_max = 0
smtp_accept_max_per_connection = 0
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = accept
begin acl
acl_mail:
  accept condition = \${if eq{\$received_port}{$port_smtp}}
  accept authenticated = *
  deny message = 530 5.7.0 authentication required
acl_rcpt:
  accept authenticated = *
  accept local_parts = postmaster
         domains = +local_domains : :
  accept domains = +local_domains
         verify = recipient
  deny message = relay not permitted
begin routers
elsewhere:
  driver = accept
  domains = ! +local_domains
  transport = nowhere
joe:
  driver = accept
  local_parts = joe
  transport = maildir
postmaster:
  driver = accept
  local_parts = postmaster
  transport = nowhere
begin transports
nowhere:
  driver = appendfile
  file = /dev/null
maildir:
  driver = appendfile
  directory = $folder/mail/joe
  maildir_format
  return_path_add
  delivery_date_add = false
  message_prefix =
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if and{{eq{\$auth2}{joe@peer.test}}{eq{\$auth3}{secret}}}}
  server_set_id = \$auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = \${if and{{eq{\$auth1}{joe@peer.test}}{eq{\$auth2}{secret}}}}
  server_set_id = \$auth1
CONF
  chmod 644 "$folder/exim.conf"
  "$exim" -C "$folder/exim.conf" -bd -q1h && wait_port "$port_smtp" && wait_port "$port_submissions"
}

peer_stop() {
  local pid
  pid=$(cat "$folder/spool/exim.pid") && kill "$pid"
}

peer_options() {
  echo "--target 127.0.0.1:$port_smtp --submission 127.0.0.1:$port_submission" \
    "--implicit-tls 127.0.0.1:$port_submissions $account_options" \
    "--expect-recipients 200 --expect-hops 30 --expect-protocol-errors 3"
}

peer_main
