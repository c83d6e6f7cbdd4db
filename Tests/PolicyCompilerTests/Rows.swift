// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import NetworkTypes
import PolicyCompiler
import PolicyModel

/// Short forms for rows of changes and what they lead to.
func address(_ text: String) -> IPAddress {
    do { return try IPAddress(text) } catch { preconditionFailure("\(error)") }
}

func cidr(_ text: String) -> CIDR {
    do { return try CIDR(text) } catch { preconditionFailure("\(error)") }
}

func tcp(_ first: UInt16, _ last: UInt16? = nil) -> ProtocolPorts {
    ProtocolPorts(.tcp, PortRange(first, last ?? first))
}
func udp(_ first: UInt16, _ last: UInt16? = nil) -> ProtocolPorts {
    ProtocolPorts(.udp, PortRange(first, last ?? first))
}

func sets(_ numbers: UInt32...) -> PeerMatch { .sets(numbers.map(PeerSetID.init(rawValue:))) }

/// "10.0.0.0/8" or "10.0.0.0/8 except 10.1.0.0/16 10.2.0.0/16".
func block(_ text: String) -> AddressBlock {
    let words = text.split(separator: " ").map(String.init)
    return AddressBlock(cidr: cidr(words[0]), except: words.dropFirst(2).map(cidr))
}

extension PeerSetDescription {
    /// Pods; their groups say which.
    static let pods = PeerSetDescription(description: "pods")
    static func pods(at bounds: String...) -> Self { Self(description: "pods", bounds: bounds.map(block)) }
    static func blocks(_ blocks: String...) -> Self {
        Self(description: blocks.joined(separator: ", "), blocks: blocks.map(block))
    }
    static func nodes(_ blocks: String...) -> Self {
        Self(description: "nodes", blocks: blocks.map(block), hasChangingMembers: true)
    }
    static func ownNode(_ blocks: String...) -> Self {
        Self(description: "own node", blocks: blocks.map(block), isOwnNode: true)
    }
}

/// One thing that a step changes.
enum Part {
    case add(UInt32, PeerSetDescription)
    case remove(UInt32)
    case join(UInt32, String)
    case leave(UInt32, String)
    /// Group and the sets of pods that it is in now; none: the group is gone.
    case group(UInt32, [UInt32])
    /// Addresses and the group that they are in now; 0: none.
    case addresses([String], UInt32)
    case endpoint(ResolvedEndpoint)
    case endpointRemoved(String)
}

extension ResolvedChange {
    init(_ parts: [Part]) {
        self.init()
        for part in parts {
            switch part {
            case .add(let set, let description): addedPeerSets[PeerSetID(rawValue: set)] = description
            case .remove(let set): removedPeerSets.append(PeerSetID(rawValue: set))
            case .join(let set, let prefix):
                members[PeerSetID(rawValue: set), default: MembershipChange()].joined.append(cidr(prefix))
            case .leave(let set, let prefix):
                members[PeerSetID(rawValue: set), default: MembershipChange()].left.append(cidr(prefix))
            case .group(let group, let sets) where sets.isEmpty: removedGroups.append(PeerGroupID(rawValue: group))
            case .group(let group, let sets):
                groups[PeerGroupID(rawValue: group)] = sets.map(PeerSetID.init(rawValue:))
            case .addresses(let texts, let group):
                addresses += texts.map {
                    AddressGroup(address($0), group == 0 ? nil : PeerGroupID(rawValue: group))
                }
            case .endpoint(let endpoint): endpoints[endpoint.name] = endpoint
            case .endpointRemoved(let name): removedEndpoints.append(EndpointName(namespace: "shop", name: name))
            }
        }
    }
}
