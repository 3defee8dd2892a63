# shellcheck shell=bash disable=SC2034  # sourced: the peers use the variables
# Shared by the peer scripts (bash; sourced). A peer lives in one folder, listens on 127.0.0.1 only, and has one
# account: joe@peer.test with the password "secret", whose mail is in FOLDER/mail/joe.
#
#   PEER.sh start FOLDER    starts it and prints the options that point the suite at it
#   PEER.sh stop FOLDER     ends it
#   PEER.sh version         one line
#
# Root only. FOLDER/certificate.pem and FOLDER/key.pem must be there. Ports: the environment's PORT_SMTP,
# PORT_SUBMISSION, PORT_SUBMISSIONS, PORT_POP3, PORT_POP3S.
set -u -o pipefail
export PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
verb=${1:?start, stop or version} folder=${2:-}
port_smtp=${PORT_SMTP:-2525} port_submission=${PORT_SUBMISSION:-2587}
port_submissions=${PORT_SUBMISSIONS:-2465} port_pop3=${PORT_POP3:-2110} port_pop3s=${PORT_POP3S:-2995}
account_options="--user joe@peer.test --password secret --domain peer.test --maildir $folder/mail/joe"

# The account whose files the mail is.
owner=nobody
group=nogroup

prepare() {
  chmod 755 "$folder"
  install -d -o $owner -g $group "$folder/mail" "$folder/mail/joe" "$folder/mail/joe"/{tmp,new,cur} "$folder/run"
}

wait_port() {
  for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.1
  done
  echo "nothing listens on port $1" >&2
  return 1
}

peer_main() {
  case $verb in
    start) prepare; peer_start >"$folder/start.log" 2>&1 || { cat "$folder/start.log" >&2; return 1; }; peer_options ;;
    stop) peer_stop ;;
    version) peer_version ;;
    *) echo "usage: $0 start|stop|version FOLDER" >&2; return 2 ;;
  esac
}
