// SPDX-License-Identifier: Apache-2.0
import PolicyModel

/// The messages that ``ProtobufWriter`` can write, from a table of its own: what reads protobuf in the project has
/// another one, so that a wrong number in either is found.
struct ProtobufMessages {
    enum Value {
        case text, number, flag, time, quantity, textMap, quantityMap, integerOrText, fieldsV1
        case message(String)
        /// Its fields stand in JSON among those of the message around it.
        case inline(String)
    }

    struct Field {
        var name: String
        var number: UInt32
        var value: Value
        var isRepeated: Bool
        /// Written even if empty: a field that is not a pointer in Go.
        var isAlwaysWritten: Bool
    }

    private let messages: [String: [Field]]

    func fields(of message: String) -> [Field]? { messages[message] }

    static let kubernetes = ProtobufMessages(table)

    /// A line a message: `Name: field=number…`, behind the number `!` (always written), `*` (repeated) and the type:
    /// nothing for a string, `i` number, `b` boolean, `T` time, `Q` quantity, `m` and `q` maps of strings and
    /// quantities, `P` IntOrString, `F` FieldsV1, `:Name` a message, `~Name` a message that is inline in JSON.
    private init(_ table: String) {
        var messages: [String: [Field]] = [:]
        for line in table.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let name = words.first?.dropLast() else { continue }
            messages[String(name), default: []] += words.dropFirst().map(Self.field)
        }
        self.messages = messages
    }

    private static func field(_ word: Substring) -> Field {
        let parts = word.split(separator: "=")
        precondition(parts.count == 2, "not a field: \(word)")
        var rest = parts[1]
        let digits = rest.prefix { $0.isNumber }
        guard let number = UInt32(digits) else { preconditionFailure("not a field number: \(word)") }
        rest = rest.dropFirst(digits.count)
        func take(_ mark: Character) -> Bool {
            guard rest.first == mark else { return false }
            rest = rest.dropFirst()
            return true
        }
        let (isAlwaysWritten, isRepeated) = (take("!"), take("*"))
        return Field(
            name: String(parts[0]), number: number, value: value(rest), isRepeated: isRepeated,
            isAlwaysWritten: isAlwaysWritten)
    }

    private static func value(_ mark: Substring) -> Value {
        switch mark.first {
        case nil: .text
        case "i": .number
        case "b": .flag
        case "T": .time
        case "Q": .quantity
        case "m": .textMap
        case "q": .quantityMap
        case "P": .integerOrText
        case "F": .fieldsV1
        case ":": .message(String(mark.dropFirst()))
        case "~": .inline(String(mark.dropFirst()))
        default: preconditionFailure("not a type: \(mark)")
        }
    }

    private static let table = """
        ObjectMeta: name=1! generateName=2! namespace=3! selfLink=4! uid=5! resourceVersion=6! generation=7!i
        ObjectMeta: creationTimestamp=8!T deletionTimestamp=9T deletionGracePeriodSeconds=10i labels=11m
        ObjectMeta: annotations=12m ownerReferences=13*:OwnerReference finalizers=14*
        ObjectMeta: managedFields=17*:ManagedFieldsEntry
        OwnerReference: kind=1! name=3! uid=4! apiVersion=5! controller=6b blockOwnerDeletion=7b
        ManagedFieldsEntry: manager=1! operation=2! apiVersion=3! time=4T fieldsType=6! fieldsV1=7F subresource=8!
        ListMeta: selfLink=1! resourceVersion=2! continue=3! remainingItemCount=4i
        Status: metadata=1!:ListMeta status=2! message=3! reason=4! details=5:StatusDetails code=6!i
        StatusDetails: name=1! group=2! kind=3! causes=4*:StatusCause retryAfterSeconds=5!i uid=6!
        StatusCause: reason=1! message=2! field=3!
        LabelSelector: matchLabels=1m matchExpressions=2*:LabelSelectorRequirement
        LabelSelectorRequirement: key=1! operator=2! values=3*

        NetworkPolicy: metadata=1!:ObjectMeta spec=2!:NetworkPolicySpec
        NetworkPolicySpec: podSelector=1!:LabelSelector ingress=2*:NetworkPolicyIngressRule
        NetworkPolicySpec: egress=3*:NetworkPolicyEgressRule policyTypes=4*
        NetworkPolicyIngressRule: ports=1*:NetworkPolicyPort from=2*:NetworkPolicyPeer
        NetworkPolicyEgressRule: ports=1*:NetworkPolicyPort to=2*:NetworkPolicyPeer
        NetworkPolicyPeer: podSelector=1:LabelSelector namespaceSelector=2:LabelSelector ipBlock=3:IPBlock
        NetworkPolicyPort: protocol=1 port=2P endPort=3i
        IPBlock: cidr=1! except=2*

        Namespace: metadata=1!:ObjectMeta spec=2!:NamespaceSpec status=3!:NamespaceStatus
        NamespaceSpec: finalizers=1*
        NamespaceStatus: phase=1!
        Node: metadata=1!:ObjectMeta spec=2!:NodeSpec status=3!:NodeStatus
        NodeSpec: podCIDR=1! externalID=2! providerID=3! unschedulable=4!b podCIDRs=7*
        NodeStatus: capacity=1q allocatable=2q phase=3! conditions=4*:NodeCondition addresses=5*:NodeAddress
        NodeStatus: daemonEndpoints=6!:NodeDaemonEndpoints nodeInfo=7!:NodeSystemInfo images=8*:ContainerImage
        NodeCondition: type=1! status=2! lastHeartbeatTime=3!T lastTransitionTime=4!T reason=5! message=6!
        NodeAddress: type=1! address=2!
        NodeDaemonEndpoints: kubeletEndpoint=1!:DaemonEndpoint
        DaemonEndpoint: Port=1!i
        NodeSystemInfo: machineID=1! systemUUID=2! bootID=3! kernelVersion=4! osImage=5! containerRuntimeVersion=6!
        NodeSystemInfo: kubeletVersion=7! kubeProxyVersion=8! operatingSystem=9! architecture=10!
        ContainerImage: names=1* sizeBytes=2!i

        Pod: metadata=1!:ObjectMeta spec=2!:PodSpec status=3!:PodStatus
        PodSpec: volumes=1*:Volume containers=2*:Container restartPolicy=3! terminationGracePeriodSeconds=4i
        PodSpec: activeDeadlineSeconds=5i dnsPolicy=6! nodeSelector=7m serviceAccountName=8! serviceAccount=9!
        PodSpec: nodeName=10! hostNetwork=11!b hostPID=12!b hostIPC=13!b securityContext=14:PodSecurityContext
        PodSpec: imagePullSecrets=15*:LocalObjectReference hostname=16! subdomain=17! schedulerName=19!
        PodSpec: initContainers=20*:Container automountServiceAccountToken=21b tolerations=22*:Toleration
        PodSpec: priorityClassName=24! priority=25i enableServiceLinks=30b preemptionPolicy=31
        PodSecurityContext: runAsUser=2i runAsNonRoot=3b fsGroup=5i runAsGroup=6i
        Toleration: key=1! operator=2! value=3! effect=4! tolerationSeconds=5i
        LocalObjectReference: name=1!
        Container: name=1! image=2! command=3* args=4* workingDir=5! ports=6*:ContainerPort env=7*:EnvVar
        Container: resources=8!:ResourceRequirements volumeMounts=9*:VolumeMount livenessProbe=10:Probe
        Container: readinessProbe=11:Probe terminationMessagePath=13! imagePullPolicy=14!
        Container: securityContext=15:SecurityContext stdin=16!b stdinOnce=17!b tty=18!b terminationMessagePolicy=20!
        Container: restartPolicy=24
        ContainerPort: name=1! hostPort=2!i containerPort=3!i protocol=4! hostIP=5!
        EnvVar: name=1! value=2! valueFrom=3:EnvVarSource
        EnvVarSource: fieldRef=1:ObjectFieldSelector secretKeyRef=4:SecretKeySelector
        ObjectFieldSelector: apiVersion=1! fieldPath=2!
        SecretKeySelector: localObjectReference=1~LocalObjectReference key=2! optional=3b
        ResourceRequirements: limits=1q requests=2q
        VolumeMount: name=1! readOnly=2!b mountPath=3! subPath=4! mountPropagation=5 subPathExpr=6!
        Probe: handler=1~ProbeHandler initialDelaySeconds=2!i timeoutSeconds=3!i periodSeconds=4!i
        Probe: successThreshold=5!i failureThreshold=6!i
        ProbeHandler: httpGet=2:HTTPGetAction
        HTTPGetAction: path=1! port=2!P host=3! scheme=4!
        SecurityContext: capabilities=1:Capabilities privileged=2b runAsUser=4i runAsNonRoot=5b
        SecurityContext: readOnlyRootFilesystem=6b allowPrivilegeEscalation=7b
        Capabilities: add=1* drop=2*
        Volume: name=1! volumeSource=2~VolumeSource
        VolumeSource: emptyDir=2:EmptyDirVolumeSource configMap=19:ConfigMapVolumeSource
        VolumeSource: projected=26:ProjectedVolumeSource
        EmptyDirVolumeSource: medium=1! sizeLimit=2Q
        ConfigMapVolumeSource: localObjectReference=1~LocalObjectReference items=2*:KeyToPath defaultMode=3i
        KeyToPath: key=1! path=2! mode=3i
        ProjectedVolumeSource: sources=1*:VolumeProjection defaultMode=2i
        VolumeProjection: downwardAPI=2:DownwardAPIProjection configMap=3:ConfigMapProjection
        VolumeProjection: serviceAccountToken=4:ServiceAccountTokenProjection
        DownwardAPIProjection: items=1*:DownwardAPIVolumeFile
        DownwardAPIVolumeFile: path=1! fieldRef=2:ObjectFieldSelector
        ConfigMapProjection: localObjectReference=1~LocalObjectReference items=2*:KeyToPath
        ServiceAccountTokenProjection: audience=1! expirationSeconds=2i path=3!
        PodStatus: phase=1! conditions=2*:PodCondition message=3! reason=4! hostIP=5! podIP=6! startTime=7T
        PodStatus: containerStatuses=8*:ContainerStatus qosClass=9! initContainerStatuses=10*:ContainerStatus
        PodStatus: nominatedNodeName=11! podIPs=12*:PodIP hostIPs=16*:HostIP observedGeneration=17!i
        PodIP: ip=1!
        HostIP: ip=1!
        PodCondition: type=1! status=2! lastProbeTime=3!T lastTransitionTime=4!T reason=5! message=6!
        PodCondition: observedGeneration=7!i
        ContainerStatus: name=1! state=2!:ContainerState lastState=3!:ContainerState ready=4!b restartCount=5!i
        ContainerStatus: image=6! imageID=7! containerID=8! started=9b volumeMounts=12*:VolumeMountStatus
        ContainerState: running=2:ContainerStateRunning
        ContainerStateRunning: startedAt=1!T
        VolumeMountStatus: name=1! mountPath=2! readOnly=3!b recursiveReadOnly=4
        """
}
