// SPDX-License-Identifier: Apache-2.0
import Documents
import NetworkTypes
import PolicyModel

extension RequestPolicyLine {
    /// The longest line, without its line feed: the largest object that an API server stores fits several times.
    public static let lengthLimit = 8 << 20

    /// Reads one line as ``append(to:)`` writes it.
    public init(json bytes: [UInt8]) throws(RequestPolicyError) {
        let node: DocumentNode
        do throws(JSONError) {
            node = try JSONReader.read(bytes, limits: .init(depth: 8, size: Self.lengthLimit, values: 1_000_000))
        } catch {
            throw .json(error)
        }
        let fields = Fields(node: node, name: "")
        switch try fields.text("line") {
        case "reset": self = .reset
        case "class":
            self = .setClass(try fields.number("number"), try fields.peerSets("sets"))
        case "remove class": self = .removeClass(try fields.number("number"))
        case "source": self = .setSource(try fields.prefix("prefix"), sourceClass: try fields.number("class"))
        case "remove source": self = .removeSource(try fields.prefix("prefix"))
        case "program":
            self = .setProgram(
                try fields.number("number"), rules: try fields.count("rules"),
                auditRules: try fields.count("auditRules"))
        case "rule": self = .rule(try RequestRule(fields))
        case "remove program": self = .removeProgram(try fields.number("number"))
        case "endpoint": self = .setEndpoint(try fields.number("number"), try RequestEndpoint(fields))
        case "remove endpoint": self = .removeEndpoint(try fields.number("number"))
        case "commit":
            guard let generation = UInt64(try fields.text("generation")) else {
                throw .field("generation", problem: "is not a number")
            }
            guard let checksum = RequestPolicyChecksum(try fields.text("checksum")) else {
                throw .field("checksum", problem: "is not 32 hexadecimal digits")
            }
            self = .commit(generation: generation, checksum: checksum)
        default: throw .field("line", problem: "is of no known kind")
        }
    }
}

/// The fields of one mapping of a line, with the checks that they all need.
struct Fields {
    var node: DocumentNode
    /// For errors.
    var name: String

    func required(_ key: String) throws(RequestPolicyError) -> DocumentNode {
        guard let value = node[key] else { throw .field(name + key, problem: "is missing") }
        return value
    }

    func fields(_ key: String) throws(RequestPolicyError) -> Fields {
        Fields(node: try required(key), name: "\(name)\(key).")
    }

    func text(_ key: String) throws(RequestPolicyError) -> String {
        guard let text = try required(key).string else { throw .field(name + key, problem: "is not a string") }
        return text
    }

    func flag(_ key: String) throws(RequestPolicyError) -> Bool {
        guard case .bool(let flag) = try required(key).value else {
            throw .field(name + key, problem: "is not a boolean")
        }
        return flag
    }

    func items(_ key: String) throws(RequestPolicyError) -> [DocumentNode] {
        guard case .sequence(let items) = try required(key).value else {
            throw .field(name + key, problem: "is not a list")
        }
        return items
    }

    func number(_ key: String) throws(RequestPolicyError) -> UInt32 {
        try Self.number(try required(key), name + key)
    }

    func count(_ key: String) throws(RequestPolicyError) -> Int { Int(try number(key)) }

    func prefix(_ key: String) throws(RequestPolicyError) -> CIDR {
        guard let prefix = try? CIDR(try text(key)) else { throw .field(name + key, problem: "is not a prefix") }
        return prefix
    }

    func peerSets(_ key: String) throws(RequestPolicyError) -> [PeerSetID] {
        var sets: [PeerSetID] = []
        for item in try items(key) { sets.append(PeerSetID(rawValue: try Self.number(item, name + key))) }
        return sets
    }

    static func number<Number: FixedWidthInteger>(
        _ node: DocumentNode, _ name: String
    ) throws(RequestPolicyError) -> Number {
        guard case .integer(let value) = node.value, let number = Number(exactly: value) else {
            throw .field(name, problem: "is not a number of its range")
        }
        return number
    }
}

extension RequestEndpoint {
    init(_ fields: Fields) throws(RequestPolicyError) {
        self.init(name: try fields.text("name"), addresses: [], program: try fields.number("program"))
        for item in try fields.items("addresses") {
            guard let text = item.string, let address = try? IPAddress(text) else {
                throw .field("addresses", problem: "has something that is not an address")
            }
            addresses.append(address)
        }
    }
}
