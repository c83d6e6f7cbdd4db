// SPDX-License-Identifier: Apache-2.0
import Findings

/// What lint looks for. Codes and severities are stable: a new check gets a new code.
public enum LintCode: String, Sendable, Hashable, CaseIterable {
    case refused = "BH000"
    case misplacedSelector = "BH001"
    case onlyMetadataExcepted = "BH002"
    case forgottenIPv6 = "BH003"
    case selectsNothing = "BH004"
    case peerMatchesNothing = "BH005"
    case shadowed = "BH006"
    case duplicate = "BH007"
    case contradiction = "BH008"
    case unservedPort = "BH009"
    case egressWithoutDNS = "BH010"
    case orInsteadOfAnd = "BH011"
    case deadDirection = "BH012"
    case unreachableTierRule = "BH013"
    case allowAllBeside = "BH014"
    case authorizationOnlyTCP = "BH015"
    case emptyPeers = "BH016"
    case unknownSuppression = "BH017"

    /// Title, severity and why.
    public var kind: FindingKind {
        let text = text
        return FindingKind(
            code: rawValue, name: text.name, title: text.title, severity: severity, why: text.why,
            help: "docs/lint/\(rawValue).md")
    }

    /// Of what is certainly a mistake with an open or a dead rule: high. Of what depends on the intent, or on objects
    /// that may be elsewhere: less.
    public var severity: Severity {
        switch self {
        case .refused, .misplacedSelector, .deadDirection: .high
        case .onlyMetadataExcepted, .selectsNothing, .peerMatchesNothing, .contradiction, .unservedPort,
            .egressWithoutDNS, .orInsteadOfAnd, .unreachableTierRule, .allowAllBeside, .emptyPeers:
            .medium
        case .forgottenIPv6, .shadowed, .duplicate, .authorizationOnlyTCP, .unknownSuppression: .low
        }
    }

    /// The code with this number or name; nil if there is none.
    public init?(_ text: some StringProtocol) {
        let found = Self.allCases.first {
            $0.rawValue == text.uppercased() || $0.text.name == text.lowercased()
        }
        guard let found else { return nil }
        self = found
    }
}
