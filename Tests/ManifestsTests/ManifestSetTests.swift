// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import Manifests
import Testing
import WorldKit

@Suite struct ManifestSetTests {
    private var manifests = ManifestSet()

    /// What changes when these files are found; nil: the file is gone.
    private mutating func apply(_ files: [String: String?]) -> [String] {
        manifests.apply(files.mapValues { $0.map { .content(Array($0.utf8)) } ?? .removed }).map(\.summary)
    }

    private var keys: [String] { manifests.objects.map(\.key.description) }

    @Test mutating func addChangeRemove() {
        #expect(apply(["a.yaml": pod("a") + "---\n" + policy("p")]) == ["+ NetworkPolicy shop/p", "+ Pod shop/a"])
        #expect(apply(["a.yaml": pod("a") + "---\n" + policy("p")]) == [])
        #expect(apply(["a.yaml": pod("a", "10.0.0.2") + "---\n" + policy("p")]) == ["+ Pod shop/a"])
        #expect(apply(["a.yaml": policy("p")]) == ["- Pod shop/a"])
        #expect(apply(["a.yaml": policy("p"), "b.yaml": pod("b")]) == ["+ Pod shop/b"])
        #expect(apply(["a.yaml": nil]) == ["- NetworkPolicy shop/p"])
        #expect(apply(["b.yaml": ""]) == ["- Pod shop/b"])
        #expect(manifests.objectCount == 0 && manifests.problems.isEmpty)
    }

    /// An object that moves to another file does not change.
    @Test mutating func move() {
        _ = apply(["a.yaml": pod("a")])
        #expect(apply(["a.yaml": nil, "b.yaml": pod("a")]) == [])
        #expect(keys == ["Pod shop/a"] && manifests.fileNames == ["b.yaml"])
    }

