// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Rules over the repository's own text.
@Suite struct TidyTests {
    private static let read = Result { try Repository() }
    private let repository: Repository
    private let targets: [DeclaredTargets.Target]

    init() throws {
        repository = try Self.read.get()
        let manifest = try #require(repository.files.first { $0.path == "Package.swift" })
        targets = DeclaredTargets(manifest: manifest.lines.joined(separator: "\n")).targets
    }

    private static let pureModules: Set = [
        "NetworkTypes", "Documents", "PolicyModel", "KubernetesObjects", "KubernetesProtobuf", "PolicyTranslation",
        "ClusterState", "PolicyResolver", "Requests", "CompiledPolicy", "Explanations", "PolicyCompiler",
        "PolicyPipeline", "ClusterVerdicts", "KernelErrors", "Datapath", "KubernetesWatch", "ChainedCNI",
        "NetlinkAttributes", "Journal",
    ]
    /// Modules that come with the toolchain.
    private static let toolchain: Set = [
        "Foundation", "FoundationEssentials", "Glibc", "Dispatch", "Synchronization", "Testing", "XCTest",
        "PackageDescription", "PackagePlugin",
    ]

    private func imports(_ target: DeclaredTargets.Target) -> [(file: Repository.File, module: String)] {
        repository.swift.filter { $0.path.hasPrefix(target.folder + "/") }.flatMap { file in
            file.lines.lazy.filter { $0.contains("import ") }.compactMap { line in
                line.firstMatch(of: /^(?:@\w+(?:\(\w+\))? |public |package |internal )*import (?:\w+ )?(\w+)/)
                    .map { (file, String($0.1)) }
            }
        }
    }

    @Test func theManifestIsRead() {
        #expect(targets.count > 20)
        #expect(targets.first { $0.name == "Agent" }!.dependencies.isSuperset(of: ["Datapath", "Logging"]))
        #expect(targets.first { $0.name == "packet-probe" }!.folder == "Tests/PacketProbe")
        #expect(targets.first { $0.name == "NetworkTypes" }!.dependencies.isEmpty)
    }

    @Test func importsAreDeclared() {
        for target in targets {
            for (file, module) in imports(target) {
                let isDeclared = target.dependencies.contains(module) || Self.toolchain.contains(module)
                #expect(isDeclared, "\(file.path) imports \(module), which Package.swift does not give \(target.name)")
            }
        }
    }

    @Test func declaredDependenciesAreImported() {
        // DemoPrograms needs programs, which nothing imports.
        let others: Set = ["CLinuxShim", "DemoPrograms"]
        for target in targets where !target.folder.hasPrefix("bpf") && !others.contains(target.name) {
            let unused = target.dependencies.subtracting(imports(target).map(\.module))
            #expect(unused.isEmpty, "\(target.name) imports none of \(unused.sorted()), which Package.swift gives it")
        }
    }

    /// The fuzz targets are a package of their own, which no other test builds.
    @Test func theFuzzPackageDeclaresTheSame() throws {
        let manifest = try #require(repository.files.first { $0.path == "Tests/Fuzz/Package.swift" })
        let names = Set(targets.map(\.name))
        var compared = 0
        for entry in manifest.lines.joined(separator: "\n").split(separator: /\n        (?=\.|fuzzer)/) {
            guard let name = entry.firstMatch(of: /^\.target\(\s*name: "(\w+)"/)?.1,
                let target = targets.first(where: { $0.name == name })
            else { continue }
            let missing = target.dependencies.intersection(names)
                .subtracting(entry.matches(of: /"([\w-]+)"/).map { String($0.1) })
            #expect(missing.isEmpty, "Tests/Fuzz/Package.swift does not give \(name) \(missing.sorted())")
            compared += 1
        }
        #expect(compared > 20)
    }

    @Test func pureModulesHaveNoInputOrOutput() {
        for target in targets where Self.pureModules.contains(target.name) {
            for (file, module) in imports(target) {
                #expect(Self.pureModules.contains(module), "\(file.path) imports \(module)")
            }
        }
        #expect(Self.pureModules.isSubset(of: targets.map(\.name)))
    }

    /// Sources/README.md has a row for each module.
    @Test func everyModuleIsDescribed() throws {
        let readme = try #require(repository.files.first { $0.path == "Sources/README.md" })
        let rows = readme.lines.filter { $0.hasPrefix("|") }
        for target in targets where target.folder.hasPrefix("Sources/") {
            let isDescribed = rows.contains { $0.split(separator: "|").first?.contains("`\(target.name)`") ?? false }
            #expect(isDescribed, "\(target.name) has no row in Sources/README.md")
        }
    }

    /// Each module has a folder of tests, or Tests/README.md names the folders that test it instead.
    @Test func everyModuleIsTested() throws {
        let readme = try #require(repository.files.first { $0.path == "Tests/README.md" })
        let rows = readme.lines.filter { $0.hasPrefix("|") }
        for target in targets where target.folder.hasPrefix("Sources/") {
            let hasFolder = targets.contains { $0.folder == "Tests/\(target.name)Tests" }
            let isNamed = rows.contains { $0.split(separator: "|").first?.contains("`\(target.name)`") ?? false }
            #expect(hasFolder != isNamed, "\(target.name): a folder of tests or a row in Tests/README.md, not both")
        }
    }

    /// Tests are built with the products in release mode, where nothing internal can be imported.
    @Test func nothingInternalIsImported() {
        for file in repository.swift where file.path.hasPrefix("Tests/") {
            let isClean = !file.lines.contains { $0.hasPrefix("@test" + "able import") }
            #expect(
                isClean, "\(file.path): give the declarations package access instead of importing all that is internal")
        }
    }

