# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the demo needs, checked before anything is built: packages, rights, and the kernel by a trial of every kind of
# object that the scenes make.

packages=(iproute2 nftables iptables procps jq haproxy curl)
problems_found=()
problem() { problems_found+=("$1"); }

# value_of FILE: the setting of the kernel, empty if this kernel does not have it.
value_of() { cat "/proc/sys/$1" 2>/dev/null || true; }

check_kernel_version() {
    local release major minor
    release=$(uname -r)
    IFS=.- read -r major minor _ <<<"$release"
    ((major * 1000 + minor >= 5010)) || problem "Linux $release is too old: 5.10 or newer is needed"
}

# Without root, the scenes play in a user namespace, where this user is root.
check_user_namespaces() {
    local answer
    answer=$(unshare -Urnm true 2>&1) && return
    if [[ $(value_of user/max_user_namespaces) == 0 ]]; then
        problem "user namespaces are switched off here: run 'sudo sysctl -w user.max_user_namespaces=10000'"
    elif [[ $(value_of kernel/unprivileged_userns_clone) == 0 ]]; then
        problem "only root may make user namespaces: run 'sudo sysctl -w kernel.unprivileged_userns_clone=1'"
    elif [[ $(value_of kernel/apparmor_restrict_unprivileged_userns) == 1 ]]; then
        problem "AppArmor restricts user namespaces: run
    'sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0', which lasts until the next boot"
    else
        problem "no user namespace can be made (${answer:-unknown reason}); inside a container, its
    runtime forbids it: use another machine, or run the demo as root"
    fi
    return 1
}

# Commands in namespaces of their own: with the rights of root over them, for any user.
isolated() {
    if ((EUID == 0)); then unshare -nm "$@"; else unshare -Urnm "$@"; fi
}

check_kernel_objects() {
    local answer
    answer=$(isolated bash scripts/demo.d/trial.bash 2>&1) || problem "$answer"
}

check_packages() {
    local answer line
    local check=(scripts/install-packages --check)
    [[ $programs ]] && check+=(--no-build)
    answer=$("${check[@]}" "${packages[@]}" 2>&1) && return
    while IFS= read -r line; do problem "${line#install-packages: }"; done <<<"$answer"
    return 1
}

check_programs() {
    local program
    [[ $programs ]] || return 0
    for program in "${products[@]}"; do
        [[ -x $programs/$program ]] || problem "--programs: $programs has no program $program"
    done
}

# The first place in which the build must write and cannot, if there is one. In .build that may be what root has built.
unwritable() {
    if [[ ! -w . && ! (-e .build && -e Package.resolved) ]]; then
        echo .
    elif [[ -e Package.resolved && ! -w Package.resolved ]]; then
        echo Package.resolved
    elif [[ -e .build ]]; then
        find .build/ \( -type d -o ! -user "$EUID" \) ! -type l ! -writable -print -quit 2>/dev/null
    fi
}

# why_unwritable PATH: the reason, and what to do.
why_unwritable() {
    local owner
    owner=$(stat -c %U "$1")
    if findmnt -n -o OPTIONS -T "$1" | grep -qE '(^|,)ro(,|$)'; then
        echo "its file system is read-only: copy the repository"
    elif [[ $owner != "$(id -un)" && $1 != . ]]; then
        echo "it belongs to $owner: run 'sudo chown -R $(id -un) ${1%%/*}', copy the repository"
    elif [[ $owner != "$(id -un)" ]]; then
        echo "it belongs to $owner: copy the repository"
    else
        echo "its mode is $(stat -c %A "$1"): change that, copy the repository"
    fi
}

# Where the build writes.
check_folder() {
    local path free
    [[ $programs ]] && return
    path=$(unwritable || true)
    if [[ $path ]]; then
        problem "the build cannot write into $(realpath "$path"),
    because $(why_unwritable "$path"), or name built programs with --programs"
        return
    fi
    [[ -x .build/release/bulkheadd ]] && return
    free=$(df --output=avail -k . | tail -n 1)
    [[ ! -e .build ]] || free=$(df --output=avail -k .build/ | tail -n 1)
    ((free > build_gigabytes << 20)) || problem "a build needs $build_gigabytes GB of disk space, $PWD has $((free >> 20)) GB left"
}

# Where the scenes put their files.
check_run_folder() { [[ -w $folders ]] || problem "$folders cannot be written: the demo's sockets and logs are there"; }

# Prints what is missing and ends, or returns.
check_machine() {
    local text
    problems_found=()
    check_kernel_version
    check_programs
    check_folder
    check_run_folder
    if check_packages && { ((EUID == 0)) || check_user_namespaces; }; then check_kernel_objects; fi
    ((EUID == 0)) || [[ $datapath != ebpf ]] ||
        problem "eBPF needs privileges that no user namespace gives: run as root, or without --datapath"
    ((${#problems_found[@]} == 0)) && return
    printf 'demo: this machine cannot run it yet; nothing was built or changed:\n' >&2
    for text in "${problems_found[@]}"; do printf '  - %s\n' "$text" >&2; done
    exit 1
}
