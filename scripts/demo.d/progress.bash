# SPDX-License-Identifier: Apache-2.0
# progress.bash LOG COMMAND...: runs a build and shows how far it is in one line that changes. Its output goes to the file
# LOG, and is printed if it fails. Without a terminal it prints a line every tenth of the way.
set -euo pipefail

log=$1
began=$SECONDS
shown=-1
width=$(($(tput cols 2>/dev/null || echo 80) - 1))
((width <= 99)) || width=99

# Sets spent, as minutes and seconds.
clock() { printf -v spent '%d:%02d' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)); }

# show DONE ALL TEXT
show() {
    local percent=$((100 * $1 / $2)) line
    clock
    printf -v line '  building %3d%%  %s  %s' "$percent" "$spent" "$3"
    if [[ -t 1 ]]; then
        printf '\r%s\e[K' "${line:0:width}"
    elif ((percent / 10 > shown)); then
        shown=$((percent / 10))
        printf '%s\n' "${line:0:width}"
    fi
}

exec 3>"$log"
status=0
while IFS= read -r line; do
    printf '%s\n' "$line" >&3
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\]\ (.*)$ ]]; then
        ((BASH_REMATCH[2] > 0)) && show "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}"
    elif [[ $line =~ ^(Fetching|Computing|Creating|Updating)\  ]]; then
        show 0 1 "$line"
    elif [[ $line =~ ^exit\ status\ of\ the\ build:\ ([0-9]+)$ ]]; then
        status=${BASH_REMATCH[1]}
    fi
done < <("${@:2}" 2>&1 || echo "exit status of the build: $?")

[[ -t 1 ]] && printf '\r\e[K'
if ((status != 0)); then
    # Steps that went well say nothing; the rest is what the compiler said.
    grep -vE '^(\[[0-9]+/[0-9]+\] |(Fetching|Fetched|Computing|Computed|Creating|Updating|Updated) |exit status of the build)' "$log" >&2 || true
    printf 'the build failed with exit status %d; all of its output is in %s\n' "$status" "$log" >&2
    exit "$status"
fi
clock
printf '  built in %s\n' "$spent"
