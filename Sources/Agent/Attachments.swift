// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import ControlSocket
import FoundationEssentials
import NetworkTypes
import NodeNetwork
import PolicyModel

/// The container runtime's reports about this node's pods.
struct Attachments: Equatable {
    /// An interface of a sandbox.
    struct Key: Codable, Hashable, Sendable, Comparable {
        var container: String
        var ifname: String
        static func < (a: Self, b: Self) -> Bool { (a.container, a.ifname) < (b.container, b.ifname) }
    }

    struct Record: Hashable, Sendable {
        var pod: PodAttachment
        var network: String
        /// Interfaces of the node whose other ends belong to the pod. If all are gone, so is the pod's network.
        var hostInterfaces: [String] = []
    }

    var records: [Key: Record] = [:]

    /// At most one per UID and per address.
    var pods: [PodAttachment] {
        var byUID: [String: PodAttachment] = [:]
        for (_, record) in records.sorted(by: { $0.key < $1.key }) {
            guard var pod = byUID[record.pod.uid] else {
                byUID[record.pod.uid] = record.pod
                continue
            }
            pod.addresses += record.pod.addresses
            pod.isHeld = pod.isHeld || record.pod.isHeld
            byUID[record.pod.uid] = pod
        }
        return byUID.values.sorted { $0.uid < $1.uid }
    }

    /// Adds one. Another record of one of its addresses loses the address for good: the runtime has assigned it again,
    /// and an address never returns to its previous sandbox. So this is not a claim, which would prevail again once the
    /// later one is gone, but the record of what the runtime has assigned.
    func adding(_ record: Record, as key: Key) -> Self {
        var next = self
        for (other, var old) in records where other != key {
            let count = old.pod.addresses.count
            old.pod.addresses.removeAll { record.pod.addresses.contains($0) }
            if old.pod.addresses.count < count { next.records[other] = old.pod.addresses.isEmpty ? nil : old }
        }
        next.records[key] = record
        return next
    }

    func removing(_ keys: [Key]) -> Self {
        var next = self
        for key in keys { next.records[key] = nil }
        return next
    }

    /// Those whose interfaces are all gone from the node.
    func vanished(in network: NetworkState) -> [Key] {
        let known = records.filter { !$0.value.hostInterfaces.isEmpty }
        guard !known.isEmpty else { return [] }
        let names = Set(network.links.values.map(\.name))
        return known.filter { names.isDisjoint(with: $0.value.hostInterfaces) }.map(\.key)
    }
}

/// The file in which attachments outlive the daemon.
public struct AttachmentFile: Sendable {
    public let path: String
    public init(path: String) { self.path = path }

    /// The file that belongs to a control socket.
    public static func path(beside socket: String) -> String { socket + ".attachments.json" }

    private struct Content: Codable {
        var version: Int
        var attachments: [Entry]
    }

    private struct Entry: Codable {
        var container: String
        var ifname: String
        var network: String
        var namespace: String
        var pod: String
        var uid: String
        var addresses: [String]
        var hostInterfaces: [String]
        var held: Bool
    }

    /// The layout that is written and read.
    private static let version = 1

    var file: KeptFile {
        KeptFile(path: path, content: "the container runtime's reports about this node's pods")
    }

    /// - Throws: ``KeptFileError`` if the file cannot be used.
    func read() throws(KeptFileError) -> [Attachments.Key: Attachments.Record] {
        guard let bytes = try file.read() else { return [:] }
        return try file.attempt {
            let content = try JSONDecoder().decode(Content.self, from: Data(bytes))
            guard content.version == Self.version else {
                throw file.failure("has version \(content.version), which this daemon cannot read")
            }
            var attachments = Attachments()
            for entry in content.attachments {
                let pod = PodAttachment(
                    uid: entry.uid, namespace: entry.namespace, name: entry.pod,
                    addresses: try entry.addresses.map { try IPAddress($0) }, isHeld: entry.held)
                attachments = attachments.adding(
                    Attachments.Record(pod: pod, network: entry.network, hostInterfaces: entry.hostInterfaces),
                    as: Attachments.Key(container: entry.container, ifname: entry.ifname))
            }
            return attachments.records
        }
    }

    func write(_ records: [Attachments.Key: Attachments.Record]) throws(KeptFileError) {
        let entries = records.sorted { $0.key < $1.key }.map { key, record in
            Entry(
                container: key.container, ifname: key.ifname, network: record.network,
                namespace: record.pod.namespace, pod: record.pod.name, uid: record.pod.uid,
                addresses: record.pod.addresses.map(\.description), hostInterfaces: record.hostInterfaces,
                held: record.pod.isHeld)
        }
        try file.attempt {
            try file.replace(with: try ControlJSON.encode(Content(version: Self.version, attachments: entries)))
        }
    }
}
