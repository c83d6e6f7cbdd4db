// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import NetworkTypes
import PolicyModel

extension PodAttachment {
    /// Reads the body's names, addresses and numbers.
    ///
    /// - Throws: an ``ErrorAnswer`` that names each field that is wrong.
    package init(_ body: AttachmentBody) throws(ErrorAnswer) {
        var problems: [Problem] = []
        func check(_ text: String, _ field: String, _ limit: Int) {
            if text.isEmpty {
                problems.append(Problem(field: field, reason: "is empty"))
            } else if text.utf8.count > limit {
                problems.append(Problem(field: field, reason: "has more than \(limit) bytes"))
            }
        }
        check(body.container, "container", 256)
        check(body.ifname, "ifname", 15)
        check(body.network, "network", 256)
        check(body.namespace, "namespace", 63)
        check(body.pod, "pod", 253)
        check(body.uid, "uid", 128)
        if !AttachmentBody.deadlines.contains(body.deadlineMilliseconds) {
            let range = AttachmentBody.deadlines
            problems.append(
                Problem(
                    field: "deadlineMilliseconds", reason: "must be from \(range.lowerBound) to \(range.upperBound)"))
        }
        var addresses: [IPAddress] = []
        for (index, text) in body.addresses.enumerated() {
            do throws(AddressError) {
                let address = try IPAddress(text)
                if !addresses.contains(address) { addresses.append(address) }
            } catch {
                problems.append(Problem(field: "addresses[\(index)]", reason: "'\(text)': \(error)"))
            }
        }
        if body.addresses.isEmpty || body.addresses.count > Self.addressLimit {
            problems.append(Problem(field: "addresses", reason: "must have from 1 to \(Self.addressLimit) addresses"))
        }
        guard problems.isEmpty else {
            throw ErrorAnswer(.invalidBody, "nothing was changed: the attachment is not valid", problems: problems)
        }
        self.init(uid: body.uid, namespace: body.namespace, name: body.pod, addresses: addresses.sorted())
    }

    private static let addressLimit = 32
}
