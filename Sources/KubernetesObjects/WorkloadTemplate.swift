// SPDX-License-Identifier: Apache-2.0
import Documents

/// The kinds that run pods from a template.
public enum WorkloadKind: String, Sendable, Hashable, CaseIterable {
    case deployment = "Deployment"
    case statefulSet = "StatefulSet"
    case daemonSet = "DaemonSet"
    case replicaSet = "ReplicaSet"
    case replicationController = "ReplicationController"
    case job = "Job"
    case cronJob = "CronJob"

    /// The API groups that serve it, or once did; of any version.
    var groups: Set<Substring> {
        switch self {
        case .deployment, .statefulSet, .daemonSet, .replicaSet: ["apps", "extensions"]
        case .replicationController: [""]
        case .job, .cronJob: ["batch"]
        }
    }

    /// The fields from the document to the object that has the template.
    var path: [String] { self == .cronJob ? ["spec", "jobTemplate", "spec"] : ["spec"] }
}

/// A document that runs pods: what is known of them before they exist.
public struct WorkloadTemplate: Sendable, Hashable {
    public var kind: WorkloadKind
    public var name: WorkloadName
    /// The controller of the workload itself: the Deployment of a ReplicaSet, the CronJob of a Job.
    public var owner: OwnerReference?
    /// One of its pods, without name and addresses.
    public var pod: Pod
    /// Whether there is more than one pod at a time.
    public var isReplicated: Bool
    public var file: String
    /// Number of the document in its file, counted from 1.
    public var document: Int
    public var line: Int
    public var column: Int

    public init(
        kind: WorkloadKind, name: WorkloadName, owner: OwnerReference? = nil, pod: Pod, isReplicated: Bool = false,
        file: String = "", document: Int = 1, line: Int = 0, column: Int = 0
    ) {
        self.kind = kind
        self.name = name
        self.owner = owner
        self.pod = pod
        self.isReplicated = isReplicated
        self.file = file
        self.document = document
        self.line = line
        self.column = column
    }
}

extension WorkloadTemplate {
    /// The pod that a document describes, as far as it can be read; an error leaves out what it is about. Nil if the
    /// document runs no pods, or says nothing of their content, as a patch may.
    public static func pod(in node: DocumentNode) -> Pod? {
        let version = node["apiVersion"]?.string ?? ""
        let group = version.contains("/") ? version.prefix { $0 != "/" } : ""
        guard let kind = node["kind"]?.string.flatMap(WorkloadKind.init(rawValue:)), kind.groups.contains(group) else {
            return nil
        }
        var context = DecodingContext(file: "", document: 1, mode: .lenient)
        return context.below(kind.path, of: node) { context, spec in
            guard let template = spec["template"], template["spec"] != nil else { return nil }
            return Pod.decode(template: template, in: &context)
        }
    }

    /// Nil if the document lacks a part without which nothing is known of its pods; that is an error then.
    static func decode(
        _ node: DocumentNode, kind: WorkloadKind, in context: inout DecodingContext
    ) -> WorkloadTemplate? {
        let metadata = ObjectMeta.decode(node, kind: .pod, in: &context)
        guard !metadata.name.isEmpty else { return nil }
        var isReplicated = kind == .daemonSet
        let pod = context.below(kind.path, of: node) { context, spec -> Pod? in
            let count = spec[kind == .job || kind == .cronJob ? "parallelism" : "replicas"]
            if case .integer(let number)? = count?.value { isReplicated = isReplicated || number > 1 }
            return context.required("template", of: spec) { Pod.decode(template: $1, in: &$0) }
        }
        guard var pod else { return nil }
        pod.metadata.namespace = metadata.namespace
        return WorkloadTemplate(
            kind: kind, name: WorkloadName(namespace: metadata.namespace, kind: kind.rawValue, name: metadata.name),
            owner: OwnerReference(controllerOf: node), pod: pod, isReplicated: isReplicated, file: context.file,
            document: context.document, line: node.line, column: node.column)
    }
}

extension Pod {
    /// core/v1 PodTemplateSpec.
    fileprivate static func decode(template: DocumentNode, in context: inout DecodingContext) -> Pod? {
        guard context.mapping(template) != nil else { return nil }
        var pod = Pod(metadata: ObjectMeta(name: ""))
        pod.metadata.labels =
            context.field("metadata", of: template) { context, metadata -> [String: String]? in
                guard context.mapping(metadata) != nil else { return nil }
                return context.field("labels", of: metadata) { $0.labels($1) }
            } ?? [:]
        pod.decodeFields(template, in: &context)
        pod.phase = .running
        return pod
    }
}

extension DecodingContext {
    /// The value below required fields, one in the other, read by `body`.
    fileprivate mutating func below<T>(
        _ fields: [String], of node: DocumentNode, _ body: (inout DecodingContext, DocumentNode) -> T?
    ) -> T? {
        guard let first = fields.first else { return mapping(node) == nil ? nil : body(&self, node) }
        return required(first, of: node) { $0.below(Array(fields.dropFirst()), of: $1, body) }
    }
}
