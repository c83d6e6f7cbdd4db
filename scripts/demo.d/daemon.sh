# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The daemon, the programs next to it, and the files that it follows.

clean_up() {
    trap - EXIT
    kill -9 ${daemon:+"$daemon"} "${started[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    remove_network "$name"
}

control() { "$bin/bulkheadctl" "$@" --socket "$run/bulkheadd.sock"; }

# until_true WHAT COMMAND...: waits at most thirty seconds.
until_true() {
    local end=$((SECONDS + 30))
    while ((SECONDS < end)); do
        "${@:2}" && return 0
        sleep 0.02
    done
    fail "$1: timeout"
}

serve() {
    begin "$1" "$run/serve-$1.out" "$bin/packet-probe" serve --at "${@:2}"
    started+=($!)
    disown
    until_true "servers of $1" grep -qs serving "$run/serve-$1.out"
}

start_daemon() {
    begin node "$run/daemon.log" "$bin/bulkheadd" --node-name node --manifests "$run/manifests" \
        --guardrails "$run/guardrails" --datapath "$datapath" --bpffs "$run/bpf" --socket "$run/bulkheadd.sock"
    daemon=$!
    until_true "bulkheadd" daemon_answers
}
daemon_answers() { control status >/dev/null 2>&1; }

followed() { [[ $(control status -o json | jq .followers) == 1 ]]; }

policies_are() { [[ $(control policies -o json | jq -r '[.policies[].name] | sort | join(" ")') == "$1" ]]; }
# The exit code of status is an error while a document is refused; only the answer matters here.
problems() { control status -o json | jq -c '.manifests.problems' || true; }
some_problem() { [[ $(problems) != '[]' ]]; }

# guard FILE...: makes these files of examples/guardrails the guardrails.
guard() {
    local file
    # A file with only a comment makes the directory empty on purpose.
    echo '# Guardrails of this demo' >"$run/guardrails/.about" && mv "$run/guardrails/.about" "$run/guardrails/about.yaml"
    for file in "$run"/guardrails/*.yaml; do
        [[ ${file##*/} == about.yaml ]] || rm "$file"
    done
    for file in "$@"; do
        cp "examples/guardrails/$file" "$run/guardrails/.$file" && mv "$run/guardrails/.$file" "$run/guardrails/$file"
    done
    if (($# > 0)); then shown "cp ${*/#/examples/guardrails/} guardrails/"; else shown "rm guardrails/*.yaml"; fi
}

# Files of the directory that are not policies.
kept=cluster.yaml

# put FILE...: puts the cluster and only these examples into the directory.
put() {
    local file path removed=() added=()
    for file in "$run"/manifests/*.yaml; do
        file=${file##*/}
        [[ " $* $kept " == *" $file "* ]] && continue
        rm "$run/manifests/$file"
        removed+=("manifests/$file")
    done
    for file in "$@"; do
        path=$(echo examples/*/"$file")
        cmp -s "$path" "$run/manifests/$file" && continue
        # Renamed into place in one step, as by an editor or a controller.
        cp "$path" "$run/manifests/.$file" && mv "$run/manifests/.$file" "$run/manifests/$file"
        added+=("$path")
    done
    ((${#removed[@]} == 0)) || shown "rm ${removed[*]}"
    ((${#added[@]} == 0)) || shown "cp ${added[*]} manifests/"
}
