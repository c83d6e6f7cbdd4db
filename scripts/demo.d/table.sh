# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The connectivity table: who reaches what, asked with real TCP connections, all at once.

rows=(wordpress backend redis outside node)
columns=(wordpress:80 backend:8080 redis:6379 clusterip:6379 outside:443 metadata:80)
targets=(
    "tcp/${pod_address[wordpress]}/80" "tcp/${pod_address[backend]}/8080" "tcp/${pod_address[redis]}/6379"
    "tcp/$redis_service/6379" tcp/203.0.113.80/443 tcp/169.254.169.254/80)
# The ends in a verdict's question: pods by name, others by address, and for the ClusterIP the pod behind it.
declare -Ar verdict_name=(
    [wordpress]=default/wordpress [backend]=default/backend [redis]=default/redis [clusterip]=default/redis
    [outside]=203.0.113.80 [node]=192.0.2.10 [metadata]=169.254.169.254)

# By row, one letter a column: y reached, n not. The outside host asks for the pods alone.
declare -A measured=()

measure() {
    local row asked=()
    for row in "${rows[@]}"; do
        if [[ $row == outside ]]; then
            begin outside "$run/$row.row" "$bin/packet-probe" probe --timeout 300 --from 203.0.113.80 "${targets[@]:0:3}"
        else
            begin "$row" "$run/$row.row" "$bin/packet-probe" probe --timeout 300 "${targets[@]}"
        fi
        asked+=($!)
    done
    wait "${asked[@]}"
    for row in "${rows[@]}"; do
        measured[$row]=$(jq -rj 'if .outcome == "answered" then "y" else "n" end' "$run/$row.row")
    done
}

# print_table TITLE
print_table() {
    local row column letter index mark
    printf '    %s%-11s%s' "$bold" "$1" "$plain"
    printf '%-16s' "${columns[@]}"
    printf '\n'
    for row in "${rows[@]}"; do
        printf '    %-11s' "$row"
        for index in "${!columns[@]}"; do
            letter=${measured[$row]:index:1}
            case $letter in
            y) mark="$green✓$plain" ;;
            n) mark="$red✗$plain" ;;
            *) mark=' ' ;;
            esac
            printf '%s%15s' "$mark" ''
        done
        printf '\n'
    done
}

# expect_table ROW=LETTERS...: fails where the table measured is another one.
expect_table() {
    local pair
    for pair in "$@"; do
        [[ ${measured[${pair%%=*}]} == "${pair#*=}" ]] ||
            fail "row ${pair%%=*}: expected ${pair#*=}, measured ${measured[${pair%%=*}]} (${columns[*]})"
    done
}

# For each cell that is denied: what the daemon says denies it.
explain_table() {
    local row index column answer cause
    for row in "${rows[@]}"; do
        for index in "${!columns[@]}"; do
            [[ ${measured[$row]:index:1} == n ]] || continue
            column=${columns[index]}
            answer=$(control verdict "${verdict_name[$row]}" "${verdict_name[${column%%:*}]}" "${column#*:}/tcp" -o json)
            cause=$(jq -r 'if .verdict == "allow" then empty
                elif .egress.verdict == "deny" then "egress: " + .egress.reason
                else "ingress: " + .ingress.reason end' <<<"$answer")
            [[ $cause ]] || fail "$row does not reach $column, but the daemon's verdict is: $answer"
            printf '      %s✗%s %s -> %s: %s\n' "$red" "$plain" "$row" "$column" "$cause"
        done
    done
}

# after ROW=LETTERS...: the table after a step, checked and explained.
after() {
    measure
    print_table after
    expect_table "$@"
    explain_table
}
