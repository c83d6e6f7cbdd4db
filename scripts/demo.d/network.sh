# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's network: a node with three pods as the ptp CNI plugin lays them, and beyond the node's uplink an outside
# host and the cloud's metadata server. Everything is named after this process and removed at its end.

prefix=bulkhead-demo-
name=$prefix$$
# In a user namespace /run is a file system of the demo's own, but the control socket is for commands outside as well.
folders=/run
if $is_isolated || ((EUID != 0)); then folders=/tmp; fi
run=$folders/$name

declare -Ar pod_address=([wordpress]=10.244.0.10 [backend]=10.244.0.11 [redis]=10.244.0.12)
redis_service=10.96.0.10

# cover_run PROGRAMS: a file system of the demo's own on /run, in a mount namespace of its own. The repository and the
# programs may be below /run, as on a disk in /run/media: they stay in their places.
cover_run() {
    local folder place number
    local -A kept=()
    for folder in . "$1"; do
        place=$(realpath "$folder")
        [[ $place == /run/* ]] || continue
        exec {number}<"$place"
        kept[$place]=$number
    done
    mount -t tmpfs -o mode=755 tmpfs /run
    for place in "${!kept[@]}"; do
        number=${kept[$place]}
        mkdir -p "$place"
        # By the descriptor: the path is already another folder.
        mount --no-canonicalize --rbind "/proc/$$/fd/$number" "$place"
        exec {number}<&-
    done
    cd "$(pwd -P)" || exit
}

# Runs a program in a namespace.
inside() { nsenter --net="/run/netns/$name-$1" "${@:2}"; }

# Starts a program in a namespace, its output going to a file; $! is the program itself, not a shell around it.
begin() {
    nsenter --net="/run/netns/$name-$1" "${@:3}" >"$2" 2>&1 </dev/null &
}

# remove_network NAME: the network with what still runs in it, and its folder.
remove_network() {
    local path process
    for process in $(demo_processes "$1"); do kill -9 "$process" 2>/dev/null || true; done
    for path in "/run/netns/$1"-*; do
        [[ -e $path ]] || continue
        for process in $(ip netns pids "${path##*/}"); do kill -9 "$process" 2>/dev/null || true; done
        ip netns delete "${path##*/}" 2>/dev/null || true
    done
    umount -l "$folders/$1/bpf" 2>/dev/null || true
    rm -rf --one-file-system "${folders:?}/$1"
}

# Removes what a demo that was killed has left.
sweep_networks() {
    local folder
    while read -r folder; do
        [[ -e $folder/stays ]] || is_running "${folder##*/}" || remove_network "${folder##*/}"
    done < <(demo_folders)
}

pod_lines() {
    local number=0 pod
    for pod in "${!pod_address[@]}"; do
        printf '%s\n' \
            "link add name veth$number netns $name-node type veth peer name eth0 netns $name-$pod"
        number=$((number + 1))
    done
}

# lay_pod POD NUMBER ADDRESS
lay_pod() {
    ip -n "$name-$1" -batch - <<EOF
link set lo up
link set eth0 up
addr add $3/24 dev eth0 noprefixroute
route add 10.244.0.1 dev eth0 scope link
route add default via 10.244.0.1
EOF
    ip -n "$name-node" -batch - <<EOF
link set veth$2 up
addr add 10.244.0.1/32 dev veth$2
route add $3/32 dev veth$2 scope host
EOF
}

lay_network() {
    local namespace number=0 pod
    mkdir -m 700 "$run" "$run/bpf" "$run/manifests" "$run/guardrails"
    if $is_isolated; then
        readlink /proc/self/ns/user >"$run/user-namespace"
    else
        mount -t bpf bpf "$run/bpf"
    fi
    for namespace in node outside "${!pod_address[@]}"; do
        echo "netns add $name-$namespace"
    done | ip -batch -
    { pod_lines; echo "link add name eth0 netns $name-node type veth peer name node netns $name-outside"; } | ip -batch -
    ip -n "$name-outside" -batch - <<EOF
link set lo up
link set node up
addr add 192.0.2.1/24 dev node
addr add 203.0.113.80/32 dev lo
addr add 169.254.169.254/32 dev lo
route add 10.244.0.0/24 via 192.0.2.10
EOF
    ip -n "$name-node" -batch - <<EOF
link set lo up
link set eth0 up
addr add 192.0.2.10/24 dev eth0
route add default via 192.0.2.1
EOF
    inside node sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
    for pod in "${!pod_address[@]}"; do
        lay_pod "$pod" "$number" "${pod_address[$pod]}"
        number=$((number + 1))
    done
    lay_nat
}

# Masquerading for what leaves the cluster, and the ClusterIP of Redis as kube-proxy's iptables mode lays it.
lay_nat() {
    inside node iptables-restore <<EOF
*nat
:KUBE-SERVICES -
:KUBE-SVC-REDIS -
:KUBE-SEP-REDIS -
:KUBE-MARK-MASQ -
:KUBE-POSTROUTING -
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A POSTROUTING -s 10.244.0.0/24 ! -d 10.244.0.0/24 -o eth0 -j MASQUERADE
-A KUBE-SERVICES -d $redis_service/32 -p tcp -m tcp --dport 6379 -j KUBE-SVC-REDIS
-A KUBE-SVC-REDIS -j KUBE-SEP-REDIS
-A KUBE-SEP-REDIS -s ${pod_address[redis]}/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-REDIS -p tcp -m tcp -j DNAT --to-destination ${pod_address[redis]}:6379
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
COMMIT
EOF
}
