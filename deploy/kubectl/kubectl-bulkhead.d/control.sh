# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # variables are those of kubectl-bulkhead
# bulkheadctl's arguments: the pods in question, and what the plugin has to know of them. Sets the positional parameters.

eval "set -- $rest"
pods=
stream=
input=
json=
yaml=
archive=
file=
previous=
position=0
asks_help=
# add_pod WORD: if it can be a pod's name. Addresses, ranges of them and Services are none.
add_pod() {
    case $1 in
    *:* | svc/* | service/* | services/* | */svc/* | */service/* | */services/* | *.svc | *.svc.* | '') return ;;
    [0-9]*.[0-9]*.[0-9]*.[0-9]*) return ;;
    */*/*) return ;;
    esac
    pods="$pods $1"
}
# add_named WORD: what an option names: a pod, an address or a range.
add_named() {
    case $1 in '' | *[!a-z0-9./:-]*) fail 2 "'$1' is neither a pod nor an address" ;; esac
    add_pod "$1"
}
for word; do
    case $previous in
    --pod) add_named "$word" ;;
    -o | --output)
        case $word in json) json=yes ;; yaml) yaml=yes ;; esac
        [ "$command" != diags ] || archive=$word
        ;;
    -f | --filename)
        case $command in
        apply | delete | preview)
            [ "$word" = - ] || file=$word
            input=yes
            ;;
        esac
        ;;
    esac
    previous=
    case $word in
    --pod | -o | --output | --filename) previous=$word ;;
    --pod=*) add_named "${word#*=}" ;;
    -ojson | -o=json | --output=json) json=yes ;;
    -oyaml | -o=yaml | --output=yaml) yaml=yes ;;
    --output=* | -o=*) [ "$command" != diags ] || archive=${word#*=} ;;
    -o?*) [ "$command" != diags ] || archive=${word#-o} ;;
    --filename=*)
        [ "${word#*=}" = - ] || file=${word#*=}
        input=yes
        ;;
    --follow) stream=yes ;;
    -f)
        case $command in
        apply | delete | preview) previous=$word ;;
        *) stream=yes ;;
        esac
        ;;
    --bundle | --bundle=*) fail 2 "'--bundle' would write in Bulkhead's pod: -o json has the same as 'bundle'" ;;
    --queries | --queries=* | --manifests | --manifests=*)
        fail 2 "'${word%%=*}' names a file of this machine: run bulkheadctl itself"
        ;;
    -h | --help) asks_help=yes ;;
    -*) ;;
    *) position=$((position + 1)) ;;
    esac
done
case "$command ${2-}" in 'resolved put')
    input=yes
    [ "${3-}" = - ] || file=${3-}
    ;;
esac
[ -z "$file" ] || fail 2 "'$file' would be read inside Bulkhead's pod: pipe it instead, as -f - <FILE"
[ "$command" != top ] || stream=yes

# takes_value OPTION: whether the next word is its value, and so not a pod.
takes_value() {
    case $1 in
    -o | --output | --socket | --timeout | --method | --path | --host | --header | --at | --since | --last) ;;
    --color | --from | --to | --port | --protocol | --verdict | --policy | --reason | --count | --kind | -d) ;;
    *) return 1 ;;
    esac
}
# take_pods N ARGUMENTS: the first N arguments after the command that are neither options nor their values.
take_pods() {
    count=$1
    shift 2
    skip=
    for word; do
        [ "$count" -gt 0 ] || return 0
        if [ -n "$skip" ]; then
            skip=
            continue
        fi
        ! takes_value "$word" || skip=yes
        case $word in -*) continue ;; esac
        count=$((count - 1))
        case $word in *[!a-z0-9./:-]*) fail 2 "'$word' is not a pod" ;; esac
        add_pod "$word"
    done
}
case $command in
explain | verdict) take_pods 2 "$@" ;;
endpoints) take_pods 1 "$@" ;;
describe)
    case ${2-} in
    pod | pods | po)
        shift
        take_pods 1 "$@"
        eval "set -- $rest"
        ;;
    esac
    ;;
esac

# qualified POD: with its namespace.
qualified() { case $1 in */*) printf '%s' "$1" ;; *) printf '%s/%s' "$namespace" "$1" ;; esac }
# is_pod WORD: whether it is one of the pods in question.
is_pod() { case " $pods " in *" $1 "*) ;; *) return 1 ;; esac }

# Commands of pods get the namespace with the name, or as -n; it is the same for kubectl and for bulkheadctl.
case $pods in *[!\ ]*) default_namespace ;; esac
case $command in
explain | verdict)
    [ -n "$namespace" ] || default_namespace
    set -- "$@" -n "$namespace"
    ;;
describe | endpoints | flows | events)
    if [ -n "$pods" ]; then
        previous=
        for word; do
            shift
            before=$previous
            previous=$word
            case $before,$word in
            *,--pod=*) ! is_pod "${word#*=}" || word=--pod=$(qualified "${word#*=}") ;;
            ,* | describe,*) ;;
            *) ! is_pod "$word" || takes_value "$before" || word=$(qualified "$word") ;;
            esac
            set -- "$@" "$word"
        done
    elif [ -n "$namespace" ]; then
        set -- "$@" -n "$namespace"
    fi
    ;;
policies | counters | top | unused | delete | history | preview) [ -z "$namespace" ] || set -- "$@" -n "$namespace" ;;
apply) [ -z "$namespace" ] || fail 2 "'apply' takes namespaces from the manifests: leave out -n" ;;
*) [ -z "$namespace" ] || note "-n has no effect on '$command'" ;;
esac

# The archive is written here, not in the pod.
if [ "$command" = diags ]; then
    # Text, no archive.
    wants_list=$asks_help
    for word; do [ "$word" != --list ] || wants_list=yes; done
    if [ -z "$wants_list" ]; then
        previous=
        for word; do
            shift
            before=$previous
            previous=$word
            case $before in -o | --output) continue ;; esac
            case $word in -o | --output | -o?* | --output=*) continue ;; esac
            set -- "$@" "$word"
        done
        set -- "$@" -o -
        if [ "$archive" = - ] && [ -t 1 ]; then fail 2 "the archive is not text: redirect standard output"; fi
        [ -z "$all" ] || [ "$archive" != - ] || fail 2 "with --all, each node has an archive of its own: -o - is not possible"
    fi
fi

# archive_name NODE
archive_name() {
    base=${archive:-bulkhead-diags-$(date -u +%Y%m%dT%H%M%SZ).tar.gz}
    if [ -n "$all" ]; then
        case $base in
        */*) base=${base%/*}/$1-${base##*/} ;;
        *) base=$1-$base ;;
        esac
    fi
    printf '%s' "$base"
}

