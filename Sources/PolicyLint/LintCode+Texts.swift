// SPDX-License-Identifier: Apache-2.0

extension LintCode {
    struct Texts {
        var name: String
        var title: String
        var why: String
    }

    var text: Texts { isAboutText ? writtenText : meaningText }

    /// Whether the document alone shows it.
    private var isAboutText: Bool {
        switch self {
        case .refused, .misplacedSelector, .onlyMetadataExcepted, .forgottenIPv6, .orInsteadOfAnd, .deadDirection,
            .emptyPeers, .unknownSuppression:
            true
        default: false
        }
    }

    private var writtenText: Texts {
        switch self {
        case .misplacedSelector:
            Texts(
                name: "misplaced-selector", title: "A selector's labels are not inside the selector",
                why: "API servers drop unknown fields, and the empty selector that is left selects everything.")
        case .onlyMetadataExcepted:
            Texts(
                name: "only-metadata-excepted", title: "Everything but the metadata address is allowed",
                why: "Every pod, every node and the rest of the world stay reachable; IPv6 has a metadata address too.")
        case .forgottenIPv6:
            Texts(
                name: "forgotten-ipv6", title: "A rule about every IPv4 address says nothing of IPv6",
                why: "On a dual-stack cluster the rule holds for half of the addresses only.")
        case .orInsteadOfAnd:
            Texts(
                name: "or-instead-of-and", title: "Two list items that may have been meant as one",
                why: "The items of a list are alternatives. A second dash admits more peers than one item with both.")
        case .deadDirection:
            Texts(
                name: "dead-direction", title: "Rules of a direction that policyTypes leaves out",
                why: "The rules have no effect, and traffic in this direction is not restricted.")
        case .emptyPeers:
            Texts(
                name: "empty-peers", title: "An empty list of peers allows every peer",
                why: "'from: []' and 'to: []' mean the same as no list at all: everything.")
        case .unknownSuppression:
            Texts(
                name: "unknown-suppression", title: "An annotation suppresses a code that does not exist",
                why: "A misspelled code suppresses nothing.")
        default:
            Texts(
                name: "refused", title: "A document is refused",
                why: "The policy in it is not enforced. A previous version, if there is one, stays in force.")
        }
    }

    private var meaningText: Texts {
        switch self {
        case .selectsNothing:
            Texts(
                name: "selects-nothing", title: "A policy selects no pod",
                why: "It protects nothing, although it looks as if it did.")
        case .peerMatchesNothing:
            Texts(
                name: "peer-matches-nothing", title: "A rule's peer matches nothing",
                why: "The traffic that the rule should allow is denied, or the traffic that it should deny passes.")
        case .shadowed:
            Texts(
                name: "shadowed-rule", title: "A rule changes no verdict, because others decide the same",
                why: "A change or removal of it changes nothing, although it looks as if it did.")
        case .duplicate:
            Texts(
                name: "duplicate", title: "The same policy or rule is written twice",
                why: "A change of one of them has no effect as long as the other stays.")
        case .contradiction:
            Texts(
                name: "contradiction", title: "Rules contradict each other",
                why: "What one policy allows another one denies, so that one of them never takes effect.")
        case .unservedPort:
            Texts(
                name: "unserved-port", title: "No pod has a port of this name",
                why: "The rule matches no port. Names are those of container ports, not of Services.")
        case .egressWithoutDNS:
            Texts(
                name: "egress-without-dns", title: "Egress is restricted, and DNS is not allowed",
                why: "Pods that may reach others, but cannot resolve their names, fail with timeouts.")
        case .unreachableTierRule:
            Texts(
                name: "unreachable-rule", title: "A rule of a tier is never reached",
                why: "Rules before it decide about everything that it matches.")
        case .allowAllBeside:
            Texts(
                name: "allow-all-beside-precise-rules", title: "A rule that allows everything makes others pointless",
                why: "Rules of NetworkPolicies add up: the precise rules next to it restrict nothing.")
        default:
            Texts(
                name: "authorization-only-tcp", title: "Authorization protects only TCP",
                why: "UDP, SCTP and ICMP to the same pods pass, unless a NetworkPolicy denies them.")
        }
    }
}
