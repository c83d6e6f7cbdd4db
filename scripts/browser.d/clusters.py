# SPDX-License-Identifier: Apache-2.0
"""Clusters whose reports are looked at, as JSON manifests."""

import json

# What names and texts try to be. Each is the name of an owner, its kind, an annotation, and a rule's name.
HOSTILE = [
    "<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", "\"><svg onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>", "javascript:alert(1)", "\x1b[2J\x1b]0;title\x07", "\u202egnp.exe",
    "&lt;b&gt;&amp;", "<!-- ", "]]>", "'-alert(1)-'", "${alert(1)}", "a\u2028alert(1)\u2029",
    "</style><style>*{all:unset}",
    "<base href=//example.invalid>", "<meta http-equiv=refresh content=0;url=//example.invalid>",
    "<form action=//example.invalid><input name=search id=search>", "__proto__", "constructor", "line\nend\ttab",
    "\\u003cb\\u003e", "W" * 253, "\U0001f600" * 60,
]


def pod(namespace, name, address, labels, owner=None, node="node-0", ports=()):
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    if owner:
        kind, owner_name = owner
        metadata["ownerReferences"] = [
            {"apiVersion": "apps/v1", "kind": kind, "name": owner_name, "uid": "u", "controller": True}]
    containers = [{"name": "main", "image": "x", "ports": [{"containerPort": p} for p in ports]}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeName": node, "containers": containers},
            "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}}


def node(number):
    address = f"172.16.{number // 250}.{number % 250 + 1}"
    labels = {"node-role.kubernetes.io/control-plane": ""} if number == 0 else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{number}", "labels": labels},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]}}


def policy(namespace, name, selector, annotations=None, **spec):
    metadata = {"name": name, "namespace": namespace}
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata,
            "spec": {"podSelector": {"matchLabels": selector}, **spec}}


def address(number):
    return f"10.{64 + (number >> 16)}.{(number >> 8) & 255}.{number & 255}"


def hostile():
    objects = [node(0)]
    for number, text in enumerate(HOSTILE):
        name = f"p{number}"
        objects.append(pod("shop", name, address(number + 1), {"app": name}, owner=(text, text), ports=[6379]))
    objects += [pod("n" * 63, "p" * 253, address(200), {"app": "long"}),
                pod("outside", "nodes", address(201), {"app": "nodes"}),
                pod("nodes", "outside", address(202), {"app": "outside"})]
    annotations = {f"example.com/a{n}": text for n, text in enumerate(HOSTILE)}
    objects.append(policy("shop", "q" * 253, {"app": "p0"}, annotations,
                          ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "p1"}}}]}]))
    for number, text in enumerate(HOSTILE):
        objects.append({
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": f"a{number}", "namespace": "shop", "annotations": {"note": text}},
            "spec": {"selector": {"matchLabels": {"app": f"p{number}"}}, "action": "ALLOW",
                     "rules": [{"to": [{"operation": {"hosts": [text]}}]}]}})
    return objects


def one_namespace():
    """The smallest report; its page counts one namespace."""
    return [node(0), pod("shop", "web", "10.64.0.1", {"app": "web"}),
            pod("shop", "redis", "10.64.0.2", {"app": "redis"}, ports=[6379]),
            policy("shop", "redis", {"app": "redis"},
                   ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 6379}]}])]


def many_findings():
    """Each kind of finding, and more workloads than a list shows at once."""
    objects = [node(0), node(1)]
    count = 0
    for team in range(12):
        space = f"team-{team}"
        for app in ("web", "api", "worker", "redis", "postgres"):
            for replica in range(2):
                count += 1
                ports = {"redis": [6379], "postgres": [5432]}.get(app, [8080])
                objects.append(pod(space, f"{app}-{replica}", address(count), {"app": app}, owner=("ReplicaSet", app),
                                   node="node-1", ports=ports))
        if team % 2 == 0:
            objects.append(policy(space, "redis", {"app": "redis"}, ingress=[
                {"from": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 6379}]}]))
        if team % 3 == 0:
            objects.append(policy(space, "selects-nothing", {"app": "wbe"}))
        objects.append(policy(space, "worker", {"app": "worker"}, policyTypes=["Egress"],
                              egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}]))
    host = pod("team-0", "agent", "172.16.0.2", {"app": "agent"}, node="node-1")
    host["spec"]["hostNetwork"] = True
    return objects + [host]


def large(pods=10_000, nodes=1_000, policies=500):
    objects = [node(n) for n in range(nodes)]
    spaces, apps = 50, 10
    for number in range(pods):
        space, app = number % spaces, (number // spaces) % apps
        objects.append(pod(f"team-{space}", f"app-{app}-{number}", address(number + 1), {"app": f"app-{app}"},
                           owner=("ReplicaSet", f"app-{app}"), node=f"node-{number % nodes}"))
    for number in range(policies):
        space, app = number % spaces, (number // spaces) % apps
        other = f"team-{(space + 7) % spaces}"
        peers = [{"podSelector": {"matchLabels": {"app": f"app-{(app + 1) % apps}"}}},
                 {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other}}}]
        objects.append(policy(f"team-{space}", f"policy-{app}", {"app": f"app-{app}"},
                              ingress=[{"from": peers, "ports": [{"port": 8000 + app}]}]))
    return objects


def write(path, objects):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": objects}, file)
