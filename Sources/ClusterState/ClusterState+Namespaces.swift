// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

extension ClusterState {
    /// The namespace's number, with one more reference; a new namespace is created with its implied label.
    mutating func retainNamespace(_ name: String) -> UInt32 {
        let number: UInt32
        if let last = lastNamespace, last.name == name {
            number = last.number
        } else {
            number = namespaceNumbers[name] ?? makeNamespace(name)
            lastNamespace = (name, number)
        }
        namespaces[Int(number)].references += 1
        return number
    }

    private mutating func makeNamespace(_ name: String) -> UInt32 {
        let record = NamespaceRecord(name: name, labels: retainLabels([Namespace.nameLabel: name]))
        let number: UInt32
        if let old = freeNamespaces.popLast() {
            number = old
            namespaces[Int(old)] = record
        } else {
            number = UInt32(namespaces.count)
            namespaces.append(record)
        }
        namespaceNumbers[name] = number
        changes.namespaces.insert(number)
        return number
    }

    mutating func releaseNamespace(_ number: UInt32) {
        namespaces[Int(number)].references -= 1
        if namespaces[Int(number)].references == 0 { released.namespaces.append(number) }
    }

    mutating func free(namespace number: UInt32) {
        // A namespace that was freed by an earlier entry of the same list is no longer under its name.
        guard namespaceNumbers[namespaces[Int(number)].name] == number else { return }
        namespaceNumbers[namespaces[Int(number)].name] = nil
        releaseLabels(namespaces[Int(number)].labels)
        freeNamespaces.append(number)
    }

    mutating func set(_ namespace: Namespace) {
        let number = retainNamespace(namespace.metadata.name)
        if namespaces[Int(number)].isExplicit {
            releaseNamespace(number)
        } else {
            namespaces[Int(number)].isExplicit = true
        }
        relabel(number, namespace.metadata.labels)
    }

    mutating func removeNamespace(_ name: String) {
        guard let number = namespaceNumbers[name], namespaces[Int(number)].isExplicit else { return }
        namespaces[Int(number)].isExplicit = false
        relabel(number, [:])
        releaseNamespace(number)
    }

    /// The API server sets the name label on every namespace, so the label exists whatever the object says.
    private mutating func relabel(_ number: UInt32, _ labels: [String: String]) {
        var labels = labels
        labels[Namespace.nameLabel] = namespaces[Int(number)].name
        let new = retainLabels(labels)
        let old = namespaces[Int(number)].labels
        namespaces[Int(number)].labels = new
        releaseLabels(old)
        if new != old { changes.namespaces.insert(number) }
    }

    /// Labels of a namespace, sorted by key.
    package func labels(ofNamespace number: UInt32) -> [LabelPair] { labelSets[namespaces[Int(number)].labels] }

    /// The namespace of pods whose namespace is unknown: its labels are unknown too, so only empty selectors match it.
    /// It has no name, is never freed, and no rule finds peers in it.
    static let noNamespace: UInt32 = 0

    /// Whether a namespace's number is in use, and its pods can be peers.
    package func isLive(namespace number: UInt32) -> Bool {
        Int(number) < namespaces.count && namespaceNumbers[namespaces[Int(number)].name] == number
    }

    /// Numbers of all namespaces whose pods can be peers.
    package var liveNamespaces: [UInt32] { namespaceNumbers.values.sorted() }

    /// The number of a label set, with one more reference.
    mutating func retainLabels(_ labels: [String: String]) -> UInt32 {
        var pairs: [LabelPair] = []
        pairs.reserveCapacity(labels.count)
        for (key, value) in labels {
            pairs.append(LabelPair(key: strings.retain(key).number, value: strings.retain(value).number))
        }
        pairs.sort()
        let (number, isNew) = labelSets.retain(pairs)
        if !isNew { for pair in pairs { release(pair) } }
        return number
    }

    /// Strings are released at commit: the resolver may still hold a selector that names them.
    mutating func releaseLabels(_ number: UInt32) {
        guard let pairs = labelSets.release(number) else { return }
        for pair in pairs where pair != .unknown { released.strings += [pair.key, pair.value] }
    }

    private mutating func release(_ pair: LabelPair) {
        _ = strings.release(pair.key)
        _ = strings.release(pair.value)
    }
}
