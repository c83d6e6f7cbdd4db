// SPDX-License-Identifier: Apache-2.0
import Glibc
import NIOCore

/// Makes the kernel detect within about half a minute that the other side of a connection is gone.
enum KeepAlive {
    /// tcp(7).
    private static let options: [(name: NIOBSDSocket.Option, value: ChannelOptions.Types.SocketOption.Value)] = [
        // Seconds of quiet before the first probe, between probes, and how many.
        (NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE), 15),
        (NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL), 5),
        (NIOBSDSocket.Option(rawValue: TCP_KEEPCNT), 3),
        // Milliseconds that sent data may stay unacknowledged.
        (NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT), 30_000),
    ]

    static func set(on channel: any Channel) -> EventLoopFuture<Void> {
        let socket = channel.setOption(.socketOption(.so_keepalive), value: 1)
        return options.reduce(socket) { before, option in
            before.flatMap {
                channel.setOption(
                    ChannelOptions.Types.SocketOption(level: .tcp, name: option.name), value: option.value)
            }
        }
    }
}
