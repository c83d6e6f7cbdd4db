// SPDX-License-Identifier: Apache-2.0

/// What the page of a small cluster must contain, without the list of codes.
enum Golden {
    static let data = #"""
        {"version":"1","counts":[[1,"workloads"],[1,"pods"],[1,"namespaces"],[0,"nodes"],[1,"policies"]],"no\#
        tes":["no node is known: access to kubelets, etcd, the API server and NodePorts was not looked for"]\#
        ,"kinds":[],"parties":[["shop","Pod","web",1,0,10,[["can be reached from outside the cluster",10]]],\#
        ["","nodes","nodes",0,0,0,[]],["","outside","outside",0,0,0,[]]],"rank":[0],"findings":[],"texts":[]\#
        ,"policies":[["NetworkPolicy shop/web","cluster.yaml:6","apiVersion: networking.k8s.io/v1\nkind: Net\#
        workPolicy\nmetadata: {name: web, namespace: shop}\nspec:\n  podSelector: {}\n  policyTypes: [Ingres\#
        s, Egress]\n  ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 80}]}]\n"]],"rules"\#
        :[["ingress: NetworkPolicy shop/web rule 1",[0]]],"access":[["80/TCP",[["80/TCP",0,-1,0]]]],"links":\#
        [[0,1,"192.0.2.0/24",0,0,1,1]],"edges":[[2,0,0,1]]}
        """#
}
