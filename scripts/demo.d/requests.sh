# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The demo's scene about requests: real HTTP through the node's proxy, which runs by hand in a namespace of its own.

declare -Ar request_address=([inventory]=10.244.0.20 [shoes]=10.244.0.21 [visitor]=10.244.0.22 [http]=10.244.0.23)
declare -Ar request_account=([inventory]=inventory-sa [shoes]=shoes-sa [visitor]=visitor-sa [http]=bulkhead-http)
shoes_service=10.96.0.21

lay_request_pods() {
    local pod number=10
    for pod in "${!request_address[@]}"; do
        printf '%s\n' "netns add $name-$pod" \
            "link add name veth$number netns $name-node type veth peer name eth0 netns $name-$pod" | ip -batch -
        lay_pod "$pod" "$number" "${request_address[$pod]}"
        number=$((number + 1))
    done
    # As kube-proxy lays a Service, without masquerading: the server sees the client's address.
    inside node iptables -t nat -A KUBE-SERVICES -d "$shoes_service/32" -p tcp --dport 80 \
        -j DNAT --to-destination "${request_address[shoes]}:8080"
}

request_manifests() {
    local pod namespace
    printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: kube-system}\n'
    for pod in "${!request_address[@]}"; do
        namespace=default
        [[ $pod == http ]] && namespace=kube-system
        cat <<EOF
---
apiVersion: v1
kind: Pod
metadata: {name: $pod, namespace: $namespace, labels: {app: $pod}}
spec: {nodeName: node, serviceAccountName: ${request_account[$pod]}, containers: [{name: $pod, image: $pod}]}
status: {phase: Running, podIPs: [{ip: ${request_address[$pod]}}]}
EOF
    done
}

# The shoes: any web server; here HAProxy, which answers everything with 200 and the client's address.
start_shoes() {
    cat >"$run/shoes.cfg" <<'EOF'
defaults
    mode http
    timeout client 1m
    timeout connect 1s
    timeout server 1m
frontend shoes
    bind :8080
    http-request return status 200 content-type text/plain lf-string "shoes for %[src]\n"
EOF
    begin shoes "$run/shoes.out" haproxy -db -f "$run/shoes.cfg"
    started+=($!)
    disown
}

# What the proxy pod runs: its namespace prepared, the decider, and HAProxy, with this run's paths.
start_proxy() {
    local http=$run/http
    mkdir -p "$http"
    inside http "$bin/bulkhead-http" prepare >"$run/prepare.log"
    sed "s#/run/bulkhead-http/#$http/#g; s#/etc/bulkhead-http/#$http/#g" deploy/requests/haproxy.cfg >"$http/haproxy.cfg"
    cp deploy/requests/{spoe.cfg,late.lua} "$http/"
    begin http "$run/decider.log" "$bin/bulkhead-http" decide --spop-socket "$http/decider.sock" \
        --requests-socket "$run/requests/requests.sock" --policy-file "$http/policy.jsonl" \
        --haproxy-socket "$http/haproxy.sock"
    started+=($!)
    disown
    until_true "the decider" test -S "$http/decider.sock"
    begin http "$run/haproxy.log" haproxy -db -f "$http/haproxy.cfg"
    started+=($!)
    disown
    until_true "the proxy" proxy_is_ready
}
proxy_is_ready() { [[ $(control status -o json | jq .requests.proxyReady) == true ]]; }

# status_of POD METHOD ADDRESS: the status of one request, 000 if the flow is refused.
status_of() {
    inside "$1" curl --silent --output /dev/null --max-time 2 --write-out '%{http_code}' --request "$2" "http://$3/" || true
}

# expect_status STATUS POD METHOD ADDRESS
expect_status() {
    local status
    status=$(status_of "${@:2}")
    [[ $status == "$1" ]] || fail "$2: $3 http://$4/ has the status $status, not $1"
    printf '    %-10s %-5s %-18s %s\n' "$2" "$3" "$4" "${status/000/refused}"
}

# Three requests on one connection from the inventory; the last one once the file $1 exists.
keep_alive() { inside inventory bash scripts/demo.d/keep-alive.bash "${request_address[shoes]}" "$1"; }

known() { control "$1" -o json | jq -e --arg name "$3" ".$1[] | select(.name == \$name) | $2" >/dev/null; }
shoes_answer() { [[ $(status_of inventory GET "${request_address[shoes]}:8080") == 200 ]]; }
get_is_allowed() {
    [[ $(control verdict default/inventory default/shoes 8080/tcp --method GET -o json | jq -r .verdict) == allow ]]
}

# write_policy METHODS: the page's policy, with these methods.
write_policy() {
    sed "s/\"POST\"/$1/" examples/authorization/shoes-writer.yaml >"$run/manifests/.writer"
    mv "$run/manifests/.writer" "$run/manifests/shoes-writer.yaml"
}

play_requests() {
    local address direct=${request_address[shoes]}:8080 service=$shoes_service:80
    put
    lay_request_pods
    request_manifests >"$run/manifests/.requests" && mv "$run/manifests/.requests" "$run/manifests/requests.yaml"
    start_shoes
    until_true "the pods" known endpoints .interface shoes
    until_true "the shoes" shoes_answer
    shown "cp examples/authorization/shoes-writer.yaml manifests/"
    write_policy '"POST"'
    until_true "shoes-writer in force" known policies .state shoes-writer
    say "inventory-sa may POST to the shoes. Without a proxy nothing fails open:"
    expect_status 000 inventory POST "$direct"
    expect_status 000 visitor POST "$direct"
    start_proxy
    say "with the proxy, directly and through the ClusterIP, by curl -X METHOD http://ADDRESS/ in the pods:"
    for address in "$direct" "$service"; do
        expect_status 200 inventory POST "$address"
        expect_status 403 inventory GET "$address"
        expect_status 000 visitor POST "$address"
    done
    [[ $(inside inventory curl -s -X POST "http://$service/") == "shoes for ${request_address[inventory]}" ]] ||
        fail "the server does not see the client's address"
    typed verdict default/inventory default/shoes 8080/tcp --method GET --path /
    say "one kept-alive connection; GET is allowed after its second request:"
    keep_alive "$run/allowed" >"$run/kept.out" &
    local connection=$!
    until_true "the first requests" grep -qs 'GET 403' "$run/kept.out"
    shown "sed -i 's/\"POST\"/\"POST\", \"GET\"/' manifests/shoes-writer.yaml"
    write_policy '"POST", "GET"'
    until_true "GET allowed" get_is_allowed
    # The proxy learns it within 50 ms.
    sleep 0.1
    touch "$run/allowed"
    wait "$connection" || fail "the connection ended early"
    sed 's/^/    /' "$run/kept.out"
    [[ $(tr '\n' ' ' <"$run/kept.out") == 'POST 200 GET 403 GET 200 ' ]] || fail "the connection was answered otherwise"
    $stays && kept+=' requests.yaml'
    put "${segmentation[@]}"
    until_true "the policies in force" policies_are "$segmentation_names"
}
