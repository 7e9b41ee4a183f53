#!/usr/bin/env bash
# Shards of a run on two mounts of one folder, each with a cache of its own, as two hosts see a network file system: the
# files must be those of a run of one process.
#
#   tests/network-folder.sh PROGRAM [SECONDS]     as root; needs sshfs and sshd (Debian: sshfs, openssh-server)
#
# PROGRAM is target/release/relevox. SECONDS (20) is how long a mount believes what it has seen, also that a file is absent.
set -euo pipefail
program=$(realpath "$1")
seconds=${2:-20}
root=$(mktemp -d)
mkdir "$root/shared" "$root/a" "$root/b"
mkdir -p /run/sshd
finish() {
  fusermount -u "$root/a" || true
  fusermount -u "$root/b" || true
  pkill -F "$root/sshd.pid" || true
  rm -rf "$root"
}
trap finish EXIT
for key in host user; do
  ssh-keygen -q -t ed25519 -N '' -f "$root/$key"
done
port=$((20000 + RANDOM % 10000))
/usr/sbin/sshd -p "$port" -h "$root/host" -o ListenAddress=127.0.0.1 -o "AuthorizedKeysFile=$root/user.pub" -o StrictModes=no \
  -o PermitRootLogin=yes -o "PidFile=$root/sshd.pid" -o 'Subsystem=sftp internal-sftp' -f /dev/null
for host in a b; do
  options=IdentityFile=$root/user,StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null
  options+=,entry_timeout=$seconds,attr_timeout=$seconds,negative_timeout=$seconds,dcache_timeout=$seconds
  sshfs -p "$port" -o "$options" "root@127.0.0.1:$root/shared" "$root/$host"
done

# Runs a part on a host, again while its inputs are not seen there yet (exit code 3).
on() {
  local host=$1 status try
  shift
  for try in $(seq 20); do
    status=0
    (cd "$root/$host" && "$program" reproduce "$@" --out run) >>"$root/$host.log" 2>&1 || status=$?
    [ "$status" = 3 ] || break
    echo "$host: $* waits for files (attempt $try)"
    sleep 5
  done
  [ "$status" = 0 ] || { tail -n 5 "$root/$host.log" >&2; return 1; }
}
shards() {
  on a --stage "$1" --shard 1/2 & first=$!
  on b --stage "$1" --shard 2/2
  wait "$first"
}

on a --profile smoke --stage cohort
shards train
on b --stage train
shards grid
on a --stage grid
shards regions
shards perturb-train
shards score
on b --stage select
shards diffuse,pool,explain,focus
on a --stage pool
shards maps,faithfulness
on b --stage evaluate,report

(cd "$root" && "$program" reproduce --profile smoke --out alone) >"$root/alone.log" 2>&1
# Both hold times.
diff -r --exclude manifest.json --exclude stages "$root/shared/run" "$root/alone"
echo "equal: $(find "$root/alone" -type f | wc -l) files"
