# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Results, and waiting.

failures=0

# result KEY WORD...: one line to the host, with tabs between.
result() {
    (IFS='	' && printf '%s\n' "$*") >/dev/ttyS1
}

# wrong TEXT: a check failed.
wrong() {
    failures=$((failures + 1))
    result wrong "$1"
    echo "WRONG: $1"
}

# until_true SECONDS COMMAND...
until_true() {
    limit=$(($(cut -d. -f1 /proc/uptime) + $1))
    shift
    until "$@"; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt "$limit" ] || return 1
        sleep 0.2
    done
}
