# Sourced by run: file systems, CPU by cgroup, one measurement. Bash, root.

# --- a fresh journalled file system ------------------------------------------------------------

spool="$work/spool"

# What ran before must not matter: a new image each time, allocated beforehand so that the file
# system below does no allocation of its own while we measure, and with direct I/O so that an fsync
# inside reaches the disk.
fresh_spool() {
  local loop
  mkdir -p "$spool"
  fallocate -l "$image_size" "$work/spool.img" ||
    give_up "no room for $image_size in $work; give another --work or a smaller --image-size"
  mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$work/spool.img" ||
    give_up "mkfs.ext4 failed"
  loop=$(losetup --find --show --direct-io=on "$work/spool.img") ||
    give_up "no loop device; in a container, run it on the host"
  mount "$loop" "$spool" || give_up "cannot mount $loop"
  losetup --detach "$loop" # goes with the mount
  chmod 755 "$spool"
}

drop_spool() {
  umount "$spool" || umount --lazy "$spool"
  rm -f "$work/spool.img"
}

# --- CPU, by cgroup: what a server's exited children used is in it -----------------------------

# v1's cpuacct where it is mounted, else v2.
cgroup_root=$(awk '$3 == "cgroup2" { two = $2 }
  $3 == "cgroup" && ("," $4 ",") ~ /,cpuacct,/ { one = $2 }
  END { print one != "" ? one : two }' /proc/self/mounts)

# Groups: server (what is measured), sidecars (of Postern), client (smtp-source).
cgroup() { printf '%s/postern-bench-%s' "$cgroup_root" "$1"; }

enter_cgroup() { # for a subshell that then becomes the process
  local path
  path=$(cgroup "$1")
  { mkdir -p "$path" && printf '%s\n' "$BASHPID" >"$path/cgroup.procs"; } ||
    give_up "cannot use cgroups in '$cgroup_root': it must be mounted and writable"
}

cpu_micros() { # of a group since it was made; 0 when there is none
  local path total
  path=$(cgroup "$1")
  if [ -e "$path/cpuacct.usage" ]; then
    total=$(<"$path/cpuacct.usage")
    printf '%d\n' $((total / 1000))
  elif [ -e "$path/cpu.stat" ]; then
    awk '$1 == "usage_usec" { print $2 }' "$path/cpu.stat"
  else
    printf '0\n'
  fi
}

stop_cgroup() { # ends what is in it, politely at first
  local path attempt pids
  path=$(cgroup "$1")
  [ -d "$path" ] || return 0
  for attempt in $(seq 100); do
    pids=$(<"$path/cgroup.procs")
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086
    if [ "$attempt" = 1 ]; then kill $pids; elif [ "$attempt" -gt 80 ]; then kill -9 $pids; fi
    sleep 0.1
  done 2>/dev/null
  rmdir "$path"
}

remove_cgroups() {
  local group path attempt
  for group in server sidecars client; do
    path=$(cgroup "$group")
    for attempt in $(seq 30); do # what was in it may still be ending
      [ -d "$path" ] || break
      rmdir "$path" 2>/dev/null || sleep 0.1
    done
  done
}

# Work of all cores since boot in microseconds, and what the host took from them (steal).
machine_micros() {
  awk -v tick="$(getconf CLK_TCK)" '$1 == "cpu" {
    printf "%.0f\n", ($2 + $3 + $4 + $7 + $8 + $9) * 1e6 / tick; exit }' /proc/stat
}

now_micros() { printf '%s\n' "${EPOCHREALTIME/[.,]/}"; }

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