    @Test func filesAreShort() {
        for file in repository.code {
            let count = file.lines.count - 1
            // The manifest is one list of all targets, which cannot be in several files.
            let limit = file.path == "Package.swift" ? 500 : 350
            #expect(count <= limit, "\(file.path) has \(count) lines; \(limit) at most")
        }
    }

    /// Limits that only go down.
    @Test func functionsAreShort() {
        for file in repository.code where !file.isScript || file.fileExtension == "swift" {
            let isSwift = file.fileExtension == "swift"
            let limit = !isSwift ? 35 : file.path.hasPrefix("Tests/") ? 60 : 45
            let functions = FunctionLengths(file.lines.joined(separator: "\n"), isSwift: isSwift).functions
            for function in functions where function.lineCount > limit {
                let place = "\(file.path):\(function.line): \(function.name)"
                Issue.record("\(place) has \(function.lineCount) lines; \(limit) at most")
            }
        }
    }

    @Test func licenseIsNamed() {
        for file in repository.code {
            let hasLicense = file.lines.prefix(2).contains { $0.contains("SPDX-License-Identifier:") }
            #expect(hasLicense, "\(file.path) lacks its SPDX-License-Identifier line")
        }
    }

    @Test func openWorkHasAnIssue() {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        for file in repository.code {
            for (number, line) in file.lines.enumerated() {
                for mark in marks where line.split(whereSeparator: { !$0.isLetter }).contains(mark[...]) {
                    #expect(line.contains("(#"), "\(file.path):\(number + 1): \(mark) without an issue's number")
                }
            }
        }
    }

    /// What switches the compiler's checks off is proven in a comment right above, or above the declaration's lines.
    @Test func unsafeIsExplained() {
        let words = ["@unchecked " + "Sendable", "nonisolated" + "(unsafe)"]
        for file in repository.swift {
            for (number, line) in file.lines.enumerated() where !line.isComment {
                guard words.contains(where: { line.contains($0) }) else { continue }
                let isExplained = number > 0 && file.lines[number - 1].isComment
                #expect(isExplained, "\(file.path):\(number + 1): no comment above says why this is safe")
            }
        }
    }

    /// A newcomer reads it in some minutes; everything else is in docs/.
    @Test func theReadmeIsShort() throws {
        let readme = try #require(repository.files.first { $0.path == "README.md" })
        let count = readme.lines.joined(separator: " ").split(whereSeparator: \.isWhitespace).count
        #expect((200..<1000).contains(count), "README.md has \(count) words; fewer than 1,000 are right")
    }

    @Test func linksLeadSomewhere() {
        for file in repository.files where file.fileExtension == "md" {
            let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
            for match in file.lines.joined(separator: "\n").matches(of: /\]\(([^)#\s]+)[^)]*\)/) {
                let target = String(match.1)
                guard !target.contains("://"), !target.hasPrefix("mailto:") else { continue }
                let path = target.hasPrefix("/") ? String(target.dropFirst()) : "\(folder)/\(target)"
                #expect(repository.exists(path), "\(file.path) links to \(target), which is not there")
            }
        }
    }

    @Test func noPlaceOfAnyMachine() {
        let places = ["/wo" + "rk/", "/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/"]
        for file in repository.files {
            for (number, line) in file.lines.enumerated() {
                for place in places where line.contains(place) {
                    Issue.record("\(file.path):\(number + 1): names a place of one machine: \(place)")
                }
            }
        }
    }
}

extension String {
    fileprivate var isComment: Bool { trimmingCharacters(in: .whitespaces).hasPrefix("//") }
}