    @Test mutating func invalidKeepsWhatWasInForce() throws {
        _ = apply(["a.yaml": policy("p") + "---\n" + policy("q") + "---\n" + pod("a")])
        // p is wrong now, q changes, the pod goes.
        #expect(
            apply(["a.yaml": policy("p", types: "[X]") + "---\n" + policy("q", types: "[Egress]")])
                == ["+ NetworkPolicy shop/q", "- Pod shop/a"])
        #expect(keys == ["NetworkPolicy shop/p", "NetworkPolicy shop/q"])
        let problem = try #require(manifests.problems.first)
        #expect(problem.stillInForce == [key(.networkPolicy, "p")])
        #expect(problem.description.hasSuffix("still in force as before: NetworkPolicy shop/p"))
        // Order in the file does not matter.
        #expect(apply(["a.yaml": policy("q", types: "[Egress]") + "---\n" + policy("p", types: "[X]")]) == [])
        #expect(keys.count == 2)
        #expect(
            apply(["a.yaml": policy("q", types: "[Egress]") + "---\n" + policy("p", types: "[Egress]")]) == [
                "+ NetworkPolicy shop/p"
            ])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func unreadableTextKeepsAllThatVanished() {
        _ = apply(["a.yaml": policy("p") + "---\n" + policy("q") + "---\n" + pod("a")])
        #expect(apply(["a.yaml": policy("p") + "---\nkind: ["]) == [])
        #expect(keys.count == 3)
        #expect(manifests.problems.map(\.stillInForce) == [[key(.networkPolicy, "q"), key(.pod, "a")]])
        // It stays so while the text stays wrong, and goes when the text is right.
        #expect(apply(["a.yaml": policy("p") + "---\nkind: [["]) == [])
        #expect(apply(["a.yaml": policy("p")]) == ["- NetworkPolicy shop/q", "- Pod shop/a"])
    }

    /// A wrong document under a new name may be the one that vanished.
    @Test mutating func renamedAndWrong() {
        _ = apply(["a.yaml": policy("p")])
        #expect(apply(["a.yaml": policy("p2", types: "[X]")]) == [])
        #expect(keys == ["NetworkPolicy shop/p"])
        #expect(apply(["a.yaml": policy("p2")]) == ["- NetworkPolicy shop/p", "+ NetworkPolicy shop/p2"])
    }

    @Test mutating func wrongFromTheStart() {
        #expect(apply(["a.yaml": policy("p", types: "[X]")]) == [])
        #expect(manifests.problems.count == 1 && manifests.problems[0].stillInForce.isEmpty && keys.isEmpty)
        #expect(apply(["a.yaml": nil]) == [])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func removedFileTakesEverythingAlong() {
        _ = apply(["a.yaml": policy("p")])
        _ = apply(["a.yaml": "kind: ["])
        #expect(apply(["a.yaml": nil]) == ["- NetworkPolicy shop/p"])
    }

    @Test mutating func unreadableFileKeepsEverything() {
        _ = apply(["a.yaml": policy("p")])
        #expect(manifests.apply(["a.yaml": .unreadable(reason: "no")]).isEmpty)
        #expect(keys == ["NetworkPolicy shop/p"])
        #expect(manifests.problems.map(\.error.reason) == ["no"] && manifests.isUnreadable("a.yaml"))
        #expect(manifests.problems[0].stillInForce == [key(.networkPolicy, "p")])
        #expect(apply(["a.yaml": policy("p")]) == [])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func duplicates() throws {
        _ = apply(["b.yaml": pod("a", "10.0.0.2")])
        // The first by file name counts, whenever it came.
        #expect(
            apply(["a.yaml": pod("x") + "---\n" + pod("a", "10.0.0.1"), "c.yaml": pod("a", "10.0.0.3")]) == [
                "+ Pod shop/a", "+ Pod shop/x",
            ])
        #expect(
            manifests.problems.map(\.description) == [
                "b.yaml:1:1: document 1: Pod shop/a is already defined at a.yaml:6; this one has no effect",
                "c.yaml:1:1: document 1: Pod shop/a is already defined at a.yaml:6; this one has no effect",
            ])
        #expect(apply(["c.yaml": nil]) == [])
        #expect(apply(["a.yaml": nil]) == ["+ Pod shop/a", "- Pod shop/x"])
        #expect(manifests.problems.isEmpty)
        #expect(apply(["b.yaml": pod("a", "10.0.0.2") + "---\n" + pod("a", "10.0.0.9")]) == [])
        #expect(manifests.problems.map(\.error.document) == [2])
    }

    /// A kept object yields to nothing that is defined later, and is not doubled by a valid copy in its own file.
    @Test mutating func keptAndDefinedElsewhere() {
        _ = apply(["a.yaml": policy("p")])
        _ = apply(["a.yaml": policy("p", types: "[X]"), "b.yaml": policy("p", types: "[Egress]")])
        guard case .networkPolicy(let inForce)? = manifests.objects.first else { return }
        #expect(inForce.policyTypes == [.ingress])
        #expect(
            apply(["a.yaml": policy("p", types: "[X]") + "---\n" + policy("p", types: "[Egress]")]) == [
                "+ NetworkPolicy shop/p"
            ])
    }

    @Test mutating func notices() {
        _ = apply([
            "a.yaml": "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: x, namespace: y}\n"
        ])
        #expect(manifests.notices.map(\.reason) == [.notEnforced])
        #expect(manifests.problems.isEmpty)
    }

    /// After any changes the set holds what a set that saw only the last state holds, where all is valid.
    @Test mutating func historyDoesNotMatter() {
        var random = SplitMix64(seed: 5)
        var files: [String: String] = [:]
        var seen: [ObjectKey: KubernetesObject] = [:]
        for _ in 0..<400 {
            let name = "f\(random.next() % 5).yaml"
            let text = (0..<random.next() % 4).map { _ in pod("p\(random.next() % 8)", "10.0.0.\(random.next() % 9)") }
                .joined(separator: "---\n")
            let isRemoval = random.next() % 5 == 0
            files[name] = isRemoval ? nil : text
            for event in manifests.apply([name: isRemoval ? .removed : .content(Array(text.utf8))]) {
                switch event {
                case .set(let object): seen[object.key] = object
                case .removed(let key): seen[key] = nil
                }
            }
            var fresh = ManifestSet()
            _ = fresh.apply(files.mapValues { .content(Array($0.utf8)) })
            #expect(manifests.objects == fresh.objects)
            #expect(manifests.problems == fresh.problems)
            #expect(seen.sorted { $0.key < $1.key }.map(\.value) == manifests.objects)
        }
    }

    // MARK: What becomes empty

    /// A set that keeps what an emptied source held.
    private mutating func keepLast() { manifests = ManifestSet(keepsLastOnEmpty: true) }

    @Test(arguments: ["", "\n", " \n\t\n", "---", "---\n...\n", "\u{feff}", "%YAML 1.2\n---\n", "null\n", "--- ~\r\n"])
    mutating func anEmptiedFileKeepsWhatItHeld(_ empty: String) throws {
        keepLast()
        _ = apply(["a.yaml": pod("a"), "p.yaml": policy("p")])
        #expect(apply(["p.yaml": empty]) == [])
        #expect(keys == ["NetworkPolicy shop/p", "Pod shop/a"])
        let problem = try #require(manifests.problems.first)
        #expect(problem.error.file == "p.yaml" && problem.stillInForce == [key(.networkPolicy, "p")])
        #expect(problem.error.reason == "the file has become empty")
        // Written again, it counts as it is.
        #expect(apply(["p.yaml": policy("q")]) == ["- NetworkPolicy shop/p", "+ NetworkPolicy shop/q"])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func aCommentAloneIsEmptyOnPurpose() {
        keepLast()
        _ = apply(["a.yaml": pod("a"), "p.yaml": policy("p")])
        #expect(apply(["p.yaml": "# none\n"]) == ["- NetworkPolicy shop/p"])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func anEmptiedFileCanBeDeleted() {
        keepLast()
        _ = apply(["a.yaml": pod("a"), "p.yaml": policy("p")])
        _ = apply(["p.yaml": ""])
        #expect(apply(["p.yaml": nil]) == ["- NetworkPolicy shop/p"])
        #expect(manifests.problems.isEmpty)
    }

    @Test mutating func anEmptiedSourceKeepsWhatItHeld() {
        keepLast()
        _ = apply(["a.yaml": pod("a"), "p.yaml": policy("p")])
        #expect(apply(["a.yaml": nil, "p.yaml": nil]) == [])
        #expect(keys.count == 2)
        #expect(manifests.problems.map(\.error.reason) == Array(repeating: "the directory has become empty", count: 2))
        // Read once more, it is as empty as before.
        #expect(apply(["a.yaml": nil, "p.yaml": nil]) == [] && manifests.problems.count == 2)
        // With any file there, the directory says again what is in force.
        #expect(apply(["p.yaml": policy("p")]) == ["- Pod shop/a"])
        #expect(manifests.problems.isEmpty && manifests.fileNames == ["p.yaml"])
    }

    @Test mutating func aSourceIsEmptiedOnPurposeByACommentFile() {
        keepLast()
        _ = apply(["p.yaml": policy("p")])
        #expect(apply(["p.yaml": nil]) == [])
        #expect(apply(["none.yaml": "# nothing is enforced here\n"]) == ["- NetworkPolicy shop/p"])
        #expect(manifests.problems.isEmpty && manifests.objectCount == 0)
    }

    @Test mutating func oneOfSeveralFilesCanBeRemoved() {
        keepLast()
        _ = apply(["a.yaml": pod("a"), "p.yaml": policy("p")])
        #expect(apply(["p.yaml": nil]) == ["- NetworkPolicy shop/p"])
        // A file that could not be read or was always empty has nothing to keep.
        #expect(apply(["b.yaml": ""]) == [] && apply(["b.yaml": nil]) == [])
        #expect(manifests.problems.isEmpty)
    }
}
