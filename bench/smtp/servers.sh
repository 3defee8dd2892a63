# Sourced by run: how each server is set up, started, counted and stopped. Bash, root, inside the
# namespaces that run makes, so ports are ours alone. All run on 127.0.0.1, without TLS and AUTH.

recipient=load@bench.test
password=measured-and-thrown-away # of a mailbox that lives for one round on a private loopback
pop3_port=2110 imap_port=2143

server_start() { # name; sets port
  case $1 in
    postfix) port=2525; start_postfix ;;
    # Keeps nothing: the ceiling of smtp-source and of the dialogue over loopback.
    sink) port=2530; in_group server "$work/sink.log" smtp-sink -u nobody "127.0.0.1:$port" 1024 ;;
    postern) port=2540; start_gateway ;;
    postern-all) port=2540; start_gateway && start_pop3 && start_imap && start_idlers ;;
  esac && wait_port "$port"
}

server_stop() {
  [ "$1" != postfix ] || postfix -c "$work/postfix/etc" stop >/dev/null 2>&1
  # Sidecars first, as in production.
  stop_cgroup sidecars
  stop_cgroup server
  stop_cgroup client
}

server_held() { # messages that are there; "none" for a server that keeps nothing
  case $1 in
    postfix) find "$spool/queue/hold" "$spool/queue/incoming" "$spool/queue/active" \
      "$spool/queue/deferred" -type f 2>/dev/null | wc -l ;;
    sink) echo none ;;
    postern) start_pop3 && pop3_messages ;;
    postern-all) pop3_messages ;;
  esac
}

server_words() { tail -n 3 "$work"/*.log "$work"/postern/*.log 2>/dev/null; }

# --- Postfix: accepts, and fsyncs before its 250 as it always does ------------------------------

# Every message is put on hold, so its delivery (which Postern does before the 250) costs it nothing
# here. Limits that would only slow the load down are lifted: name lookups, rates per client, the
# pause when a client is faster than the queue, processes that serve 100 connections only.
postfix_main_cf() {
  cat <<TEXT
compatibility_level = 3.6
myhostname = postfix.test
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
queue_directory = $spool/queue
data_directory = $work/postfix/data
alias_maps =
smtpd_client_restrictions = check_client_access static:HOLD
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions = 127.0.0.0/8
in_flow_delay = 0
default_process_limit = $((sessions + 50))
max_use = 1000
TEXT
}

postfix_master_cf() {
  # service type private unpriv chroot wakeup maxproc command
  cat <<TEXT
127.0.0.1:$port inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
anvil     unix - - n - 1 anvil
error     unix - - n - - error
retry     unix - - n - - error
TEXT
}

start_postfix() {
  rm -rf "$work/postfix"
  mkdir -p "$work/postfix/etc" "$spool/queue"
  install -d -o postfix "$work/postfix/data"
  postfix_main_cf >"$work/postfix/etc/main.cf"
  postfix_master_cf >"$work/postfix/etc/master.cf"
  ( enter_cgroup server; postfix -c "$work/postfix/etc" start ) </dev/null >"$work/postfix.log" 2>&1
}

# --- Postern: as it comes, but for addresses, the rate limit and that nothing has TLS ---------------------------

start_gateway() {
  rm -rf "$work/postern"
  mkdir -p "$work/postern" "$spool/postern"
  config="$work/postern/postern.toml"
  cat >"$config" <<TEXT
hostname = "bench.test"
state = "$spool/postern"
[store]
socket = "$work/postern/postern.sock"
[[gateway.listener]]
role = "relay"
source_message_rate = "0"
addresses = ["127.0.0.1:$port"]
connections_per_source_max = 0
connections_per_source_percent = 0
tls = "none"
[[pop3.listener]]
addresses = ["127.0.0.1:$pop3_port"]
connections_per_source_max = 0
connections_per_source_percent = 0
tls = "none"
login_plaintext = true
[[imap.listener]]
addresses = ["127.0.0.1:$imap_port"]
connections_per_source_max = 0
connections_per_source_percent = 0
tls = "none"
login_plaintext = true
TEXT
  in_group server "$work/postern/gateway.log" "$build/gateway/postern-gateway" --config "$config"
  wait_port "$port" || return 1
  local cli=("$build/deploy/cli/postern" --config "$config")
  "${cli[@]}" domain add "${recipient#*@}" >/dev/null &&
    "${cli[@]}" user add "$recipient" --password-file - <<<"$password" >/dev/null
}

start_pop3() {
  in_group sidecars "$work/postern/pop3.log" "$build/sidecars/postern-pop3" --config "$config"
  wait_port "$pop3_port"
}

start_imap() {
  in_group sidecars "$work/postern/imap.log" "$build/sidecars/postern-imap" --config "$config"
  wait_port "$imap_port"
}

pop3_messages() { # what STAT says
  local reply pop3 count
  exec {pop3}<>"/dev/tcp/127.0.0.1/$pop3_port" || return 1
  printf 'USER %s\r\nPASS %s\r\nSTAT\r\nQUIT\r\n' "$recipient" "$password" >&"$pop3"
  # greeting, USER, PASS, STAT
  for reply in 1 2 3 4; do read -r -t 60 reply <&"$pop3" || break; done
  exec {pop3}>&-
  read -r _ count _ <<<"$reply" # +OK messages octets
  printf '%s\n' "${count:-unknown}"
}

start_idlers() { # IMAP clients that wait for new mail; read in the client's cgroup
  local index
  for index in $(seq "$idle"); do
    (
      enter_cgroup client
      exec {imap}<>"/dev/tcp/127.0.0.1/$imap_port" || exit 1
      printf 'a LOGIN %s %s\r\nb SELECT INBOX\r\nc IDLE\r\n' "$recipient" "$password" >&"$imap"
      exec cat <&"$imap" >"$work/postern/idle.$index"
    ) &
    wait_idle "$work/postern/idle.$index" || return 1
  done
}

wait_idle() {
  local attempt
  for attempt in $(seq 100); do
    grep -q '^+ ' "$1" 2>/dev/null && return 0
    sleep 0.1
  done
  say "an IMAP client could not IDLE: $(tail -n 1 "$1")"
  return 1
}
