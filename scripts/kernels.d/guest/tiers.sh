# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What is run in the guest.

# shellcheck source=scripts/kernels.d/guest/network.sh
. /bulkhead/network.sh
# shellcheck source=scripts/kernels.d/guest/cells.sh
. /bulkhead/cells.sh

manifests=/run/manifests
metrics=127.0.0.1:9105
control() { inside node bulkheadctl "$@" --socket /run/bulkheadd.sock; }
# The exit code of status is an error while something is wrong; only the answer matters here.
daemon_answers() { control status >/tmp/status 2>&1 || grep -q ^datapath /tmp/status; }
daemon_ended() { ! kill -0 "$daemon" 2>/dev/null; }
answers_or_ended() { daemon_ended || daemon_answers; }

# start_daemon DATAPATH
start_daemon() {
    : >/tmp/daemon.log
    begin node bulkheadd --node-name node --manifests "$manifests" --datapath "$1" --bpffs "$bpffs" \
        --socket /run/bulkheadd.sock --metrics-address "$metrics" >/tmp/daemon.log 2>&1 &
    daemon=$!
    : >/tmp/status
    tail -f /tmp/daemon.log & show=$!
    until_true 120 answers_or_ended
    kill "$show"
    daemon_answers || { wrong "bulkheadd does not start: $(tail -n 3 /tmp/daemon.log)" && return 1; }
    [ "$1" = auto ] || grep -q "^datapath *$1" /tmp/status || wrong "--datapath $1, but: $(grep ^datapath /tmp/status)"
    result datapath "$(sed -n 's/^datapath *\([a-z]*\).*/\1/p' /tmp/status)"
    result because "$(sed -n 's/^ *because \(of \)\?//p' /tmp/status)"
}

stop_daemon() {
    kill "$1" "$daemon" 2>/dev/null
    wait "$daemon" 2>/dev/null
}

has_policies() { [ "$(control policies 2>/dev/null | grep -c "$1")" = "$2" ]; }

# apply CLIENT: the policies with that client of db, in one step.
apply() {
    write_policies "$1" >"$manifests/.policies"
    mv "$manifests/.policies" "$manifests/policies.yaml"
}

verified() { control status --verify >/tmp/verified 2>&1; }

metric() { inside node curl -s "http://$metrics/metrics" | sed -n "s/^$1 //p"; }

# Before and with the daemon: without it everything is reached, so what is not reached with it is its doing.
play_cells() {
    # shellcheck disable=SC2086
    expect "without the daemon" $open
    start_daemon "$1" || return 1
    apply web
    until_true 60 has_policies shop 2 || wrong "the policies are not in force: $(control policies 2>&1)"
    # shellcheck disable=SC2086
    expect "with policy" $segmented
    until_true 60 verified || wrong "status --verify: $(cat /tmp/verified)"
}

end_hold() {
    kill "$holder"
    # What wait returns is only that it was killed.
    wait "$holder" 2>/dev/null || true
}

says() { grep -c "$2" "/tmp/hold.$1" | grep -qx "$3"; }

# A connection is cut when policy no longer allows it, and a daemon that was killed leaves no gap.
play_changes() {
    held=$1
    : >"/tmp/hold.$held"
    begin web packet-probe hold --seconds 300 "tcp/$(address"$held" db)/6379" >"/tmp/hold.$held" 2>&1 &
    holder=$!
    until_true 30 says "$held" established 1 || wrong "no connection: $(cat "/tmp/hold.$held")"
    apply absent
    until_true 60 says "$held" silent 1 || wrong "the connection is not cut: $(cat "/tmp/hold.$held")"
    # shellcheck disable=SC2086
    expect "after the change" $closed
    stop_daemon -9
    # shellcheck disable=SC2086
    expect "with a killed daemon" $closed
    start_daemon "$2" || return 1
    # shellcheck disable=SC2086
    expect "with a new daemon" $closed
    apply web
    until_true 60 says "$held" answered 1 || wrong "the connection does not go on: $(cat "/tmp/hold.$held")"
    end_hold
}

play_end() {
    stop_daemon -TERM
    # Only a place that exists may be named.
    [ -e "$bpffs" ] && set -- --bpffs "$bpffs"
    inside node bulkheadctl uninstall "$@" >/tmp/uninstall 2>&1 || wrong "uninstall: $(cat /tmp/uninstall)"
    rm -f "$manifests/policies.yaml"
    # shellcheck disable=SC2086
    expect "after uninstall" $open
}

