// SPDX-License-Identifier: Apache-2.0
import Documents

/// A request to the daemon's control socket (HTTP/1.1), as bytes.
public struct ControlCall: Sendable, Hashable {
    public var method: String
    public var target: String
    public var body: String?

    public init(_ method: String, _ target: String, body: String? = nil) {
        self.method = method
        self.target = target
        self.body = body
    }

    public var bytes: [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        if let body { head += "content-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n" }
        return Array((head + "\r\n" + (body ?? "")).utf8)
    }
}

extension ControlCall {
    /// Tells the daemon of a pod; the answer comes when its policy is in the kernel.
    public static func attach(
        _ attachment: CNIRequest.Attachment, pod: PodIdentity, network: String, result: PreviousResult,
        deadlineMilliseconds: Int, onDeadline: PluginSettings.Expiry
    ) -> ControlCall {
        let body = DocumentNode.object([
            ("container", .string(attachment.container)), ("ifname", .string(attachment.ifname)),
            ("network", .string(network)), ("namespace", .string(pod.namespace)), ("pod", .string(pod.name)),
            ("uid", .string(pod.uid)), ("addresses", .array(result.addresses.map { .string($0.description) })),
            ("hostInterfaces", .array(result.hostInterfaces.map { .string($0) })),
            ("deadlineMilliseconds", .integer(Int64(deadlineMilliseconds))),
            ("onDeadline", .string(onDeadline.rawValue)),
        ])
        return ControlCall("PUT", "/v1/attachments", body: body.json)
    }

    /// The characters of ids and interface names need no escape but one.
    private static func query(_ attachment: CNIRequest.Attachment) -> String {
        func escaped(_ text: String) -> String { PercentEncoding.encode(text, keeping: "-._~") }
        return "container=\(escaped(attachment.container))&ifname=\(escaped(attachment.ifname))"
    }

    public static func detach(_ attachment: CNIRequest.Attachment) -> ControlCall {
        ControlCall("DELETE", "/v1/attachments?\(query(attachment))")
    }

    public static func look(at attachment: CNIRequest.Attachment) -> ControlCall {
        ControlCall("GET", "/v1/attachments?\(query(attachment))")
    }

    public static func collect(network: String, valid: [CNIRequest.Attachment]) -> ControlCall {
        let valid = valid.map {
            DocumentNode.object([("container", .string($0.container)), ("ifname", .string($0.ifname))])
        }
        let body = DocumentNode.object([("network", .string(network)), ("valid", .array(valid))])
        return ControlCall("POST", "/v1/attachments/collect", body: body.json)
    }

    public static let status = ControlCall("GET", "/v1/status")
}
