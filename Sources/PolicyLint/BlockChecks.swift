// SPDX-License-Identifier: Apache-2.0
import Documents
import Findings
import KubernetesObjects
import NetworkTypes

/// Checks of address blocks: metadata addresses and the forgotten family.
struct BlockChecks {
    let object: LintObject

    init(_ object: LintObject) { self.object = object }

    /// Where clouds serve instance metadata, by family.
    static let metadata: [AddressFamily: [String]] = [
        .ipv4: ["169.254.169.254"], .ipv6: ["fd00:ec2::254"],
    ]

    var findings: [Finding] {
        switch object.object {
        case .networkPolicy(let policy):
            rules(policy.ingress, .ingress) + rules(policy.egress, .egress)
        case .tierPolicy(let policy): rules(policy.egress)
        default: []
        }
    }

    // MARK: NetworkPolicy

    private func rules(_ rules: [NetworkPolicyRule], _ direction: PolicyDirectionName) -> [Finding] {
        let blocks = rules.map { rule in
            rule.peers.enumerated().compactMap { index, peer -> Block? in
                guard case .ipBlock(let cidr, let except) = peer else { return nil }
                return Block(index: index, cidr: cidr, except: except)
            }
        }
        let everyV6 = blocks.joined().filter { $0.cidr == CIDR(wholeOf: .ipv6) }
        let hasAny = rules.contains { $0.peers.isEmpty }
        var found: [Finding] = []
        for (number, rule) in blocks.enumerated() {
            for block in rule where block.cidr.prefixLength == 0 {
                let path = FieldPath.rules(direction).appending(.index(number)).appending(.field(direction.peers))
                    .appending(.index(block.index)).appending(.field("ipBlock"))
                if direction == .egress, let message = onlyMetadata(block, everyV6: everyV6) {
                    found.append(
                        object.finding(
                            .onlyMetadataExcepted, message, at: path,
                            fix: "Name the peers that are needed. If the internet is meant, except the ranges of "
                                + "pods, Services and nodes as well, for IPv6 too."))
                } else if block.cidr.family == .ipv4, everyV6.isEmpty, !hasAny {
                    found.append(
                        object.finding(
                            .forgottenIPv6,
                            "0.0.0.0/0 is every IPv4 address. No rule of this policy is about IPv6: on a dual-stack "
                                + "cluster it denies all of IPv6.",
                            at: path, fix: "Add an ipBlock for ::/0, or remove the peers if every address is meant."))
                }
            }
        }
        return found
    }

    private struct Block {
        var index: Int
        var cidr: CIDR
        var except: [CIDR]

        func excepts(_ text: String) -> Bool {
            guard let address = try? IPAddress(text) else { return false }
            return except.contains { $0.contains(address) }
        }

        /// Whether nothing but link-local and metadata addresses is excepted.
        var exceptsOnlyMetadata: Bool {
            !except.isEmpty && except.allSatisfy { part in Self.linkLocal.contains { $0.contains(part) } }
        }

        private static let linkLocal = ["169.254.0.0/16", "fe80::/10", "fd00:ec2::/32"].compactMap { try? CIDR($0) }
    }

    /// The sentence, if the block is everything but metadata.
    private func onlyMetadata(_ block: Block, everyV6: [Block]) -> String? {
        guard block.exceptsOnlyMetadata, let address = Self.metadata[block.cidr.family]?.first,
            block.excepts(address)
        else { return nil }
        let text = "All of \(block.cidr) but the metadata address is allowed: every pod and every node as well."
        guard block.cidr.family == .ipv4 else { return text }
        let isOpen = everyV6.contains { !$0.excepts("fd00:ec2::254") }
        return isOpen
            ? text
                + " The metadata address of IPv6, fd00:ec2::254, is open, because ::/0 is allowed without excepting it."
            : text + " IPv6 is not covered by this block."
    }

    // MARK: Tiers

    /// A Deny for all of IPv4, or for its metadata address, alone.
    private func rules(_ rules: [TierRule]) -> [Finding] {
        let networks = rules.map { rule in
            rule.peers.flatMap { peer -> [CIDR] in if case .networks(let list) = peer { list } else { [] } }
        }
        let deniesV6 = zip(rules, networks).contains { rule, networks in
            rule.action == .deny && networks.contains { $0.family == .ipv6 }
        }
        guard !deniesV6 else { return [] }
        return zip(rules, networks).enumerated().compactMap { index, pair in
            let (rule, networks) = pair
            guard rule.action == .deny, let metadata = try? IPAddress("169.254.169.254"),
                let network = networks.first(where: { $0.contains(metadata) })
            else { return nil }
            let isAll = network.prefixLength == 0
            return object.finding(
                .forgottenIPv6,
                "The rule denies \(network) and no rule of this policy denies anything of IPv6: "
                    + (isAll ? "every IPv6 address" : "the metadata address of IPv6, fd00:ec2::254,")
                    + " stays open to it.",
                at: FieldPath.rules(.egress).appending(.index(index)),
                fix: isAll ? "Add ::/0 to the rule's networks." : "Add fd00:ec2::254/128 to the rule's networks.")
        }
    }
}

extension CIDR {
    /// Every address of a family.
    init(wholeOf family: AddressFamily) {
        self.init(family == .ipv4 ? IPAddress(v4: 0) : IPAddress(v6High: 0, low: 0), prefixLength: 0)
    }
}
