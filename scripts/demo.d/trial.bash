# SPDX-License-Identifier: Apache-2.0
# trial.bash: makes one object of each kind that the scenes need, in namespaces of its own. Fails with the first that the
# kernel refuses, and says what to do about it.
set -euo pipefail

# try WHAT REMEDY COMMAND...
try() {
    local answer
    if ! answer=$("${@:3}" 2>&1); then
        answer=${answer##*$'\n'}
        printf 'the kernel refuses %s (%s):\n    %s\n' "$1" "${answer:-no reason given}" "$2"
        exit 1
    fi
}

modules='nf_tables nf_conntrack nf_nat nft_ct nft_compat nft_tproxy xt_MASQUERADE xt_mark veth'
load="run 'sudo modprobe -a $modules'; cloud kernels have
    some of these in a package of their own, such as linux-modules-extra-$(uname -r)"
rights="a container needs more rights for this (docker run --privileged)"

try "a file system of its own" "$rights" mount -t tmpfs tmpfs /run
try "network namespaces" "$rights" ip netns add trial
try "settings of a network" "/proc/sys is mounted read-only, as in a container: $rights" \
    sysctl -q -w net.ipv4.ip_forward=1
try "veth interfaces" "$load" ip link add eth0 type veth peer name node netns trial
try "routing rules" "a kernel with CONFIG_IP_MULTIPLE_TABLES is needed" ip rule add fwmark 0x1 table 100
try "nftables" "$load" nft -f - <<'RULES'
table inet trial {
    set flows { type ipv4_addr . inet_service; flags timeout; }
    chain forward {
        type filter hook forward priority 0; policy accept;
        ct state established meta mark set ct mark counter accept
    }
    chain prerouting {
        type filter hook prerouting priority mangle; policy accept;
        meta l4proto tcp tproxy ip to 127.0.0.1:15001 accept
    }
}
RULES
try "iptables' rules for Services" "$load" iptables-restore <<'RULES'
*nat
:TRIAL -
-A PREROUTING -j TRIAL
-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
-A TRIAL -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.244.0.10:80
-A TRIAL -j MARK --or-mark 0x4000
COMMIT
RULES
