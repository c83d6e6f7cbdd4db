// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes

/// Reads pods straight into values, because they come by the hundred thousand.
///
/// For anything unusual about a pod (an unknown phase, an invalid address) it answers nil, and the pod is read the slow
/// way, so that both ways agree.
struct PodReader {
    private let bytes: UnsafeRawBufferPointer
    private var labelSets: LabelSetCache
    /// Lists come in the order of namespaces.
    private var lastNamespace = RepeatedText()
    /// Pods of one template follow one another, and have one service account.
    private var lastAccount = RepeatedText()

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        labelSets = LabelSetCache(bytes)
    }

    /// The data collected about one pod; if the pod is written in parts, each part adds to it.
    fileprivate struct Draft {
        var pod = Pod(metadata: ObjectMeta(name: ""), phase: .pending)
        var resourceVersion = ""
        var generation: Int64 = 0
        var phase: PodPhase?
        var podIP = SingleAddress()
        var hostIP = SingleAddress()
        var isUsual = true
    }

    /// A text that mostly repeats the one before, so that many pods share it in memory.
    fileprivate struct RepeatedText {
        var range = 0..<0
        var text = ""
    }

    /// status.podIP or status.hostIP with the place of its text, which the list of addresses mostly repeats.
    fileprivate struct SingleAddress {
        var text = 0..<0
        var value: IPAddress?
    }

    mutating func read(_ message: WireReader) throws(ProtobufError) -> DecodedObject? {
        var (reader, draft) = (message, Draft())
        while let tag = try reader.next() {
            switch tag.number {
            case 1:
                let part = try reader.message(tag)
                try inside(.field("metadata")) { () throws(ProtobufError) in try readMetadata(part, &draft) }
            case 2:
                let part = try reader.message(tag)
                try inside(.field("spec")) { () throws(ProtobufError) in try readSpec(part, &draft) }
            case 3:
                let part = try reader.message(tag)
                try inside(.field("status")) { () throws(ProtobufError) in try readStatus(part, &draft) }
            default: try reader.skip(tag)
            }
        }
        guard draft.isUsual, !draft.pod.metadata.name.isEmpty else { return nil }
        return DecodedObject(
            object: .pod(draft.finish()), resourceVersion: draft.resourceVersion, generation: draft.generation)
    }

    private mutating func readMetadata(_ message: WireReader, _ draft: inout Draft) throws(ProtobufError) {
        var reader = message
        while let tag = try reader.next() {
            switch tag.number {
            case 1: draft.pod.metadata.name = try reader.text(tag)
            case 3: draft.pod.metadata.namespace = text(try reader.content(tag), sharing: &lastNamespace)
            case 5: draft.pod.metadata.uid = try reader.text(tag)
            case 6: draft.resourceVersion = try reader.text(tag)
            case 7: draft.generation = try reader.integer(tag)
            case 8:
                draft.pod.metadata.createdAt = try ObjectStamp.seconds(
                    try reader.message(tag), draft.pod.metadata.createdAt)
            case 11: try readLabels(&reader, tag, &draft)
            case 12:
                let entry = try reader.message(tag)
                try inside(.field("annotations")) { () throws(ProtobufError) in try readAnnotation(entry, &draft) }
            default: try reader.skip(tag)
            }
        }
    }

    private func text(_ range: Range<Int>, sharing last: inout RepeatedText) -> String {
        if !bytes.areSame(last.range, range) {
            last = RepeatedText(range: range, text: WireReader(bytes, range).text(in: range))
        }
        return last.text
    }

    /// All consecutive entries at once.
    private mutating func readLabels(
        _ reader: inout WireReader, _ tag: WireTag, _ draft: inout Draft
    ) throws(ProtobufError) {
        let first = try reader.content(tag)
        var end = reader
        var last = end
        while let next = try end.next(), next.raw == tag.raw {
            _ = try end.content(next)
            last = end
        }
        reader = last
        let labels = try labelSets.labels(first.lowerBound..<reader.position, first: first)
        if draft.pod.metadata.labels.isEmpty {
            draft.pod.metadata.labels = labels
        } else {
            draft.pod.metadata.labels.merge(labels) { _, new in new }
        }
    }

    /// Keeps one of the annotations; all others stay unread.
    private func readAnnotation(_ message: WireReader, _ draft: inout Draft) throws(ProtobufError) {
        let (key, value) = try message.mapEntryPlaces()
        guard bytes.isText(key, Pod.mirrorAnnotation) else { return }
        draft.pod.staticUID = message.text(in: value)
    }

    private mutating func readSpec(_ message: WireReader, _ draft: inout Draft) throws(ProtobufError) {
        var reader = message
        while let tag = try reader.next() {
            switch tag.number {
            case 2, 20:
                let container = try reader.message(tag)
                try inside(.field(tag.number == 2 ? "containers" : "initContainers")) { () throws(ProtobufError) in
                    try readContainer(container, isInitial: tag.number == 20, &draft)
                }
            case 8: draft.pod.serviceAccountName = text(try reader.content(tag), sharing: &lastAccount)
            case 10: draft.pod.nodeName = try reader.text(tag)
            case 11: draft.pod.hostNetwork = try reader.flag(tag)
            default: try reader.skip(tag)
            }
        }
    }

    /// The ports of an init container count if it always restarts, which is written after them.
    private func readContainer(
        _ message: WireReader, isInitial: Bool, _ draft: inout Draft
    ) throws(ProtobufError) {
        var reader = message
        let before = draft.pod.namedPorts.count
        var counts = !isInitial
        while let tag = try reader.next() {
            switch tag.number {
            case 6:
                let port = try reader.message(tag)
                try inside(.field("ports")) { () throws(ProtobufError) in try readPort(port, &draft) }
            case 24:
                let policy = try reader.content(tag)
                if isInitial { counts = bytes.isText(policy, "Always") }
            default: try reader.skip(tag)
            }
        }
        if !counts { draft.pod.namedPorts.removeSubrange(before...) }
    }

    private func readPort(_ message: WireReader, _ draft: inout Draft) throws(ProtobufError) {
        var reader = message
        var name = ""
        var number: Int32 = 0
        var ipProtocol: IPProtocol? = .tcp
        while let tag = try reader.next() {
            switch tag.number {
            case 1: name = try reader.text(tag)
            case 3: number = try reader.integer32(tag)
            case 4: ipProtocol = self.ipProtocol(try reader.content(tag))
            default: try reader.skip(tag)
            }
        }
        guard !name.isEmpty else { return }
        guard let ipProtocol, let number = UInt16(exactly: number), number > 0 else {
            draft.isUsual = false
            return
        }
        draft.pod.namedPorts.append(NamedPort(name: name, ipProtocol: ipProtocol, number: number))
    }

    private func ipProtocol(_ text: Range<Int>) -> IPProtocol? {
        if text.isEmpty || bytes.isText(text, "TCP") { return .tcp }
        if bytes.isText(text, "UDP") { return .udp }
        return bytes.isText(text, "SCTP") ? .sctp : nil
    }

    private func readStatus(_ message: WireReader, _ draft: inout Draft) throws(ProtobufError) {
        var reader = message
        while let tag = try reader.next() {
            switch tag.number {
            case 1: readPhase(try reader.content(tag), &draft)
            case 5: draft.hostIP = single(try reader.content(tag), &draft)
            case 6: draft.podIP = single(try reader.content(tag), &draft)
            case 12:
                let item = try reader.message(tag)
                try inside(.field("podIPs")) { () throws(ProtobufError) in
                    draft.pod.podIPs.append(new: try listed(item, draft.podIP, &draft))
                }
            case 16:
                let item = try reader.message(tag)
                try inside(.field("hostIPs")) { () throws(ProtobufError) in
                    draft.pod.hostIPs.append(new: try listed(item, draft.hostIP, &draft))
                }
            default: try reader.skip(tag)
            }
        }
    }

    private func readPhase(_ text: Range<Int>, _ draft: inout Draft) {
        if bytes.isText(text, "Running") {
            draft.phase = .running
        } else {
            draft.phase = PodPhase(rawValue: WireReader(bytes, text).text(in: text))
            if draft.phase == nil, !text.isEmpty { draft.isUsual = false }
        }
    }

    /// No value for an empty text, which stands for a pod without an address yet.
    private func single(_ text: Range<Int>, _ draft: inout Draft) -> SingleAddress {
        guard !text.isEmpty else { return SingleAddress() }
        let value = IPAddress(utf8: UnsafeRawBufferPointer(rebasing: bytes[text]))
        if value == nil { draft.isUsual = false }
        return SingleAddress(text: text, value: value)
    }

    /// core/v1 PodIP or HostIP.
    private func listed(
        _ message: WireReader, _ known: SingleAddress, _ draft: inout Draft
    ) throws(ProtobufError) -> IPAddress? {
        var reader = message
        var text = 0..<0
        while let tag = try reader.next() {
            if tag.number == 1 { text = try reader.content(tag) } else { try reader.skip(tag) }
        }
        if let value = known.value, bytes.areSame(known.text, text) { return value }
        let value = IPAddress(utf8: UnsafeRawBufferPointer(rebasing: bytes[text]))
        if value == nil { draft.isUsual = false }
        return value
    }
}

extension PodReader.Draft {
    /// The rules of JSON decoding: the defaults of namespace and service account, ports in order and once each, the single address last.
    fileprivate consuming func finish() -> Pod {
        if pod.metadata.namespace.isEmpty { pod.metadata.namespace = "default" }
        if pod.serviceAccountName.isEmpty { pod.serviceAccountName = Pod.defaultServiceAccount }
        let isOrdered = zip(pod.namedPorts, pod.namedPorts.dropFirst()).allSatisfy { $0 < $1 }
        if !isOrdered { pod.namedPorts = Set(pod.namedPorts).sorted() }
        pod.podIPs.append(new: podIP.value)
        pod.hostIPs.append(new: hostIP.value)
        pod.phase = phase ?? (pod.podIPs.isEmpty ? .pending : .running)
        return pod
    }
}

extension [IPAddress] {
    fileprivate mutating func append(new address: IPAddress?) {
        if let address, !contains(address) { append(address) }
    }
}