# load-facts by lines: support, missing, program, loaded.
play_load() {
    [ -e "$bpffs" ] && [ "$bpffs" != /proc/bpf ] && mkdir -p "$bpffs"
    load-facts >/tmp/facts 2>&1 || wrong "load-facts: $(tail -n 1 /tmp/facts)"
    while IFS= read -r line; do result "$line"; done </tmp/facts
    supports_ebpf=no
    grep -q '^loaded' /tmp/facts && supports_ebpf=yes
    # More than programs is needed.
    case $config in
    no-bpffs) supports_ebpf=no ;;
    nohz_full) ! is_nohz_full || supports_ebpf=no ;;
    esac
}

prepare_network() {
    lay_network
    mkdir -p "$manifests"
    write_objects >"$manifests/objects.yaml"
    for name in web db idle outside; do serve "$name"; done
}

# The daemon must take what was found possible.
check_choice() {
    grep -q '^datapath *ebpf' /tmp/status && chosen=yes || chosen=no
    [ "$chosen" = "$supports_ebpf" ] || wrong "eBPF possible: $supports_ebpf, chosen: $chosen"
}

# run_tier TIER WORLDS
run_tier() {
    play_load
    prepare_network
    case $1 in
    load)
        play_cells auto && check_choice
        [ "$config" = conntrack-full ] && fill_connections
        [ "$config" = plain ] || play_changes 4 auto
        play_end
        ;;
    table | all)
        play_cells nftables && play_changes 4 nftables && play_end
        if [ "$supports_ebpf" = yes ]; then play_cells ebpf && play_changes 4 ebpf && play_end; fi
        run_tests 'ConformanceTests.Live/TableTests'
        [ "$1" = table ] || run_worlds "$2"
        ;;
    esac
}

# run_tests FILTER: the table of the conformance tests and others, on the datapaths that this kernel has.
run_tests() {
    BULKHEAD_TEST_DATAPATHS=nftables
    [ "$supports_ebpf" = no ] || BULKHEAD_TEST_DATAPATHS=ebpf,nftables
    export BULKHEAD_TEST_DATAPATHS
    (ulimit -n 65536 && exec bulkheadPackageTests.xctest --testing-library swift-testing --filter "$1") >/tmp/tests 2>&1 ||
        { wrong "tests $1: $(grep -m 3 'recorded an issue' /tmp/tests)" && tail -n 100 /tmp/tests; }
    result tests "$1" "$(sed -n 's/.*Test run with //p' /tmp/tests | tail -n 1)"
    unset BULKHEAD_TEST_DATAPATHS
}

# run_worlds COUNT
run_worlds() {
    export BULKHEAD_WORLDS="$1"
    result note "$1 random worlds"
    run_tests 'ConformanceTests.PropertyQuestionTests/theRulesOfNftablesAnswer'
    [ "$supports_ebpf" = no ] ||
        run_tests 'ConformanceTests\.(PropertyKernel|PropertyQuestion|PropertyAdoption|FuzzPacket)Tests'
}

# The connection table full: what the kernel drops, what goes on, and how it is reported.
fill_connections() {
    begin web packet-probe hold --seconds 300 "tcp/$(address4 db)/6379" >/tmp/hold.full 2>&1 &
    holder=$!
    until_true 30 says full established 1 || wrong "no connection: $(cat /tmp/hold.full)"
    setting /proc/sys/net/netfilter/nf_conntrack_max 1
    probe_timeout=1000
    # Nothing that is denied gets through, and no new flow does; a second's pause of the held one would be seen.
    # The node reaches no pod either; the packets within a pod pass no table of the node.
    # shellcheck disable=SC2086
    expect "with a full connection table" web=ynnnnn db=nyyynn idle=nnnnyn node=nnnnnn outside=nnnnny
    says full silent 0 || wrong "an established connection is cut: $(cat /tmp/hold.full)"
    control status >/tmp/full 2>&1
    grep -q 'connection table is nearly full' /tmp/full || wrong "no condition connectionsFull: $(cat /tmp/full)"
    setting /proc/sys/net/netfilter/nf_conntrack_max 65536
    probe_timeout=3000
    # shellcheck disable=SC2086
    expect "with room again" $segmented
    # Only now: a connection to the metrics is a new flow too.
    dropped=$(metric 'bulkhead_connections_dropped_packets_total{reason="no_room"}')
    [ "${dropped:-0}" -gt 0 ] || wrong "no dropped connection is counted: '$dropped'"
    result note "connections dropped: $dropped"
    end_hold
}
