// SPDX-License-Identifier: Apache-2.0
import NIOPosix

extension APIServerConnection {
    /// The error of a request, in words.
    nonisolated func words(_ error: any Error) -> String {
        switch error {
        case let error as AccessError: error.description
        case let error as NIOConnectionError:
            "cannot connect to \(error.host):\(error.port): "
                + (error.connectionErrors.first.map { "\($0.error)" } ?? error.dnsAError.map { "\($0)" } ?? "unknown")
        default: "\(access.server): \(error)"
        }
    }
}
