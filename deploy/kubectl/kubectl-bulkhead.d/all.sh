# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # variables are those of kubectl-bulkhead
# The same command on all nodes, merged.

[ "$command" != top ] || fail 2 "'top' shows one node: add --node NODE"
work=$(mktemp -d "${TMPDIR:-/tmp}/kubectl-bulkhead.XXXXXX") || fail 1 "no directory for temporary files"

# Everything that still runs ends with this script: background processes of a shell ignore an interrupt.
# shellcheck disable=SC2317 # traps call it
end_all() {
    : >"$work/stop"
    for recorded in "$work"/pid.*; do
        [ ! -f "$recorded" ] || kill "$(cat "$recorded")" 2>/dev/null
    done
}
trap 'rm -rf "$work"' EXIT
trap 'trap "" INT TERM HUP; end_all; wait; exit 130' INT TERM HUP

agents >"$work/agents.unsorted" || exit 1
sort -u -k1,1 "$work/agents.unsorted" >"$work/agents"
: >"$work/missing"
# Nodes that were taken out have none on purpose.
if nodes=$(kube get nodes -l 'kubernetes.io/os=linux,bulkhead.dev/disabled!=true' \
    -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' 2>/dev/null); then
    printf '%s\n' "$nodes" | while read -r name; do
        is_name "$name" || continue
        cut -d ' ' -f 1 "$work/agents" | grep -qxF -e "$name" || printf '%s\n' "$name" >>"$work/missing"
    done
    out=$(kube get nodes -l bulkhead.dev/disabled=true -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' 2>/dev/null |
        while read -r name; do ! is_name "$name" || printf ' %s' "$name"; done)
    [ -z "$out" ] || echo "note: these nodes were taken out by the label bulkhead.dev/disabled:$out" >&2
else
    echo 'note: nodes cannot be listed; a node without a pod of Bulkhead is not noticed' >&2
fi
count=$(wc -l <"$work/agents")
[ "$count" -gt 0 ] || fail 1 "no pod of Bulkhead ($agent_label in $agent_namespace) runs"
[ -z "$input" ] || cat >"$work/input"

# label_lines NODE: each line as it comes, with the node.
label_lines() {
    while IFS= read -r line; do
        case $json$line in
        yes'{}') printf '{"node":"%s"}\n' "$1" ;;
        yes'{'*) printf '{"node":"%s",%s\n' "$1" "${line#?}" ;;
        *) printf '%s: %s\n' "$1" "$line" ;;
        esac
    done
}

# label NODE: a complete answer, with the node.
label() {
    if [ -n "$json" ]; then
        sed -e "s/^{}\$/{\"node\":\"$1\"}/" -e "s/^{\"\(.*\)\$/{\"node\":\"$1\",\"\1/;t" -e "s/^{\$/{\\
  \"node\" : \"$1\",/"
    elif [ -n "$yaml" ]; then
        printf -- '---\nnode: %s\n' "$1"
        cat
    else
        sed "s/^/$1: /"
    fi
}

# complaints NODE: kubectl's own last line says only what the exit code says.
complaints() {
    while IFS= read -r line; do
        case $line in
        'command terminated with exit code '*) echo told >"$work/told.$1" ;;
        *) printf '%s: %s\n' "$1" "$line" >&2 ;;
        esac
    done
}

# ask NODE POD ARGUMENTS: its answer into files, or onto standard output if it is a stream.
ask() {
    at=$1
    pod=$2
    shift 2
    mkfifo "$work/out.$at" "$work/err.$at" || exit 1
    complaints "$at" <"$work/err.$at" &
    teller=$!
    if [ -n "$stream" ]; then
        label_lines "$at" <"$work/out.$at" &
    else
        cat <"$work/out.$at" >"$work/answer.$at" &
    fi
    reader=$!
    if [ -n "$input" ]; then
        control -i "$pod" "$@" <"$work/input" >"$work/out.$at" 2>"$work/err.$at" &
    else
        control "" "$pod" "$@" </dev/null >"$work/out.$at" 2>"$work/err.$at" &
    fi
    running=$!
    echo "$running" >"$work/pid.$at"
    [ ! -f "$work/stop" ] || kill "$running" 2>/dev/null
    guard=
    if [ -z "$stream" ]; then
        (
            trap 'kill "$sleeper" 2>/dev/null; exit 0' TERM
            sleep "$limit" &
            sleeper=$!
            wait "$sleeper"
            echo late >"$work/late.$at"
            kill "$running" 2>/dev/null
        ) </dev/null >/dev/null 2>&1 &
        guard=$!
    fi
    # A shell's word about the end of a process that this script has ended says nothing to the user.
    wait "$running" 2>/dev/null
    code=$?
    [ -z "$guard" ] || { kill "$guard"; wait "$guard"; } 2>/dev/null
    wait "$teller" "$reader"
    rm -f "$work/pid.$at"
    # Without kubectl's word about an exit code, the command has not run to its end there.
    if [ -f "$work/stop" ]; then
        return
    elif [ -f "$work/late.$at" ]; then
        printf '%s: no answer within %s s\n' "$at" "$limit" >&2
        code=1
    elif [ "$code" -ne 0 ] && [ ! -f "$work/told.$at" ]; then
        printf '%s: no answer from this node\n' "$at" >&2
        code=1
    fi
    echo "$code" >"$work/code.$at"
}

# worker NUMBER ARGUMENTS: every node whose turn it is.
worker() {
    turn=$1
    shift
    index=0
    while read -r at pod <&3; do
        index=$((index + 1))
        [ $((index % workers)) -eq "$turn" ] || continue
        [ ! -f "$work/stop" ] || return 0
        ask "$at" "$pod" "$@" 3<&-
    done 3<"$work/agents"
}

# A stream has no end: all nodes are followed at once.
workers=$parallel
[ -z "$stream" ] || workers=$count
turn=0
while [ "$turn" -lt "$workers" ]; do
    worker "$turn" "$@" &
    turn=$((turn + 1))
done
wait

# The worst: 2 and 1, then the highest of those that are an answer.
worst=0
while read -r at _; do
    code=$(cat "$work/code.$at" 2>/dev/null || echo 1)
    if [ -s "$work/answer.$at" ]; then
        if [ "$command" = diags ] && [ -z "$wants_list" ]; then
            [ "$code" -eq 0 ] || { worst=1; continue; }
            umask 077
            name=$(archive_name "$at")
            # -C: nor is a link of someone else followed.
            if [ -e "$name" ] || [ -h "$name" ]; then
                printf '%s: %s exists already\n' "$at" "$name" >&2
                code=1
            elif (set -C && cat "$work/answer.$at" >"$name"); then
                printf '%s: wrote %s\n' "$at" "$name" >&2
            else
                code=1
            fi
        else
            label "$at" <"$work/answer.$at"
        fi
    fi
    case $worst,$code in
    2,* | *,0) ;;
    *,2) worst=2 ;;
    1,*) ;;
    *,1) worst=1 ;;
    *) [ "$code" -le "$worst" ] || worst=$code ;;
    esac
done <"$work/agents"
while read -r name; do
    printf '%s: no pod of Bulkhead runs on this node\n' "$name" >&2
    [ "$worst" -eq 2 ] || worst=1
done <"$work/missing"
exit "$worst"
