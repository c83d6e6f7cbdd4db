# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's command line.

usage() {
    cat <<'TEXT'
usage: scripts/demo [--stay] [--datapath ebpf|nftables] [--programs DIR]
           Plays the scenes. As root on eBPF, or on nftables where the kernel lacks eBPF. As an
           ordinary user in a user namespace, on nftables.
           --stay leaves the network and the daemon up after the last scene.
           --programs DIR uses the programs in DIR; without it, they are built.
       scripts/demo --check
           Says whether the scenes can run here, and what is missing.
       scripts/demo --enter NAMESPACE [COMMAND...]
           A shell, or a command, in the network that --stay left: node, outside, or a pod.
       scripts/demo --clean
           Removes what --stay left, or a demo that was killed.
TEXT
}

# What the command line asks for. Other files read these.
# shellcheck disable=SC2034
{
    action=play
    stays=false
    datapath=auto
    programs=
    operands=()
}

refuse() {
    printf 'demo: %s\n' "$1" >&2
    usage >&2
    exit 2
}

# shellcheck disable=SC2034
parse_options() {
    local option value
    while (($# > 0)); do
        option=$1 value=
        shift
        case $option in
        --datapath=* | --programs=*) value=${option#*=} option=${option%%=*} ;;
        --datapath | --programs)
            (($# > 0)) || refuse "$option needs a value"
            value=$1
            shift
            ;;
        esac
        case $option in
        --stay) stays=true ;;
        --datapath)
            [[ $value == ebpf || $value == nftables ]] || refuse "--datapath is ebpf or nftables, not '$value'"
            datapath=$value
            ;;
        --programs)
            programs=$value
            [[ $value == /* ]] || programs=${called_from:-$PWD}/$value
            [[ $value && -d $programs ]] || refuse "--programs: '$value' is not a directory"
            programs=$(cd "$programs" && pwd)
            ;;
        --check | --clean)
            [[ $action == play ]] || refuse "--$action and $option exclude each other"
            action=${option#--}
            ;;
        --enter)
            [[ $action == play ]] || refuse "--$action and $option exclude each other"
            (($# > 0)) || refuse "--enter needs the name of a namespace, such as wordpress"
            action=enter operands=("$@")
            return
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *) refuse "'$option' is not an option" ;;
        esac
    done
}
