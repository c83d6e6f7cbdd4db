// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects

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
        let fields = [
            ("container", JSONString.quoted(attachment.container)), ("ifname", JSONString.quoted(attachment.ifname)),
            ("network", JSONString.quoted(network)), ("namespace", JSONString.quoted(pod.namespace)),
            ("pod", JSONString.quoted(pod.name)), ("uid", JSONString.quoted(pod.uid)),
            ("addresses", JSONText.list(result.addresses.map(\.description))),
            ("hostInterfaces", JSONText.list(result.hostInterfaces)),
            ("deadlineMilliseconds", "\(deadlineMilliseconds)"), ("onDeadline", JSONString.quoted(onDeadline.rawValue)),
        ]
        let body = fields.map { "\"\($0)\":\($1)" }.joined(separator: ",")
        return ControlCall("PUT", "/v1/attachments", body: "{\(body)}")
    }

    /// The characters of ids and interface names need no escape but one.
    private static func query(_ attachment: CNIRequest.Attachment) -> String {
        func escaped(_ text: String) -> String {
            text.utf8.map { byte in
                let isPlain = byte.isASCIIAlphanumeric || [45, 46, 95, 126].contains(byte)
                let digits = String(byte, radix: 16, uppercase: true)
                return isPlain ? String(UnicodeScalar(byte)) : "%" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
        }
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
            "{\"container\":\(JSONString.quoted($0.container)),\"ifname\":\(JSONString.quoted($0.ifname))}"
        }
        return ControlCall(
            "POST", "/v1/attachments/collect",
            body: "{\"network\":\(JSONString.quoted(network)),\"valid\":[\(valid.joined(separator: ","))]}")
    }

    public static let status = ControlCall("GET", "/v1/status")
}
