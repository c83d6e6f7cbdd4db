# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Configurations of the kernel. What the command line sets is in scripts/kernels; here is what is set later.

bpffs=/sys/fs/bpf

# number PATH VALUE: a setting that must take.
setting() {
    echo "$2" >"$1" 2>/dev/null
    [ "$(cat "$1" 2>/dev/null)" = "$2" ] || result note "this kernel does not take $2 for $1"
}

# Whether a processor runs without a tick. Without one, the file has "(null)" or nothing.
is_nohz_full() { grep -q '[0-9]' /sys/devices/system/cpu/nohz_full 2>/dev/null; }

configure() {
    mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
    # The daemon itself mounts a BPF file system.
    mount -t tracefs trace /sys/kernel/tracing 2>/dev/null
    case $1 in
    jit-off) setting /proc/sys/net/core/bpf_jit_enable 0 ;;
    jit-harden) setting /proc/sys/net/core/bpf_jit_harden 2 ;;
    no-ipv6) [ ! -e /proc/sys/net/ipv6/conf ] || wrong "IPv6 is there in spite of ipv6.disable=1" ;;
    lockdown-*)
        mount -t securityfs security /sys/kernel/security 2>/dev/null
        grep -q "\[${1#*-}\]" /sys/kernel/security/lockdown || result note "this kernel has no lockdown"
        ;;
    # A place where none can be made.
    no-bpffs) bpffs=/proc/bpf ;;
    cgroup1)
        umount /sys/fs/cgroup
        mount -t tmpfs cgroup /sys/fs/cgroup
        for name in cpu memory net_cls pids; do
            mkdir -p "/sys/fs/cgroup/$name"
            mount -t cgroup -o "$name" cgroup "/sys/fs/cgroup/$name" 2>/dev/null
        done
        grep -q ' cgroup ' /proc/mounts || result note "this kernel has no cgroup v1"
        ;;
    one-cpu) [ "$(nproc)" = 1 ] || wrong "$(nproc) processors" ;;
    nohz_full) is_nohz_full || result note "this kernel has no nohz_full" ;;
    esac
}
