# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Who reaches whom, by real connections: 5 sources, 6 targets, both families.

sources='web db idle node outside'
targets='web/tcp/8080 db/tcp/6379 db/tcp/8080 db/udp/5353 idle/tcp/8080 outside/tcp/80'
families() { if has_ipv6; then echo 4 6; else echo 4; fi; }

serve() {
    at=$(address4 "$1")
    has_ipv6 && at=$at,$(address6 "$1")
    begin "$1" packet-probe serve --at "$at" tcp/6379 tcp/8080 tcp/80 udp/5353 >"/tmp/serve.$1" 2>&1 &
    until_true 60 grep -qs serving "/tmp/serve.$1" || wrong "no server in $1: $(cat "/tmp/serve.$1")"
}

# ask SOURCE FAMILY: a letter for each target, y or n.
ask() {
    probes=
    for target in $targets; do
        name=${target%%/*} rest=${target#*/}
        probes="$probes ${rest%/*}/$(address"$2" "$name")/${rest#*/}"
    done
    from=
    # The address that policy knows the host by.
    [ "$1" != outside ] || from="--from $(address"$2" outside)"
    # shellcheck disable=SC2086
    inside "$1" packet-probe probe --timeout "$probe_timeout" $from $probes |
        sed -n -e 's/.*"outcome":"answered".*/y/p' -e 't' -e 's/.*"outcome":.*/n/p' | tr -d '\n'
}
probe_timeout=3000

# measure: one word for each family and source, such as 4web=ynynyy, in order.
measure() {
    for family in $(families); do
        for source in $sources; do
            ask "$source" "$family" >"/tmp/asked.$family.$source" &
            pids="$pids $!"
        done
    done
    # shellcheck disable=SC2086
    wait $pids
    pids=
    for family in $(families); do
        for source in $sources; do
            printf '%s%s=%s ' "$family" "$source" "$(cat "/tmp/asked.$family.$source")"
        done
    done
}

# What was reached once is reached, but on a machine this slow an answer may come too late: where one is missing,
# everything is probed again. either BEFORE NOW
either() {
    awk -v a="$1" -v b="$2" 'BEGIN {
        for (i = 1; i <= length(b); i++) printf "%s", substr(a, i, 1) == "y" ? "y" : substr(b, i, 1)
    }'
}

# expect WHEN ROW=LETTERS...: the same in each family. Cells that differ are named.
expect() {
    when=$1
    shift
    expected=
    for family in $(families); do
        for row in "$@"; do expected="$expected$family$row "; done
    done
    measured=
    for _ in 1 2 3 4 5; do
        measured=$(either "$measured" "$(measure)")
        [ "$measured" != "$expected" ] || break
    done
    [ "$measured" = "$expected" ] || wrong "$when: expected $expected, measured $measured ($targets)"
    result cells "$when" "$(echo "$measured" | sed 's/[^ ]*=//g' | tr -d -c 'yn' | wc -c)"
}

open='web=yyyyyy db=yyyyyy idle=yyyyyy node=yyyyyy outside=yyyyyy'
# A pod reaches itself, and its own node reaches it.
segmented='web=yynyyy db=yyyyyy idle=nnnnyy node=yyyyyy outside=ynnnyy'
closed='web=ynnnyy db=yyyyyy idle=nnnnyy node=yyyyyy outside=ynnnyy'
