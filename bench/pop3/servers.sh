# Sourced by run: how each server is set up, filled, counted and stopped. Bash, root, inside the
# namespaces that run makes, so ports are ours alone. Without TLS; one mailbox.

user=load@bench.test
password=measured-and-thrown-away # of a mailbox that lives for one round on a private loopback

server_start() { # name; sets port
  case $1 in
    dovecot-maildir) start_dovecot 'maildir:~/Maildir' ;;
    dovecot-sdbox) start_dovecot 'sdbox:~/sdbox' ;;
    postern) start_postern 0 ;;
    # The same with runtime.spin_us: what it buys where clients answer within microseconds.
    postern-spin) start_postern 50 ;;
    # Keeps nothing: what the driver, the kernel and loopback allow.
    floor)
      port=2520
      in_group server "$work/floor.log" "$driver" serve 127.0.0.1 "$port" "$messages" "$size"
      wait_port "$port"
      ;;
  esac
}

server_fill() {
  case $1 in
    dovecot-*) "$driver" fill-imap 127.0.0.1 2543 "$user" "$password" "$messages" "$size" ;;
    postern*) "$driver" fill-smtp 127.0.0.1 2540 "$user" "$messages" "$size" ;;
  esac >/dev/null
}

server_stop() {
  # Sidecars first, as in production.
  stop_cgroup sidecars
  stop_cgroup server
  stop_cgroup client
}

server_words() { tail -n 3 "$work"/*.log "$work"/postern/*.log 2>/dev/null; }

# --- Dovecot -----------------------------------------------------------------------------------

# As Debian has it, but: login processes are kept (its manual's "high performance" mode), limits on
# connections are out of the way, a password that needs no hash, no TLS. So it is at its best.
dovecot_conf() { # mail_location
  cat <<TEXT
base_dir = $work/dovecot/base
state_dir = $work/dovecot/state
log_path = $work/dovecot.log
protocols = imap pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = $1
mail_home = $spool/dovecot/%u
mail_fsync = always
first_valid_uid = 1
passdb {
  driver = static
  args = password=$password
}
userdb {
  driver = static
  args = uid=mail gid=mail
}
namespace inbox {
  inbox = yes
}
mail_max_userip_connections = 20000
service imap-login {
  service_count = 0
  inet_listener imap {
    port = 2543
  }
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  service_count = 0
  inet_listener pop3 {
    port = 2510
  }
  inet_listener pop3s {
    port = 0
  }
}
TEXT
}

start_dovecot() { # mail_location
  rm -rf "$work/dovecot"
  mkdir -p "$work/dovecot/base" "$work/dovecot/state"
  install -d -o mail -g mail "$spool/dovecot"
  dovecot_conf "$1" >"$work/dovecot/dovecot.conf"
  in_group server "$work/dovecot-start.log" dovecot -F -c "$work/dovecot/dovecot.conf"
  port=2510
  wait_port 2543 && wait_port "$port"
}

# --- Postern: as it comes, but for addresses and that nothing has TLS ---------------------------

start_postern() { # spin_us
  local program
  rm -rf "$work/postern"
  mkdir -p "$work/postern" "$spool/postern"
  config="$work/postern/postern.toml"
  port=2110
  cat >"$config" <<TEXT
hostname = "bench.test"
state = "$spool/postern"
[runtime]
spin_us = $1
[store]
socket = "$work/postern/postern.sock"
[[gateway.listener]]
role = "relay"
addresses = ["127.0.0.1:2540"]
tls = "none"
[[pop3.listener]]
addresses = ["127.0.0.1:$port"]
tls = "none"
login_plaintext = true
[[imap.listener]]
addresses = ["127.0.0.1:2143"]
tls = "none"
login_plaintext = true
TEXT
  in_group server "$work/postern/gateway.log" "$build/gateway/postern-gateway" --config "$config"
  wait_port 2540 || return 1
  program=("$build/deploy/cli/postern" --config "$config")
  "${program[@]}" domain add "${user#*@}" >/dev/null &&
    "${program[@]}" user add "$user" --password-file - <<<"$password" >/dev/null || return 1
  in_group sidecars "$work/postern/pop3.log" "$build/sidecars/postern-pop3" --config "$config"
  wait_port "$port"
}
