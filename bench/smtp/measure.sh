# Sourced by run: one measurement. Bash, root.

# --- one measurement ---------------------------------------------------------------------------

# The _us are CPU of one message; `server_us` is without the sidecars.
tsv_head=$(printf '%s\t' round server mode messages wall_s per_s server_us sidecars_us client_us \
  elsewhere_cores)ok
declare -gA sent=()

# How long a server is still watched after its last reply: what it put off belongs to the messages.
settle_s=0.5

messages_for() { if [ "$1" = postfix ]; then echo "$postfix_messages"; else echo "$messages"; fi; }

load() { # mode messages: runs smtp-source in the client's cgroup
  local keep=()
  [ "$1" = keep ] && keep=(-d)
  (
    enter_cgroup client
    exec timeout 300 smtp-source "${keep[@]}" -s "$sessions" -m "$2" -l "$size" -M client.test \
      -f load@client.test -t "$recipient" "127.0.0.1:$port" >/dev/null 2>"$work/client.err"
  )
}

measure() { # round server mode
  local round=$1 server=$2 mode=$3 count warm ok=ok
  count=$(messages_for "$server")
  # Processes started, caches filled, files made.
  warm=$((sessions * 10))
  load "$mode" "$warm" || ok="warm-up failed"
  sleep "$settle_s"
  local s0 a0 c0 m0 t0 t1 t2 s1 a1 c1 m1
  s0=$(cpu_micros server) a0=$(cpu_micros sidecars) c0=$(cpu_micros client) m0=$(machine_micros)
  t0=$(now_micros)
  load "$mode" "$count" || ok=failed
  t1=$(now_micros)
  sleep "$settle_s"
  s1=$(cpu_micros server) a1=$(cpu_micros sidecars) c1=$(cpu_micros client) m1=$(machine_micros)
  t2=$(now_micros)
  [ ! -s "$work/client.err" ] || ok=$(head -c 200 "$work/client.err" | tr '\t\n' '  ')
  sent[$server]=$((${sent[$server]-0} + warm + count))
  awk -v OFS='\t' -v round="$round" -v server="$server" -v mode="$mode" -v n="$count" \
    -v wall=$((t1 - t0)) -v window=$((t2 - t0)) -v s=$((s1 - s0)) -v a=$((a1 - a0)) \
    -v c=$((c1 - c0)) -v m=$((m1 - m0)) -v ok="$ok" 'BEGIN {
      print round, server, mode, n, sprintf("%.3f", wall / 1e6), sprintf("%.0f", n * 1e6 / wall),
        sprintf("%.2f", s / n), sprintf("%.2f", a / n), sprintf("%.2f", c / n),
        sprintf("%.2f", (m - s - a - c) / window), ok }' >>"$results"
  [ "$ok" = ok ] || { say "$server $mode: $ok"; echo "$server $mode: $ok" >>"$work/lost"; }
}

check_held() { # every message that smtp-source was told 250 for is there
  local server=$1 held
  held=$(server_held "$server")
  [ "$held" = none ] && { sent[$server]=0; return; }
  if [ "$held" != "${sent[$server]}" ]; then
    say "$server: ${sent[$server]} messages sent, $held held"
    echo "$server: ${sent[$server]} messages sent, $held held" >>"$work/lost"
  fi
  sent[$server]=0
}

describe_run() {
  printf '\n%s CPUs, %s, Linux %s, %s\n' "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)" "$(uname -r)" "$(date +%F)"
  printf '%s rounds of %s messages (Postfix %s), %s sessions, %s octets\n' "$rounds" "$messages" \
    "$postfix_messages" "$sessions" "$size"
}
