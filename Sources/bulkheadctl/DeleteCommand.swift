// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ControlProtocol
import KubernetesObjects

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Deletes objects that 'apply' created.",
        usage: """
            bulkheadctl delete -f FILE
            bulkheadctl delete KIND/NAME [-n NAMESPACE]
            bulkheadctl delete KIND/NAMESPACE/NAME
            """,
        discussion: """
            With -f, the objects of all documents are deleted, or none of them; kind, namespace and name are enough. \
            KIND is written as in manifests or as kubectl abbreviates it: networkpolicy, netpol, pod, …
            """)

    @Argument(help: ArgumentHelp("The object.", valueName: "kind/name"), completion: DaemonNames.applied)
    var object: String?

    @Option(
        name: .shortAndLong, help: "Namespace of the object KIND/NAME (default: default).",
        completion: DaemonNames.namespaces)
    var namespace: String?

    @OptionGroup var socket: SocketOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var documents: DocumentOptions

    func validate() throws {
        guard let object else {
            if documents.filename.isEmpty {
                throw ValidationError("name what to delete: -f FILE, or KIND/NAME such as networkpolicy/redis")
            }
            return
        }
        guard documents.filename.isEmpty else { throw ValidationError("-f and KIND/NAME exclude each other") }
        _ = try Self.key(of: object, namespace: namespace)
    }

    func run() async throws {
        let answer: ObjectsAnswer
        if let object {
            let key = try Self.key(of: object, namespace: namespace)
            var query = [("kind", key.kind.rawValue), ("name", key.name)]
            if !key.namespace.isEmpty { query.append(("namespace", key.namespace)) }
            answer = try await socket.client.ask(ObjectsAnswer.self, .delete, .objects, query: query)
        } else {
            let sent = try documents.read()
            answer = try await socket.client.ask(
                ObjectsAnswer.self, .delete, .objects, body: sent.body,
                invalid: "\(sent.name) is invalid; nothing was deleted")
        }
        try output.print(answer, text: ApplyCommand.text)
    }

    /// Reads KIND/NAME or KIND/NAMESPACE/NAME.
    static func key(of text: String, namespace: String?) throws -> ObjectKey {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), !parts.dropFirst().contains(""), let name = parts.last else {
            throw ValidationError(
                "'\(text)' is not KIND/NAME or KIND/NAMESPACE/NAME, such as networkpolicy/shop/redis")
        }
        guard let kind = ObjectKind(word: parts[0]) else {
            let meant = NearestName.find(String(parts[0]), among: ObjectKind.allCases.map(\.rawValue))
            let known = ObjectKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError(
                "unknown kind '\(parts[0])': " + (meant.map { "did you mean \($0)?" } ?? "there are \(known)"))
        }
        guard kind.isNamespaced else {
            guard parts.count == 2 else { throw ValidationError("'\(text)': a \(kind.rawValue) has no namespace") }
            return ObjectKey(kind: kind, namespace: "", name: String(name))
        }
        let named = parts.count == 3 ? String(parts[1]) : nil
        if let named, let namespace, named != namespace {
            throw ValidationError("'\(text)' and -n \(namespace) name two namespaces")
        }
        return ObjectKey(kind: kind, namespace: named ?? namespace ?? "default", name: String(name))
    }
}
