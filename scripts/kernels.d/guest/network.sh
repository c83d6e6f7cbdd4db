# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# A node with three pods, and a host beyond the node. Dual stack, where the kernel has IPv6.

address() {
    case $1 in
    web) echo "10.244.0.10 fd00:244::10" ;;
    db) echo "10.244.0.11 fd00:244::11" ;;
    idle) echo "10.244.0.12 fd00:244::12" ;;
    outside) echo "203.0.113.80 2001:db8:ffff::80" ;;
    esac
}
address4() { address "$1" | cut -d' ' -f1; }
address6() { address "$1" | cut -d' ' -f2; }

has_ipv6() { [ -e /proc/sys/net/ipv6/conf ]; }
inside() { name=$1 && shift && nsenter --net="/run/netns/$name" "$@"; }

# The same for a process in the background: it becomes the program, so that $! is its number.
begin() { name=$1 && shift && exec nsenter --net="/run/netns/$name" "$@"; }

# batch [NAMESPACE]: lines for `ip -batch`. Those that begin with a 6 are left out where there is no IPv6.
batch() {
    if has_ipv6; then sed 's/^6 //'; else grep -v '^6 '; fi | ip ${1:+-n "$1"} -batch -
}

lay_network() {
    batch <<EOF
netns add node
netns add outside
netns add web
netns add db
netns add idle
link add uplink netns node type veth peer name eth0 netns outside
EOF
    for name in node outside web db idle; do
        if has_ipv6; then
            inside "$name" sh -c 'cd /proc/sys/net/ipv6/conf && echo 0 >default/accept_dad && echo 0 >all/accept_dad'
        fi
    done
    inside node sh -c 'cd /proc/sys/net && echo 1 >ipv4/ip_forward && [ ! -e ipv6/conf ] || echo 1 >ipv6/conf/all/forwarding'
    batch outside <<EOF
link set lo up
link set eth0 up
addr add 192.0.2.1/24 dev eth0
addr add 203.0.113.80/32 dev lo
route add 10.244.0.0/24 via 192.0.2.10
6 addr add 2001:db8::1/64 dev eth0 nodad
6 addr add 2001:db8:ffff::80/128 dev lo nodad
6 route add fd00:244::/64 via 2001:db8::10
EOF
    batch node <<EOF
link set lo up
link set uplink up
addr add 192.0.2.10/24 dev uplink
route add default via 192.0.2.1
6 addr add 2001:db8::10/64 dev uplink nodad
6 route add default via 2001:db8::1
EOF
    for name in web db idle; do lay_pod "$name"; done
}

lay_pod() {
    batch <<EOF
link add $1 netns node type veth peer name eth0 netns $1
EOF
    batch "$1" <<EOF
link set lo up
link set eth0 up
addr add $(address4 "$1")/32 dev eth0
route add 10.244.0.1 dev eth0 scope link
route add default via 10.244.0.1
6 addr add $(address6 "$1")/128 dev eth0 nodad
6 route add fd00:244::1 dev eth0
6 route add default via fd00:244::1
EOF
    batch node <<EOF
link set $1 up
addr add 10.244.0.1/32 dev $1
route add $(address4 "$1")/32 dev $1 scope host
6 addr add fd00:244::1/128 dev $1 nodad
6 route add $(address6 "$1")/128 dev $1
EOF
}

write_objects() {
    cat <<EOF
apiVersion: v1
kind: Node
metadata: {name: node}
status: {addresses: [{type: InternalIP, address: 192.0.2.10}, {type: InternalIP, address: '2001:db8::10'}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
EOF
    for name in web db idle; do
        cat <<EOF
---
apiVersion: v1
kind: Pod
metadata: {name: $name, namespace: shop, labels: {app: $name}}
spec: {nodeName: node, containers: [{name: c, image: c}]}
status: {phase: Running, podIPs: [{ip: $(address4 $name)}, {ip: '$(address6 $name)'}]}
EOF
    done
}

# write_policies CLIENT: db accepts that pod alone, idle reaches only what is outside.
write_policies() {
    cat <<EOF
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: $1}}}]
    ports: [{port: 6379}, {port: 5353, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: idle, namespace: shop}
spec:
  podSelector: {matchLabels: {app: idle}}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: '2001:db8:ffff::/48'}}]
EOF
}
