# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # variables are those of kubectl-bulkhead
# Commands about a whole cluster, or about files of this machine: bulkheadctl runs here.

if ! command -v bulkheadctl >/dev/null; then
    hint=
    [ "$command" != preview ] || hint=", or name a node with --node"
    fail 1 "'$command' works from here, on files or on the whole cluster: install bulkheadctl in PATH$hint"
fi
case $command in
suggest) ;;
*) [ -z "$node$all" ] || fail 2 "'$command' reads files or the whole cluster: leave out --node and --all" ;;
esac

# What the caller's flags say of the cluster. bulkheadctl reads a kubeconfig itself, so it can follow no other flag.
kubeconfig=
context=
eval "set -- $kubectl_words"
while [ $# -gt 0 ]; do
    case $1 in
    --kubeconfig | --context) [ "$1" = --context ] && context=$2 || kubeconfig=$2 && shift ;;
    --kubeconfig=*) kubeconfig=${1#*=} ;;
    --context=*) context=${1#*=} ;;
    *) fail 2 "'$command' reads the cluster as a kubeconfig says: leave out '${1%%=*}'" ;;
    esac
    shift
done
asks_cluster=$kubeconfig$context

# use_kubeconfig: as kubectl finds it.
use_kubeconfig() {
    [ -n "$kubeconfig" ] || kubeconfig=${KUBECONFIG:-${HOME-}/.kube/config}
    case $kubeconfig in *:*) fail 2 "KUBECONFIG names several files: name one with --kubeconfig" ;; esac
}

# Whether the arguments name files in place of the cluster, and what 'suggest' asks nodes.
eval "set -- $rest"
names_files=
names_change=
names_flows=
asks_help=
since=
previous=
for word; do
    shift
    before=$previous
    previous=$word
    [ "$command,$before" != suggest,--since ] || { since=$word; continue; }
    case $word in
    -h | --help) asks_help=yes ;;
    --manifests | --manifests=*) names_files=yes ;;
    -f* | --filename | --filename=* | --delete | --delete=*) names_change=yes ;;
    --flows | --flows=*) names_flows=yes ;;
    --since) [ "$command" != suggest ] || continue ;;
    --since=*) [ "$command" != suggest ] || { since=${word#*=}; continue; } ;;
    esac
    set -- "$@" "$word"
done
[ -z "$asks_help" ] || exec bulkheadctl "$@"

# Without files, a question is about the cluster of the context. A change is one of that cluster, too.
case $command in
reach | prove | report | suggest) [ -n "$names_change" ] || asks_cluster=yes ;;
preview) [ -z "$names_change" ] || [ -n "$names_files" ] || asks_cluster=yes ;;
lint | check) [ -z "$asks_cluster" ] || fail 2 "'$command' reads files alone: leave out --kubeconfig and --context" ;;
esac
if [ -n "$asks_cluster" ]; then
    use_kubeconfig
    set -- "$@" --kubeconfig "$kubeconfig"
    [ -z "$context" ] || set -- "$@" --context "$context"
fi
case $command in
reach | prove | preview)
    if [ -n "$asks_cluster" ]; then default_namespace; fi
    [ -z "$namespace" ] || set -- "$@" -n "$namespace"
    ;;
*) [ -z "$namespace" ] || note "-n has no effect on '$command'" ;;
esac

if [ "$command" = suggest ] && [ -z "$names_flows" ]; then
    # Each node records the flows of its own pods.
    work=$(mktemp -d "${TMPDIR:-/tmp}/kubectl-bulkhead.XXXXXX") || fail 1 "no directory for temporary files"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    where=--all
    [ -z "$node" ] || where=--node=$node
    eval "\"\$0\" $kubectl_words --agent-namespace \"\$agent_namespace\" --node-timeout \"\$limit\" \"\$where\" \
        flows -o json --since \"\${since:-8760h}\"" >"$work/flows" ||
        fail 1 "the flows of the nodes cannot be read, and without them rules would be missing"
    bulkheadctl "$@" --flows "$work/flows"
    exit $?
fi
[ -z "$since" ] || fail 2 "--since asks the nodes, and excludes --flows"
exec bulkheadctl "$@"
