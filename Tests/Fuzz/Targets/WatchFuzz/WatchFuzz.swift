// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import KubernetesObjects
import KubernetesWatch

/// Any bytes as the server's answers to a list and then to a watch: taken in or refused, and asked again, and the
/// pieces in which they come don't matter. The first byte says the kind and the form, the second where to cut.
private func fuzzWatch(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    guard bytes.count > 2 else { return 0 }
    let kinds = [ObjectKind.pod, .namespace, .node, .networkPolicy, .clusterNetworkPolicy, .authorizationPolicy]
    let kind = kinds[Int(bytes[0] >> 1) % kinds.count]
    let type = bytes[0] & 1 == 0 ? "application/json" : "application/vnd.kubernetes.protobuf"
    let answer = bytes[2...]
    let cut = answer.startIndex + min(Int(bytes[1]), answer.count)
    let whole = Follower.follow(kind, type, [answer])
    precondition(whole == Follower.follow(kind, type, [answer[..<cut], answer[cut...]]))
    return 0
}

/// What a follower of one resource has heard of in the end.
private struct Follower: Equatable {
    var objects: [ObjectKey: KubernetesObject] = [:]
    var completions = 0
    var failures = 0

    /// Gives the pieces as the answer to each of the first requests.
    static func follow(_ kind: ObjectKind, _ type: String, _ pieces: [ArraySlice<UInt8>]) -> Follower {
        var settings = WatchSettings()
        (settings.frameLimit, settings.bodyLimit) = (3000, 3000)
        var watch = ResourceWatch(APIResource(kind), settings: settings, seed: 1)
        var follower = Follower()
        var request: RequestID?
        var timer: TimerID?
        func put(_ input: WatchInput) {
            for action in watch.handle(input) {
                switch action {
                case .send(let id, _): request = id
                case .cancel: request = nil
                case .setTimer(let id, _): timer = id
                case .deliver(let events): for event in events { follower.take(event) }
                case .complete: follower.completions += 1
                case .credentialsRefused: break
                case .failure: follower.failures += 1
                }
            }
        }
        put(.begin)
        for _ in 0..<4 {
            if request == nil, let due = timer { put(.timer(due)) }
            guard let id = request else { break }
            put(.head(id, ResponseHead(status: 200, contentType: type, retryAfter: nil)))
            for piece in pieces where request == id { put(.bytes(id, Array(piece))) }
            if request == id {
                request = nil
                put(.end(id))
            }
        }
        return follower
    }

    private mutating func take(_ event: ObjectEvent) {
        switch event {
        case .set(let object): objects[object.key] = object
        case .removed(let key): precondition(objects.removeValue(forKey: key) != nil)
        }
    }
}

@main enum WatchFuzz {
    static func main() { exit(fuzz(fuzzWatch)) }
}
