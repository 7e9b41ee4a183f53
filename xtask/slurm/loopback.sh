#!/bin/sh
# A Slurm cluster of two nodes on this host, for tests: `loopback.sh up DIR`, then `. DIR/env.sh`, and `loopback.sh down DIR`.
#
# Needs Debian's packages slurm-wlm and munge, and root. Everything is in DIR, a new folder with a short absolute path: keys, configuration,
# state, logs and process ids. Other clusters of the host are not touched.
set -eu

host=$(hostname)

up() {
    mkdir -p "$1"
    dir=$(cd "$1" && pwd)
    chmod 755 "$dir"
    mkdir -m 700 "$dir/munge"
    mkdir "$dir/state" "$dir/log"
    dd if=/dev/urandom of="$dir/munge/key" bs=1 count=1024 2>/dev/null
    chmod 400 "$dir/munge/key"
    cat >"$dir/slurm.conf" <<END
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock
SlurmUser=root
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
JobRequeue=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
NodeName=one NodeHostname=$host NodeAddr=127.0.0.1 Port=17818 CPUs=2 RealMemory=4000
NodeName=two NodeHostname=$host NodeAddr=127.0.0.1 Port=17819 CPUs=2 RealMemory=4000
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP
END
    echo "export SLURM_CONF='$dir/slurm.conf'" >"$dir/env.sh"
    export SLURM_CONF="$dir/slurm.conf"
    # The socket must be open to all users; root may own it, and its folder is writable by root alone.
    munged --force --key-file="$dir/munge/key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge/seed"
    slurmctld -f "$SLURM_CONF"
    for node in one two; do
        mkdir "$dir/spool-$node"
        slurmd -f "$SLURM_CONF" -N "$node"
    done
    for _ in $(seq 60); do
        [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ] && return
        sleep 1
    done
    echo "the nodes did not become idle; see $dir/log" >&2
    sinfo >&2
    exit 1
}

down() {
    for name in slurmd-one slurmd-two slurmctld munged; do
        file="$1/$name.pid"
        [ -f "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || continue
        for _ in $(seq 50); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.2
        done
    done
}

case "${1:-}" in
    up) up "$2" ;;
    down) down "$2" ;;
    *) echo "usage: loopback.sh up|down DIR" >&2; exit 2 ;;
esac
