// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

/// Pods as a cluster of some years has them, for measurements: all that an API server tells, in about 3.5 KB.
public enum ProtobufPod {
    /// The pod's JSON.
    ///
    /// - Parameter number: which pod; 30 make one application, whose pods share their labels.
    public static func json(_ number: Int) -> String {
        let application = number / 30
        let name = "checkout-\(application)"
        let hash = "7f9c\(application * 7919 % 99_991)"
        let address = "10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
        let hostAddress = "172.16.\(number % 1400 / 250).\(number % 1400 % 250 + 1)"
        let suffix = String(number * 7919 % 60_466_176, radix: 36)
        return """
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": {
              "name": "\(name)-\(hash)-\(suffix)", "generateName": "\(name)-\(hash)-",
              "namespace": "shop-\(application / 20)", "resourceVersion": "\(1_200_000_000 + number)",
              "uid": "8a5d3f1e-77a0-4c0e-9b1f-\(100_000_000_000 + number)",
              "creationTimestamp": "2026-03-0\(1 + number % 9)T11:22:3\(number % 10)Z",
              "labels": {
               "app.kubernetes.io/component": "\(["web", "api", "worker", "db"][application % 4])", "app.kubernetes.io/instance": "\(name)-prod",
               "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/name": "\(name)",
               "app.kubernetes.io/version": "1.\(application % 40).2", "pod-template-hash": "\(hash)",
               "team": "team-\(application % 40)"},
              "annotations": {
               "cni.example.com/containerID": "\(digest)", "cni.example.com/podIP": "\(address)/32",
               "checksum/config": "6d7fce9fee471194aa8b5b6e47267f0367a1f1e1d7c2f0a5a2b1c5a5f6a0d4c9",
               "kubectl.kubernetes.io/restartedAt": "2026-03-01T09:00:00Z", "prometheus.io/port": "9090",
               "prometheus.io/scrape": "true"},
              "ownerReferences": [{
               "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "\(name)-\(hash)",
               "uid": "b1ad3c55-0f0e-4a5e-8a57-3d3b1b7d9a11", "controller": true, "blockOwnerDeletion": true}],
              "managedFields": [\(managed)]},
             \(spec(name, node: "ip-\(hostAddress.replacing(".", with: "-")).eu-west-1.compute.internal")),
             \(status(name, address: address, hostAddress: hostAddress))}
            """
    }

    private static let managed = """
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
         "time": "2026-03-01T11:22:33Z", "fieldsType": "FieldsV1", "fieldsV1": "\(controllerFields)"},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-03-01T11:22:43Z",
         "fieldsType": "FieldsV1", "fieldsV1": "\(kubeletFields)", "subresource": "status"}
        """

    /// The quotes are left out: the length is what counts.
    private static let controllerFields =
        "{f:metadata:{f:annotations:{.:{},f:checksum/config:{}},f:generateName:{},f:labels:{.:{},"
        + "f:app.kubernetes.io/component:{},f:app.kubernetes.io/instance:{},f:pod-template-hash:{}},"
        + "f:ownerReferences:{.:{},k:{uid:b1ad3c55-0f0e-4a5e-8a57-3d3b1b7d9a11}:{}}},f:spec:{f:containers:{"
        + "k:{name:app}:{.:{},f:env:{.:{},k:{name:DATABASE_URL}:{.:{},f:name:{},f:valueFrom:{}}},f:image:{},"
        + "f:imagePullPolicy:{},f:name:{},f:ports:{.:{},k:{containerPort:8080,protocol:TCP}:{}}}}}}"

    private static let kubeletFields =
        "{f:status:{f:conditions:{k:{type:ContainersReady}:{.:{},f:lastProbeTime:{},f:status:{},f:type:{}},"
        + "k:{type:Initialized}:{},k:{type:Ready}:{}},f:containerStatuses:{},f:hostIP:{},f:phase:{},"
        + "f:podIP:{},f:podIPs:{.:{},k:{ip:10.0.0.1}:{}},f:startTime:{}}}"

    private static func spec(_ name: String, node: String) -> String {
        """
        "spec": {
         "volumes": [
          {"name": "config", "configMap": {"name": "\(name)-config", "defaultMode": 420}},
          {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
           {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
           {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
           {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}}]}}],
         "containers": [\(container(name))],
         "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
         "serviceAccountName": "\(name)", "serviceAccount": "\(name)", "nodeName": "\(node)",
         "securityContext": {"runAsNonRoot": true}, "schedulerName": "default-scheduler", "priority": 0,
         "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
         "tolerations": [
          {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
           "tolerationSeconds": 300},
          {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
           "tolerationSeconds": 300}]}
        """
    }

    private static func container(_ name: String) -> String {
        let probe =
            #""httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"}, "timeoutSeconds": 1,"#
            + #" "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3"#
        return """
            {"name": "app", "image": "registry.example.com/shop/\(name):1.14.2",
             "args": ["--config=/etc/app/config.yaml", "--listen=:8080"],
             "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                       {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
             "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
                     {"name": "LOG_LEVEL", "value": "info"},
                     {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.observability:4317"},
                     {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "service.name=\(name),deployment.environment=prod"},
                     {"name": "GOMEMLIMIT", "value": "460MiB"},
                     {"name": "CACHE_URL", "value": "redis://cache.shop.svc.cluster.local:6379/0"},
                     {"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "\(name)-db", "key": "url"}}}],
             "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
             "volumeMounts": [
              {"name": "config", "readOnly": true, "mountPath": "/etc/app"},
              {"name": "kube-api-access-x7k2p", "readOnly": true,
               "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
             "livenessProbe": {\(probe)}, "readinessProbe": {\(probe)},
             "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
             "imagePullPolicy": "IfNotPresent",
             "securityContext": {"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
                                 "allowPrivilegeEscalation": false}}
            """
    }

    private static func status(_ name: String, address: String, hostAddress: String) -> String {
        let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"].map {
            #"{"type": "\#($0)", "status": "True", "lastTransitionTime": "2026-03-01T11:22:43Z"}"#
        }
        return """
            "status": {
             "phase": "Running", "conditions": [\(conditions.joined(separator: ", "))],
             "hostIP": "\(hostAddress)", "hostIPs": [{"ip": "\(hostAddress)"}],
             "podIP": "\(address)", "podIPs": [{"ip": "\(address)"}], "startTime": "2026-03-01T11:22:33Z",
             "containerStatuses": [{
              "name": "app", "state": {"running": {"startedAt": "2026-03-01T11:22:40Z"}}, "ready": true,
              "restartCount": 0, "image": "registry.example.com/shop/\(name):1.14.2",
              "imageID": "registry.example.com/shop/\(name)@sha256:\(digest)",
              "containerID": "containerd://\(digest)", "started": true}],
             "qosClass": "Burstable"}
            """
    }

    private static let digest = "4e2d1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e"
}
