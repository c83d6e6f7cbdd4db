# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2034,SC2154 # variables are those of kubectl-bulkhead
# The command line: what is the plugin's, what is kubectl's, and the rest, which is bulkheadctl's.

kubectl_words=
rest=
node=
all=
namespace=
limit=60

# Appends words to kubectl's arguments, or to bulkheadctl's.
for_kubectl() { for word; do kubectl_words="$kubectl_words $(quote "$word")"; done; }
for_control() { for word; do rest="$rest $(quote "$word")"; done; }
needs_value() { [ "$1" -ge 2 ] || fail 2 "$2 needs a value"; }

command=
while [ $# -gt 0 ]; do
    case $1 in
    --)
        shift
        for_control "$@"
        break
        ;;
    --context | --kubeconfig | --cluster | --user | --as | --as-group | --as-uid | --server | --token | \
        --certificate-authority | --client-certificate | --client-key | --tls-server-name | --request-timeout)
        needs_value $# "$1"
        for_kubectl "$1" "$2"
        shift
        ;;
    --context=* | --kubeconfig=* | --cluster=* | --user=* | --as=* | --as-group=* | --as-uid=* | --server=* | \
        --token=* | --certificate-authority=* | --client-certificate=* | --client-key=* | --tls-server-name=* | \
        --insecure-skip-tls-verify | --insecure-skip-tls-verify=* | --request-timeout=*)
        for_kubectl "$1"
        ;;
    --node)
        needs_value $# "$1"
        node=$2
        shift
        ;;
    --node=*) node=${1#*=} ;;
    --all) all=yes ;;
    --node-timeout)
        needs_value $# "$1"
        limit=$2
        shift
        ;;
    --node-timeout=*) limit=${1#*=} ;;
    --agent-namespace)
        needs_value $# "$1"
        agent_namespace=$2
        shift
        ;;
    --agent-namespace=*) agent_namespace=${1#*=} ;;
    -n | --namespace)
        needs_value $# "$1"
        namespace=$2
        shift
        ;;
    -n=* | --namespace=*) namespace=${1#*=} ;;
    -h | --help)
        [ -z "$command" ] && { usage; exit 0; }
        for_control "$1"
        ;;
    -*)
        [ -n "$command" ] || fail 2 "unknown flag '$1' before the command; 'kubectl bulkhead --help' lists them"
        for_control "$1"
        ;;
    *)
        [ -n "$command" ] || command=$1
        for_control "$1"
        ;;
    esac
    shift
done

[ -n "$command" ] || { usage >&2; exit 2; }
case $command in
completions | uninstall) fail 2 "'$command' is about this machine: run bulkheadctl itself" ;;
esac
[ -z "$all" ] || [ -z "$node" ] || fail 2 "--all and --node exclude each other"
is_name "$agent_namespace" || fail 2 "'$agent_namespace' is not the name of a namespace"
[ -z "$namespace" ] || is_name "$namespace" || fail 2 "'$namespace' is not the name of a namespace"
[ -z "$node" ] || is_name "$node" || fail 2 "'$node' is not the name of a node"
case $limit in '' | *[!0-9]* | 0*) fail 2 "--node-timeout is a number of seconds" ;; esac

default_namespace() {
    [ -n "$namespace" ] || namespace=$(kube config view --minify -o 'jsonpath={..namespace}' 2>/dev/null)
    [ -n "$namespace" ] || namespace=default
    is_name "$namespace" || fail 1 "the context's namespace is not a name"
}
