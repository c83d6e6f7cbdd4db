# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # variables are those of kubectl-bulkhead
# Nodes, and Bulkhead's pods on them.

# node_of POD: the node that runs it.
node_of() {
    full=$(qualified "$1")
    if ! is_name "${full%%/*}" || ! is_name "${full#*/}"; then fail 2 "'$full' is not the name of a pod"; fi
    found=$(kube get pod -n "${full%%/*}" "${full#*/}" -o 'jsonpath={.spec.nodeName}') ||
        fail 1 "the node of the pod $full cannot be found"
    [ -n "$found" ] || fail 1 "the pod $full is not on a node yet"
    is_name "$found" || fail 1 "the node of the pod $full has an impossible name"
    printf '%s' "$found"
}

# agents: Bulkhead's pods that run, as lines NODE POD. A pod that is being deleted does not count.
agents() {
    lines=$(kube get pods -n "$agent_namespace" -l "$agent_label" ${1:+--field-selector "spec.nodeName=$1"} -o \
        'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name} {.status.phase} {.metadata.deletionTimestamp}{"\n"}{end}') ||
        fail 1 "Bulkhead's pods in the namespace $agent_namespace cannot be listed"
    printf '%s\n' "$lines" | while read -r at pod phase deleted; do
        [ "$phase" = Running ] && [ -z "$deleted" ] && is_name "$at" && is_name "$pod" && printf '%s %s\n' "$at" "$pod"
    done
    return 0
}

# agent_on NODE
agent_on() {
    lines=$(agents "$1") || exit 1
    [ -n "$lines" ] || fail 1 "no pod of Bulkhead ($agent_label in $agent_namespace) runs on the node $1"
    printf '%s\n' "$lines" | { read -r _ pod && printf '%s' "$pod"; }
}

# control FLAGS POD ARGUMENTS: becomes bulkheadctl in that pod, so that ending this process ends kubectl.
control() {
    flags=$1
    agent=$2
    shift 2
    set -- -n "$agent_namespace" -c "$agent_container" "$agent" -- bulkheadctl "$@"
    eval "exec kubectl $kubectl_words exec $flags \"\$@\""
}
