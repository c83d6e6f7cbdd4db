// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import PolicyModel

/// Pods in place of those that documents would run.
struct StandInPods {
    /// Ordered by workload.
    private(set) var pods: [(WorkloadName, [Pod])] = []
    private(set) var problems: [ManifestError] = []
    /// All names of pods, taken or given.
    private var taken: Set<EndpointName>

    /// One pod for each workload without a known unfinished pod, two where there is more than one at a time.
    init(beside grouping: WorkloadGrouping, _ templates: [WorkloadTemplate]) {
        taken = templates.isEmpty ? [] : grouping.podNames
        var first: [WorkloadName: WorkloadTemplate] = [:]
        for template in templates {
            if let earlier = first[template.name] {
                problems.append(.duplicate(template, of: earlier))
            } else {
                first[template.name] = template
            }
        }
        var byWorkload: [WorkloadName: [WorkloadTemplate]] = [:]
        for template in first.values {
            let workload = grouping.workload(behind: template.name, labels: template.pod.metadata.labels)
            if !grouping.hasLivePods(workload) { byWorkload[workload, default: []].append(template) }
        }
        // First pods keep their workload's name where they can: it is by this name that people ask about them.
        let chosen = byWorkload.sorted { $0.key < $1.key }.compactMap { workload, templates in
            Self.best(templates, for: workload).map { (workload, $0) }
        }
        pods = chosen.map { ($0, [pod(of: $1, number: 0, in: $0)]) }
        for (index, (workload, template)) in chosen.enumerated() where template.isReplicated {
            pods[index].1.append(pod(of: template, number: 1, in: workload))
        }
    }

    /// A workload's own document; otherwise, of those that it controls, one that runs.
    static func best(_ templates: [WorkloadTemplate], for workload: WorkloadName) -> WorkloadTemplate? {
        func rank(_ template: WorkloadTemplate) -> Int {
            template.name == workload ? 0 : template.isReplicated ? 1 : 2
        }
        return templates.min { (rank($0), $0.name) < (rank($1), $1.name) }
    }

    private mutating func pod(of template: WorkloadTemplate, number: Int, in workload: WorkloadName) -> Pod {
        var pod = template.pod
        let isNumbered = template.kind == .statefulSet
        let wanted = isNumbered ? "\(workload.name)-\(number)" : workload.name + (number == 0 ? "" : "-2")
        pod.metadata.namespace = workload.namespace
        pod.metadata.name = free(wanted, in: workload.namespace)
        for (key, value) in template.givenLabels(pod: wanted, number: number) { pod.metadata.labels[key] = value }
        return pod
    }

    private mutating func free(_ wanted: String, in namespace: String) -> String {
        var name = wanted
        var number = 1
        while !taken.insert(EndpointName(namespace: namespace, name: name)).inserted {
            name = "\(wanted)-stand-in" + (number == 1 ? "" : "-\(number)")
            number += 1
        }
        return name
    }
}

extension WorkloadTemplate {
    /// Labels that controllers add to their pods and that selectors may name.
    fileprivate func givenLabels(pod: String, number: Int) -> [String: String] {
        switch kind {
        case .statefulSet: ["statefulset.kubernetes.io/pod-name": pod, "apps.kubernetes.io/pod-index": "\(number)"]
        case .job: ["job-name": name.name, "batch.kubernetes.io/job-name": name.name]
        case .deployment, .daemonSet, .replicaSet, .replicationController, .cronJob: [:]
        }
    }
}

extension ManifestError {
    fileprivate static func duplicate(_ template: WorkloadTemplate, of first: WorkloadTemplate) -> ManifestError {
        ManifestError(
            file: template.file, document: template.document, line: template.line, column: template.column,
            reason: "\(template.name) is already defined at \(first.file):\(first.line); this one has no effect")
    }
}
