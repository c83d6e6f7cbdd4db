// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyOracle

extension WorldPlan {
    static let accounts = ["default", "cart", "teller", "web"]
    static let trustDomains = ["cluster.local", "old.example"]
    /// One of the namespaces that pods live in, so that its policies are tried as its own and for all namespaces.
    static let rootNamespace = "infra"
    static let methods = ["GET", "POST", "PUT", "HEAD"]
    static let methodPatterns = ["GET", "POST", "PUT", "P*", "*T", "*"]
    static let hosts = ["shop.example", "Api.Shop.example", "shop.example:8080", "other"]
    static let hostPatterns = ["shop.example", "SHOP.example*", "*.shop.example", "*"]
    static let paths = [
        "/", "/admin", "/admin/", "/admin/users", "/info/a", "/info/a/b", "/data", "/a/b/c", "/a/b", "/users",
    ]
    static let pathPatterns = [
        "/admin*", "/admin", "*/users", "*", "/info/{*}", "/{**}/c", "/a/{*}/{**}", "/data", "/{*}", "/admin/{**}",
    ]
    /// Paths with a normal form that differs, and paths that servers read in several ways.
    static let oddPaths = [
        "/./admin", "/a/../admin", "/%61dmin", "/info/%2e%2e/data", "//admin", "/admin%2Fusers", "/a\\b", "/admin;x=1",
        "/../data", "/a%5Cb", "/%zz",
    ]
    static let tokens = ["a", "b", "ab"]
    static let tokenPatterns = ["a", "a*", "*b", "*"]
}

extension WorldGenerator {
    /// Gives the pods accounts and adds policies.
    mutating func addAuthorization() {
        world.settings.rootNamespace = WorldPlan.rootNamespace
        world.settings.trustDomains = WorldPlan.trustDomains
        for index in world.pods.indices { world.pods[index].serviceAccountName = random.pick(WorldPlan.accounts) }
        for _ in 0..<[1, random.between(2, 4), random.between(4, 10)][random.weighted([25, 50, 25])] {
            world.authorizationPolicies.append(authorizationPolicy())
        }
    }

    mutating func authorizationPolicy() -> AuthorizationPolicy {
        let homes = world.localPods.map(\.metadata.namespace)
        let namespace =
            homes.isEmpty || random.chance(percent: 25) ? random.pick(WorldPlan.namespaceNames) : random.pick(homes)
        var policy = AuthorizationPolicy(
            metadata: ObjectMeta(name: "authorization-\(nextSerial())", namespace: namespace),
            action: [.allow, .deny, .audit][random.weighted([50, 38, 12])],
            enforcement: enforcement(auditPercent: 20))
        if random.chance(percent: 50) {
            let (key, values) = random.pick(WorldPlan.podLabels)
            policy.selector.matchLabels[key] = random.pick(values)
        }
        // No DENY without rules: Istio refuses it.
        let counts = policy.action == .allow ? [10, 50, 30, 10] : [0, 60, 30, 10]
        policy.rules = (0..<random.weighted(counts)).map { _ in authorizationRule() }
        if random.chance(percent: 8) { policy.unknown = ["a field that nobody knows"] }
        return policy
    }

    private mutating func authorizationRule() -> AuthorizationRule {
        var rule = AuthorizationRule()
        if random.chance(percent: 75) {
            rule.sources = (0..<[1, 2, 3][random.weighted([70, 22, 8])]).map { _ in authorizationSource() }
        }
        if random.chance(percent: 65) {
            rule.operations = (0..<[1, 2][random.weighted([75, 25])]).map { _ in authorizationOperation() }
        }
        rule.conditions = (0..<random.weighted([65, 27, 8])).map { _ in authorizationCondition() }
        if random.chance(percent: 8) {
            rule.unknown = ["a field that nobody knows"]
            if random.chance(percent: 50) {
                rule.conditions.append(AuthorizationCondition(key: .unreadable("connection.sni"), values: ["a"]))
            }
        }
        return rule
    }

    private mutating func authorizationSource() -> AuthorizationSource {
        var source = AuthorizationSource()
        switch random.weighted([30, 25, 20, 25]) {
        case 0: source.principals = some { $0.principalPattern() }
        case 1: source.namespaces = some { $0.namespacePattern() }
        case 2: source.serviceAccounts = some { $0.accountText() }
        default: source.ipBlocks = some { $0.block(around: $0.random.pick($0.interestingAddresses)) }
        }
        let byAccount = !source.serviceAccounts.isEmpty
        if random.chance(percent: 12), !byAccount { source.notPrincipals = some { $0.principalPattern() } }
        if random.chance(percent: 12), !byAccount { source.notNamespaces = some { $0.namespacePattern() } }
        if random.chance(percent: 12), source.principals.isEmpty, source.namespaces.isEmpty,
            source.notPrincipals.isEmpty, source.notNamespaces.isEmpty
        {
            source.notServiceAccounts = some { $0.accountText() }
        }
        if random.chance(percent: 12) {
            source.notIpBlocks = some { $0.block(around: $0.random.pick($0.interestingAddresses)) }
        }
        // Negations alone match what has no identity, too.
        if random.chance(percent: 25), !source.notPrincipals.isEmpty || !source.notServiceAccounts.isEmpty {
            (source.principals, source.namespaces, source.serviceAccounts) = ([], [], [])
        }
        if random.chance(percent: 4) { source.unknown = ["a field that nobody knows"] }
        return source
    }

