// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import RequestPolicy

/// Tells the daemon every few seconds what was answered.
struct CountsPoster: Sendable {
    let path: String
    let decider: SharedDecider
    let group: any EventLoopGroup

    private static let interval = Duration.seconds(5)

    func run() async {
        while (try? await Task.sleep(for: Self.interval)) != nil {
            guard let body = decider.takeUntold() else { continue }
            let isTold = (try? await post(body)) ?? false
            if !isTold { decider.putBack(body) }
        }
    }

    /// - Returns: Whether the daemon took it.
    private func post(_ counts: RequestCounts) async throws -> Bool {
        var counts = counts
        var bytes = try JSONEncoder().encode(counts)
        // More than the daemon takes: sums matter more than records.
        while bytes.count > ControlDefaults.requestCountsLimit, !counts.denied.isEmpty {
            counts.denied.removeFirst((counts.denied.count + 1) / 2)
            bytes = try JSONEncoder().encode(counts)
        }
        let body = ByteBuffer(bytes: bytes)
        let connection = try await ClientBootstrap.daemon(path, silence: .seconds(5), group)
        return try await connection.executeThenClose { inbound, outbound in
            let head = HTTPRequestHead(
                version: .http1_1, method: .POST, uri: "/v1/requests/counts",
                headers: [
                    "Host": "localhost", "Content-Type": "application/json",
                    "Content-Length": "\(body.readableBytes)", "Connection": "close",
                ])
            try await outbound.write(.head(head))
            try await outbound.write(.body(.byteBuffer(body)))
            try await outbound.write(.end(nil))
            for try await part in inbound {
                if case .head(let head) = part { return (200..<300).contains(head.status.code) }
            }
            return false
        }
    }
}
