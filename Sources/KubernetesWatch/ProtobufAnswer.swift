// SPDX-License-Identifier: Apache-2.0
import KubernetesObjects
import KubernetesProtobuf

/// Answers of an API server as protobuf.
enum ProtobufAnswer {
    static func page(_ body: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedPage {
        let list: ProtobufList
        do {
            list = try ProtobufList.decode(body, kind: resource.kind)
        } catch {
            throw UnreadableAnswer(reason: "\(error)")
        }
        guard !list.metadata.resourceVersion.isEmpty else {
            throw UnreadableAnswer(reason: "the list has no metadata.resourceVersion")
        }
        return ReceivedPage(
            resourceVersion: list.metadata.resourceVersion, continueToken: list.metadata.continueToken,
            objects: list.objects.map { ReceivedObject($0) }, nameless: 0)
    }

    static func event(_ frame: [UInt8], of resource: APIResource) throws(UnreadableAnswer) -> ReceivedEvent {
        let event: ProtobufWatchEvent
        do {
            event = try ProtobufWatchEvent.decode(frame, kind: resource.kind)
        } catch {
            throw UnreadableAnswer(reason: "\(error)")
        }
        return switch event {
        case .added(let object), .modified(let object): .set(ReceivedObject(object))
        case .deleted(let object): .removed(ReceivedObject(object))
        case .bookmark(let version): .bookmark(resourceVersion: version)
        case .error(let status): .failure(ReceivedStatus(status))
        }
    }
}

extension ReceivedObject {
    fileprivate init(_ decoded: DecodedObject) {
        self.init(
            key: decoded.object.key, version: decoded.resourceVersion, generation: decoded.generation,
            object: decoded.object, refusal: nil)
    }
}

extension ReceivedStatus {
    init(_ status: APIStatus) {
        self.init(
            code: status.code == 0 ? 500 : Int(status.code), reason: status.reason,
            message: String(status.message.prefix(500)),
            retryAfter: status.retryAfterSeconds == 0 ? nil : Int(status.retryAfterSeconds))
    }
}