    private mutating func authorizationOperation() -> AuthorizationOperation {
        var operation = AuthorizationOperation()
        switch random.weighted([50, 20, 20, 10]) {
        case 0: operation.ports = some { $0.random.pick(WorldPlan.portNumbers) }
        case 1: operation.methods = some { $0.random.pick(WorldPlan.methodPatterns) }
        case 2: operation.paths = some { $0.random.pick(WorldPlan.pathPatterns) }
        default: operation.hosts = some { $0.random.pick(WorldPlan.hostPatterns) }
        }
        if random.chance(percent: 12) { operation.notPorts = some { $0.random.pick(WorldPlan.portNumbers) } }
        if random.chance(percent: 15) { operation.ports = some { $0.random.pick(WorldPlan.portNumbers) } }
        if random.chance(percent: 8) { operation.notMethods = [random.pick(WorldPlan.methodPatterns)] }
        if random.chance(percent: 8) { operation.notPaths = [random.pick(WorldPlan.pathPatterns)] }
        if random.chance(percent: 5) { operation.notHosts = [random.pick(WorldPlan.hostPatterns)] }
        if random.chance(percent: 4) { operation.unknown = ["a field that nobody knows"] }
        return operation
    }

    private mutating func authorizationCondition() -> AuthorizationCondition {
        let keys: [AuthorizationCondition.Key] = [
            .sourceIP, .sourceNamespace, .sourcePrincipal, .sourceServiceAccount, .destinationIP, .destinationPort,
            .header("x-token"),
        ]
        let key = keys[random.weighted([15, 12, 12, 12, 19, 15, 15])]
        var condition = AuthorizationCondition(key: key)
        if random.chance(percent: 75) { condition.values = some { $0.value(of: key) } }
        if condition.values.isEmpty || random.chance(percent: 15) { condition.notValues = some { $0.value(of: key) } }
        return condition
    }

    private mutating func value(of key: AuthorizationCondition.Key) -> String {
        switch key {
        case .sourceNamespace: return namespacePattern()
        case .sourcePrincipal: return principalPattern()
        case .sourceServiceAccount: return accountText()
        case .destinationPort: return "\(random.pick(WorldPlan.portNumbers))"
        case .header, .unreadable: return random.pick(WorldPlan.tokenPatterns)
        case .sourceIP, .destinationIP:
            let block = block(around: random.pick(interestingAddresses))
            return block.isHost && random.chance(percent: 50) ? "\(block.network)" : "\(block)"
        }
    }

    private mutating func principalPattern() -> String {
        let domain = random.pick(WorldPlan.trustDomains + ["elsewhere"])
        let text = "\(domain)/ns/\(random.pick(WorldPlan.namespaceNames))/sa/\(random.pick(WorldPlan.accounts))"
        switch random.weighted([55, 18, 20, 7]) {
        case 0: return text
        case 1: return String(text.prefix(random.between(1, text.count))) + "*"
        case 2: return "*" + String(text.suffix(random.between(1, text.count)))
        default: return "*"
        }
    }

    private mutating func namespacePattern() -> String {
        random.pick(WorldPlan.namespaceNames + ["team-*", "*-a", "s*", "*"])
    }

    private mutating func accountText() -> String {
        let account = random.pick(WorldPlan.accounts)
        return random.chance(percent: 50) ? account : "\(random.pick(WorldPlan.namespaceNames))/\(account)"
    }

    /// One or two.
    private mutating func some<T>(_ make: (inout WorldGenerator) -> T) -> [T] {
        (0..<(random.chance(percent: 65) ? 1 : 2)).map { _ in make(&self) }
    }

    // MARK: What happens

    /// Nil where the thing to be changed does not exist.
    mutating func authorizationEvent() -> ObjectEvent? {
        let policies = world.authorizationPolicies
        switch random.weighted([25, 15, 40, 20]) {
        case 0: return .set(.authorizationPolicy(authorizationPolicy()))
        case 1:
            return policies.isEmpty ? nil : .removed(KubernetesObject.authorizationPolicy(random.pick(policies)).key)
        case 2:
            guard !policies.isEmpty else { return nil }
            let old = random.pick(policies)
            var new = random.chance(percent: 40) ? authorizationPolicy() : old
            new.metadata = old.metadata
            if new == old, !old.rules.isEmpty { new.rules[random.below(old.rules.count)] = authorizationRule() }
            return .set(.authorizationPolicy(new))
        default:
            guard !world.pods.isEmpty else { return nil }
            var pod = random.pick(world.pods)
            pod.serviceAccountName = random.pick(WorldPlan.accounts)
            return .set(.pod(pod))
        }
    }

    /// A request, most often one that a rule may be about.
    public mutating func request() -> OracleRequest {
        OracleRequest(
            method: random.pick(WorldPlan.methods), host: random.pick(WorldPlan.hosts),
            path: random.pick(random.chance(percent: 12) ? WorldPlan.oddPaths : WorldPlan.paths),
            headers: random.chance(percent: 30) ? [:] : ["x-token": random.pick(WorldPlan.tokens)])
    }
}

extension AuthorizationPolicy {
    /// What a manifest can express of it: without parts that are not understood.
    var writable: AuthorizationPolicy {
        var copy = self
        copy.unknown = []
        for index in rules.indices {
            copy.rules[index].unknown = []
            copy.rules[index].conditions.removeAll { if case .unreadable = $0.key { true } else { false } }
            copy.rules[index].sources = rules[index].sources?.map { $0.with { $0.unknown = [] } }
            copy.rules[index].operations = rules[index].operations?.map { $0.with { $0.unknown = [] } }
        }
        return copy
    }
}

extension AuthorizationSource {
    func with(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}

extension AuthorizationOperation {
    func with(_ change: (inout Self) -> Void) -> Self {
        var copy = self
        change(&copy)
        return copy
    }
}
