# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the demo prints, within the columns of a usual terminal.

red='' green='' bold='' plain=''
if [[ -t 1 && ! ${NO_COLOR:-} ]]; then red=$'\e[31m' green=$'\e[32m' bold=$'\e[1m' plain=$'\e[0m'; fi

scenes_played=0
scene() {
    printf '\n%s%s%s\n' "$bold" "$1" "$plain"
    scenes_played=$((scenes_played + 1))
}
scenes_in_all() { grep -c '^scene ' scripts/demo; }
say() { printf '  %s\n' "$1" | wrapped; }

# Breaks long lines between words; what follows is indented by two more.
wrapped() {
    awk -v columns="$columns_at_most" '{
        match($0, /^ */)
        indent = sprintf("%" RLENGTH "s", "")
        line = indent
        count = split($0, words, / +/)
        if (length($0) <= columns) { print; next }
        used = 0
        for (i = 1; i <= count; i++) {
            if (words[i] == "") continue
            if (used && length(line) + 1 + length(words[i]) > columns) {
                print line
                line = indent "  " words[i]
            } else {
                line = used ? line " " words[i] : line words[i]
            }
            used = 1
        }
        print line
    }'
}

# shown COMMAND: a command as a user would type it.
shown() { printf '    %s$ %s%s\n' "$bold" "$1" "$plain" | wrapped; }

# typed ARGUMENTS...: a command of the client, and what it answers.
typed() {
    shown "bulkheadctl $*"
    COLUMNS=$((columns_at_most - 4)) control "$@" | sed 's/^/    /' | wrapped
}

# shorten FILE: its first and last lines, and how many are between.
shorten() {
    local count
    count=$(wc -l <"$1")
    if ((count <= 4)); then
        sed 's/^/    /' "$1"
    else
        head -n 1 "$1" | sed 's/^/    /'
        printf '    … and %d more\n' $((count - 2))
        tail -n 1 "$1" | sed 's/^/    /'
    fi
}

# finish REST: what ends the output.
finish() {
    printf '\n%s%d of %d scenes as they should be, in %d seconds%s.%s\n' \
        "$green" "$scenes_played" "$(scenes_in_all)" "$((SECONDS - began))" "${1:-}" "$plain"
}

fail() {
    printf '%sdemo: scene %d of %d: %s%s\n' "$red" "$scenes_played" "$(scenes_in_all)" "$1" "$plain" >&2
    [[ -s $run/daemon.log ]] && { echo "the daemon's log ends with:" && tail -n 20 "$run/daemon.log"; } >&2
    exit 1
}
