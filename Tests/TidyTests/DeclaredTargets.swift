// SPDX-License-Identifier: Apache-2.0

/// The targets that Package.swift declares, read from its text.
struct DeclaredTargets {
    struct Target {
        let name: String
        /// From the repository's root.
        let folder: String
        let dependencies: Set<String>
    }

    let targets: [Target]

    init(manifest: String) {
        let products = Self.products(manifest)
        let start = manifest.range(of: "targets: [\n        //")!.upperBound
        let body = String(manifest[start...])
        // Each entry starts at the array's own indentation.
        let entries = body.split(separator: /\n        (?=\.|module|kit|tests)/).map(String.init)
        targets = entries.compactMap { entry -> Target? in
            guard let head = entry.firstMatch(of: /(\w+)\(\s*(?:name: )?"([\w-]+)"/) else { return nil }
            let kind = String(head.1)
            let name = String(head.2)
            guard kind != "systemLibrary", kind != "plugin" else { return nil }
            let path = entry.firstMatch(of: /path: "([^"]+)"/).map { String($0.1) }
            let isTest = kind == "tests" || kind == "kit"
            let folder = path ?? "\(isTest ? "Tests" : "Sources")/\(name)"
            return Target(name: name, folder: folder, dependencies: Self.dependencies(entry, head.range, products))
        }
    }

    private static func products(_ manifest: String) -> [String: String] {
        var products: [String: String] = [:]
        for match in manifest.matches(of: /let (\w+) = Target\.Dependency\.product\(name: "(\w+)"/) {
            products[String(match.1)] = String(match.2)
        }
        return products
    }

    private static func dependencies(
        _ entry: String, _ head: Range<String.Index>, _ products: [String: String]
    ) -> Set<String> {
        guard let list = entry[head.upperBound...].firstMatch(of: /^,\s*(?:dependencies: )?\[([^\]]*)\]/) else {
            return []
        }
        let words = list.1.split { $0 == "," || $0.isWhitespace }
        return Set(words.map { $0.first == "\"" ? String($0.dropFirst().dropLast()) : products[String($0)]! })
    }
}
