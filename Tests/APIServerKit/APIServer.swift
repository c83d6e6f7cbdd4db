// SPDX-License-Identifier: Apache-2.0
import DocumentKit
import Documents
import Glibc
import KubernetesObjects
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NetworkKit
import Synchronization

/// A stand-in for the API server of a cluster: lists in pages, watches with bookmarks, bearer tokens and refusals, over
/// HTTP/1.1 and TLS, and whatever can go wrong.
public final class APIServer: Sendable {
    private let content: APIServerContent
    private let group: MultiThreadedEventLoopGroup
    private let listener: Mutex<(any Channel)?>
    private let tls: NIOSSLContext
    /// On 127.0.0.1.
    public let port: Int
    private let socket: @Sendable () throws -> Int32

    /// - Parameters:
    ///   - definitions: custom resources that are served from the beginning.
    ///   - requiresClientCertificate: ask for one of ``APIServerCertificates``.
    ///   - namespace: in which it listens; nil: that of the process.
    public init(
        certificate: APIServerCertificates.Server = .usual, definitions: Set<ObjectKind> = [],
        requiresClientCertificate: Bool = false, bookmarkMilliseconds: Int64 = 200, in namespace: NetNamespace? = nil
    ) throws {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(certificate.certificate.utf8)).map {
                .certificate($0)
            },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(certificate.key.utf8), format: .pem)))
        if requiresClientCertificate {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates(
                try NIOSSLCertificate.fromPEMBytes(Array(APIServerCertificates.authority.utf8)))
        }
        tls = try NIOSSLContext(configuration: configuration)
        var state = APIServerState()
        for kind in ObjectKind.allCases where Self.isBuiltIn(kind) || definitions.contains(kind) {
            state.collections[Self.path(kind)] = [:]
        }
        content = APIServerContent(state, bookmarkInterval: .milliseconds(bookmarkMilliseconds))
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        listener = Mutex(nil)
        let chosen = Mutex<UInt16>(0)
        socket = {
            let wanted = chosen.withLock { $0 }
            let descriptor =
                try namespace.map { try $0.run { try APIServerSocket.listening(port: wanted) } }
                ?? APIServerSocket.listening(port: wanted)
            if wanted == 0 { try chosen.withLock { $0 = try APIServerSocket.port(of: descriptor) } }
            return descriptor
        }
        let first = try socket()
        port = Int(chosen.withLock { $0 })
        try listen(first)
    }

    deinit {
        stop()
        try? group.syncShutdownGracefully()
    }

    private func listen(_ descriptor: Int32) throws {
        let channel = try ServerBootstrap(group: group)
            .childChannelInitializer { [content, tls] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(APIServerHandler(content))
                }
            }
            .withBoundSocket(descriptor).wait()
        listener.withLock { $0 = channel }
    }

    // MARK: Life

    /// Refuses connections and breaks off those that there are.
    public func stop() {
        try? listener.withLock { listener in
            defer { listener = nil }
            return listener
        }?.close().wait()
        breakConnections()
    }

    /// Listens again, on the same port.
    public func start() throws { try listen(try socket()) }

    public func breakConnections() {
        // Nothing gets through while they close.
        freeze()
        for channel in read({ Array($0.channels.values) }) { channel.close(mode: .all, promise: nil) }
    }

    /// Sends nothing more on the existing connections, which stay open: as if the other side were gone without a
    /// notice.
    public func freeze() { change { $0.frozen.formUnion($0.channels.keys) } }

    // MARK: Objects

    /// Sets the objects of a manifest of one or several documents. Services are served once one was set.
    public func apply(_ manifest: String) throws {
        let objects = try Self.documents(manifest)
        change { state in
            for (object, path) in objects { state.set(object, at: path) }
        }
    }

    /// Removes the objects that a manifest names.
    public func delete(_ manifest: String) throws {
        let objects = try Self.documents(manifest)
        change { state in
            for (object, path) in objects {
                let metadata = object["metadata"]
                state.remove("\(metadata?["namespace"]?.string ?? "")/\(metadata?["name"]?.string ?? "")", at: path)
            }
        }
    }

    /// Begins (or ends) to serve a custom resource. Its objects go with it.
    public func define(_ kind: ObjectKind, _ isServed: Bool = true) {
        let path = Self.path(kind)
        change { state in
            if isServed {
                if state.collections[path] == nil { state.collections[path] = [:] }
            } else {
                for name in state.collections[path, default: [:]].keys { state.remove(name, at: path) }
                state.collections[path] = nil
            }
        }
        if !isServed { breakConnections() }
    }

    // MARK: Answers made beforehand

    /// Answers lists of a kind with these pages: a cluster too large to be kept as objects. Page `n` of a list of more
    /// must name its continuation `prepared.n+1`, from 1.
    public func serve(_ kind: ObjectKind, pages: [[UInt8]]) { change { $0.prepared[Self.path(kind)] = pages } }

    /// Sends bytes to all who watch a kind: frames of events as they are.
    public func send(_ frames: [UInt8], to kind: ObjectKind) {
        let told = APIServerHandler.Prepared(path: Self.path(kind), bytes: frames)
        for watcher in read({ Array($0.watchers.values) }) { watcher.pipeline.fireUserInboundEventTriggered(told) }
    }

    /// Forgets what was before now: what goes on from there is answered with 410.
    public func compact() { change { $0.compacted = $0.version } }

    // MARK: Conditions

    public func inject(_ fault: APIServerFault) { change { $0.faults.append(fault) } }
    /// Nil: every client may send requests.
    public func accept(tokens: Set<String>?) { change { $0.tokens = tokens } }
    /// `list pods`, `watch pods`, `create events`: what no client may do.
    public func forbid(_ what: Set<String>) { change { $0.forbidden = what } }
    /// Who has this token is known, and may do nothing but this, each a verb and a resource as for ``forbid(_:)``.
    public func grant(_ what: Set<String>, toToken token: String) {
        change { state in
            state.tokens?.insert(token)
            state.granted[token] = what
        }
    }

    /// Method and target of each request so far.
    public var requests: [String] { read(\.requests) }
    /// Kubernetes Events about objects.
    public var events: [DocumentNode] { read(\.events) }
    /// Requests that met an injected fault.
    public var faultsMet: Int { read(\.faultsMet) }

    private func read<T: Sendable>(_ body: (APIServerState) -> T) -> T { content.read(body) }
    private func change(_ body: (inout APIServerState) -> Void) { content.change(body) }

    // MARK: Paths

    static func isBuiltIn(_ kind: ObjectKind) -> Bool {
        switch kind {
        case .pod, .namespace, .node, .networkPolicy: true
        case .clusterNetworkPolicy, .adminNetworkPolicy, .baselineAdminNetworkPolicy, .authorizationPolicy: false
        }
    }

    static func path(_ kind: ObjectKind) -> String {
        let name = kind == .networkPolicy || !isBuiltIn(kind) ? kind.rawValue.dropLast() + "ies" : kind.rawValue + "s"
        return (kind.apiVersion.contains("/") ? "/apis/" : "/api/") + "\(kind.apiVersion)/\(name.lowercased())"
    }

    private static func documents(_ manifest: String) throws -> [(DocumentNode, path: String)] {
        var result: [(DocumentNode, path: String)] = []
        for node in try DocumentNode.documents(of: manifest) {
            if node["kind"]?.string == "Service" {
                result.append((node, "/api/v1/services"))
                continue
            }
            guard let kind = node["kind"]?.string.flatMap({ ObjectKind(rawValue: $0) }) else {
                throw NetError.missing("an object of a known kind in: \(node.json)")
            }
            // What cannot be written would be sent as nothing.
            if isBuiltIn(kind) { _ = try ProtobufWriter.object(node) }
            result.append((node, path(kind)))
        }
        return result
    }

    // MARK: For clients

    /// A kubeconfig that leads here.
    ///
    /// - Parameter user: the lines of its user, such as `token: secret`.
    public func kubeconfig(user: String = "token: any", host: String = "127.0.0.1") -> String {
        Self.kubeconfig(user: user, host: host, port: port)
    }

    /// A kubeconfig that leads to a server with a certificate of ``APIServerCertificates/authority``.
    static func kubeconfig(user: String, host: String, port: Int) -> String {
        """
        apiVersion: v1
        kind: Config
        current-context: test
        contexts: [{name: test, context: {cluster: stand-in, user: somebody}}]
        clusters:
        - name: stand-in
          cluster:
            server: https://\(host):\(port)
            certificate-authority-data: \(APIServerCertificates.authority.base64)
        users:
        - name: somebody
          user:
            \(user.split(separator: "\n").joined(separator: "\n    "))
        """
    }
}

/// Sockets to listen on.
enum APIServerSocket {
    /// On 127.0.0.1; port 0: any.
    static func listening(port: UInt16) throws -> Int32 {
        let descriptor = Glibc.socket(
            AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw NetError.system("socket", errno) }
        var one: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard code == 0 else {
            let reason = errno
            close(descriptor)
            throw NetError.system("bind to port \(port)", reason)
        }
        return descriptor
    }

    static func port(of descriptor: Int32) throws -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let code = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard code == 0 else { throw NetError.system("getsockname", errno) }
        return UInt16(bigEndian: address.sin_port)
    }
}
