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

# Where the build writes.
check_folder() {
    local folder=.build free
    [[ $programs ]] && return
    [[ -e $folder ]] || folder=.
    if [[ ! -w $folder ]]; then
        problem "$PWD cannot be written: copy the repository, or name built programs with --programs"
        return
    fi
    [[ -x .build/release/bulkheadd ]] && return
    free=$(df --output=avail -k "$folder" | tail -n 1)
    ((free > build_gigabytes << 20)) || problem "a build needs $build_gigabytes GB of disk space, $PWD has $((free >> 20)) GB left"
}

# Prints what is missing and ends, or returns.
check_machine() {
    local text
    problems_found=()
    check_kernel_version
    check_programs
    check_folder
    if check_packages && { ((EUID == 0)) || check_user_namespaces; }; then check_kernel_objects; fi
    ((EUID == 0)) || [[ $datapath != ebpf ]] ||
        problem "eBPF needs privileges that no user namespace gives: run as root, or without --datapath"
    ((${#problems_found[@]} == 0)) && return
    printf 'demo: this machine cannot run it yet; nothing was built or changed:\n' >&2
    for text in "${problems_found[@]}"; do printf '  - %s\n' "$text" >&2; done
    exit 1
}
