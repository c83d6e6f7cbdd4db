# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What --stay leaves, how one gets in, and its removal.

# The folders of all demos of this user, running or left.
demo_folders() {
    local folder
    for folder in "$folders/$prefix"*; do
        [[ -d $folder && ! -L $folder && -O $folder && ${folder##*-} =~ ^[0-9]+$ ]] && printf '%s\n' "$folder"
    done
    return 0
}

# Whether the demo started this process. Its environment says so.
is_of_demo() { grep -qzx "BULKHEAD_DEMO_INSIDE=$1" "/proc/$2/environ" 2>/dev/null; }

# The processes of a demo without root: those in its user namespace. From inside, none. The kernel gives the number of a
# namespace that ended to the next one, so one process must be the demo's own.
demo_processes() {
    local user process found=() is_its=false
    user=$(cat "$folders/$1/user-namespace" 2>/dev/null || true)
    [[ $user && $user != "$(readlink /proc/self/ns/user)" ]] || return 0
    for process in /proc/[0-9]*; do
        [[ $(readlink "$process/ns/user" 2>/dev/null) == "$user" ]] || continue
        found+=("${process##*/}")
        $is_its || ! is_of_demo "${1##*-}" "${process##*/}" || is_its=true
    done
    $is_its && printf '%s\n' "${found[@]}"
    return 0
}

is_running() { [[ ! -e $folders/$1/stays && -d /proc/${1##*-} ]]; }

clean() {
    local folder removed=0
    while read -r folder; do
        is_running "${folder##*/}" && continue
        remove_network "${folder##*/}"
        removed=$((removed + 1))
    done < <(demo_folders)
    case $removed in
    0) echo "nothing was left by a demo" ;;
    1) echo "removed the network of one demo" ;;
    *) echo "removed the networks of $removed demos" ;;
    esac
}

# enter NAMESPACE [COMMAND...]: in the newest network that stays.
enter() {
    local folder newest='' processes where
    while read -r folder; do
        [[ -e $folder/stays && (! $newest || $folder -nt $newest) ]] && newest=$folder
    done < <(demo_folders)
    [[ $newest ]] || refuse "no demo's network is here: run scripts/demo --stay first, as the same user"
    where=${newest##*/}-$1
    shift
    (($# > 0)) || set -- bash
    if ((EUID == 0)); then
        [[ -e /run/netns/$where ]] || refuse "'${where#"$prefix"*-}' is not one of: $(namespaces_of "${newest##*/}")"
        exec nsenter --net="/run/netns/$where" "$@"
    fi
    mapfile -t processes < <(demo_processes "${newest##*/}")
    ((${#processes[@]} > 0)) || refuse "the processes of $newest are gone: run scripts/demo --clean"
    # shellcheck disable=SC2016
    exec nsenter --target "${processes[0]}" --user --preserve-credentials --mount bash -c '
        cd "$1" || exit
        [[ -e /run/netns/$2 ]] || { echo "demo: there is no namespace ${2##*-}" >&2; exit 2; }
        exec nsenter --net="/run/netns/$2" "${@:3}"' _ "$PWD" "$where" "$@"
}

namespaces_of() {
    local path
    for path in "/run/netns/$1"-*; do printf '%s ' "${path##*-}"; done
}

# Leaves everything as it is, and says what one can do with it.
stay() {
    local repository client
    printf -v repository %q "$PWD"
    printf -v client %q "${bin#"$PWD/"}/bulkheadctl"
    touch "$run/stays"
    trap - EXIT
    cat <<TEXT

The network stays, with the daemon and the policies of scene 2. In a shell on this machine:
    cd $repository
    socket=$run/bulkheadd.sock
    bulkheadctl() { $client "\$@" --socket \$socket; }
    bulkheadctl status
    bulkheadctl events -f
    bulkheadctl explain default/wordpress default/redis 6379/tcp
Inside a pod (wordpress, backend, redis), the node or outside; without a command, a shell:
    scripts/demo --enter wordpress curl -sS -m 2 http://${pod_address[redis]}:6379
Policy follows the files of this folder, at once:
    $run/manifests
Remove it:
    scripts/demo --clean
TEXT
    finish "; the last one, uninstall, was left out"
    exit 0
}
