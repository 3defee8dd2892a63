# Sourced by run: one measurement. Bash, root.

tsv_head=$(printf '%s\t' round server op units wall_s per_s server_us sidecars_us client_us \
  octets_per_unit)ok

# How long a server is still watched after the last octet: what it put off belongs to the units.
settle_s=0.3

client() { # op [argument...]: runs the driver in the client's cgroup
  local op=$1
  shift
  (
    enter_cgroup client
    exec timeout 300 "$driver" "$op" 127.0.0.1 "$port" "$user" "$password" "$@" 2>"$work/client.err"
  )
}

run_op() { # op
  case $1 in
    login) client login "$logins" ;;
    retr) client retr ;;
    crowd) client crowd "$sessions" ;;
    pipe) client pipe "$window" ;;
  esac
}

measure() { # round server op
  local round=$1 server=$2 op=$3 ok=ok answer units micros octets
  run_op "$op" >/dev/null || ok="warm-up failed" # caches filled, on all servers
  sleep "$settle_s"
  local s0 a0 c0 s1 a1 c1
  s0=$(cpu_micros server) a0=$(cpu_micros sidecars) c0=$(cpu_micros client)
  answer=$(run_op "$op") || ok=failed
  sleep "$settle_s"
  s1=$(cpu_micros server) a1=$(cpu_micros sidecars) c1=$(cpu_micros client)
  read -r units micros octets <<<"${answer:-0 0 0}"
  local expected=$messages
  [ "$op" = crowd ] && expected=$((messages * sessions))
  [ "$op" = login ] || [ "$units" = "$expected" ] || ok="$units messages instead of $expected"
  [ ! -s "$work/client.err" ] || ok=$(head -c 200 "$work/client.err" | tr '\t\n' '  ')
  awk -v OFS='\t' -v round="$round" -v server="$server" -v op="$op" -v n="$units" \
    -v wall="$micros" -v s=$((s1 - s0)) -v a=$((a1 - a0)) -v c=$((c1 - c0)) -v octets="$octets" \
    -v ok="$ok" 'BEGIN {
      if (n == 0 || wall == 0) { n = 1; wall = 1 }
      print round, server, op, n, sprintf("%.3f", wall / 1e6), sprintf("%.0f", n * 1e6 / wall),
        sprintf("%.2f", s / n), sprintf("%.2f", a / n), sprintf("%.2f", c / n),
        sprintf("%.0f", octets / n), ok }' >>"$results"
  [ "$ok" = ok ] || { say "$server $op: $ok"; echo "$server $op: $ok" >>"$work/failed"; }
}

describe_run() {
  printf '\n%s CPUs, %s, Linux %s, %s; Dovecot %s\n' "$(nproc)" \
    "$(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)" "$(uname -r)" "$(date +%F)" \
    "$(dovecot --version)"
  printf '%s rounds; %s messages of %s octets; %s logins; a crowd of %s; %s RETRs at a time\n' \
    "$rounds" "$messages" "$size" "$logins" "$sessions" "$window"
}
