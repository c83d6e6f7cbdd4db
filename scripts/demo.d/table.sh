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

# The same as it was printed last.
declare -A printed=()

print_columns() {
    local column line
    line=$(printf '    %-11s' '')
    for column in "${columns[@]}"; do line+="$column  "; done
    printf '%s%s%s\n' "$bold" "${line%  }" "$plain"
}

# print_row ROW LETTERS: one letter a column.
print_row() {
    local index letter mark line
    line=$(printf '    %-11s' "$1")
    for ((index = 0; index < ${#2}; index++)); do
        letter=${2:index:1}
        case $letter in
        y) mark="$green✓$plain" ;;
        n) mark="$red✗$plain" ;;
        *) mark='·' ;;
        esac
        line+=$mark
        ((index == ${#2} - 1)) || line+=$(printf '%*s' $((${#columns[index]} + 1)) '')
    done
    printf '%s\n' "$line"
}

print_table() {
    local row
    print_columns
    for row in "${rows[@]}"; do
        print_row "$row" "${measured[$row]}"
        printed[$row]=${measured[$row]}
    done
}

# changed ROW: its letters, a dot for each that is as printed before.
changed() {
    local index letters=
    for ((index = 0; index < ${#measured[$1]}; index++)); do
        if [[ ${measured[$1]:index:1} == "${printed[$1]:index:1}" ]]; then
            letters+=.
        else
            letters+=${measured[$1]:index:1}
        fi
    done
    printf '%s' "$letters"
}

# Prints the rows that are not as printed before, and of these only the cells that changed.
print_changes() {
    local row letters count=0
    for row in "${rows[@]}"; do
        letters=$(changed "$row")
        [[ $letters == *[yn]* ]] || continue
        ((count > 0)) || print_columns
        count=$((count + 1))
        print_row "$row" "$letters"
    done
    ((count > 0)) || say "no cell changed"
}

remember() {
    local row
    for row in "${rows[@]}"; do printed[$row]=${measured[$row]}; done
}

# expect_table ROW=LETTERS...: fails where the table measured is another one.
expect_table() {
    local pair
    for pair in "$@"; do
        [[ ${measured[${pair%%=*}]} == "${pair#*=}" ]] ||
            fail "row ${pair%%=*}: expected ${pair#*=}, measured ${measured[${pair%%=*}]} (${columns[*]})"
    done
}

# cause_of ROW COLUMN: what the daemon says denies this cell.
cause_of() {
    local answer cause
    answer=$(control verdict "${verdict_name[$1]}" "${verdict_name[${2%%:*}]}" "${2#*:}/tcp" -o json)
    cause=$(jq -r 'if .verdict == "allow" then empty
        elif .egress.verdict == "deny" then "egress: " + .egress.reason
        else "ingress: " + .ingress.reason end' <<<"$answer")
    [[ $cause ]] || fail "$1 does not reach $2, but the daemon's verdict is: $answer"
    printf '%s' "$cause"
}

# Causes that were printed before.
declare -A explained=()

# For each cell that is denied, the daemon must say what denies it. Printed for the cells that changed, and once.
explain_table() {
    local row index cause letters
    for row in "${rows[@]}"; do
        letters=$(changed "$row")
        local -A cells=()
        local causes=()
        for index in "${!columns[@]}"; do
            [[ ${measured[$row]:index:1} == n ]] || continue
            cause=$(cause_of "$row" "${columns[index]}")
            [[ ${letters:index:1} == n ]] || continue
            [[ ${cells[$cause]:-} ]] || causes+=("$cause")
            cells[$cause]+=${cells[$cause]:+, }${columns[index]%%:*}
        done
        for cause in "${causes[@]}"; do
            [[ ${explained["$row $cause"]:-} ]] && continue
            explained["$row $cause"]=yes
            printf '      %s✗%s %s -> %s\n' "$red" "$plain" "$row" "${cells[$cause]}"
            printf '        %s\n' "$cause" | wrapped
        done
    done
}

# after ROW=LETTERS...: what changed by a step, checked and explained.
after() {
    measure
    print_changes
    expect_table "$@"
    explain_table
    remember
}
