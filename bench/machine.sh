# Sourced by the side-by-side benches (smtp/run, pop3/run): file systems, CPU by cgroup, processes.
# Bash, root. They set work, image_size and results, and say say() and give_up().

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

# Groups: server (what is measured), sidecars (of Postern), client (the load generator).
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

# --- processes

in_group() { # group log command...: in the background
  local group=$1 log=$2
  shift 2
  ( enter_cgroup "$group"; exec setsid "$@" </dev/null >"$log" 2>&1 ) &
}

wait_port() {
  local attempt
  for attempt in $(seq 150); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
    sleep 0.1
  done
  say "nothing listens on port $1"
  return 1
}
