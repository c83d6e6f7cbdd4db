// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import FuzzDriver
import Glibc

private let environment = [
    "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0",
    "CNI_ARGS": "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u",
]

/// Any bytes as what the plugin reads: a call's configuration with the result before, the runtime's arguments, a node's
/// configuration, and the daemon's answer, however it is cut.
private func fuzzPlugin(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = [UInt8](UnsafeBufferPointer(start: start, count: count))
    for command in CNIRequest.Command.allCases { request(command, environment, bytes) }
    var other = environment
    other["CNI_ARGS"] = String(decoding: bytes, as: UTF8.self)
    request(.add, other, Array(#"{"cniVersion":"1.0.0","name":"n","socket":"/s","prevResult":{}}"#.utf8))
    editList(bytes)
    readReply(bytes)
    return 0
}

private func request(_ command: CNIRequest.Command, _ environment: [String: String], _ bytes: [UInt8]) {
    do throws(CNIError) {
        let request = try CNIRequest(command, environment, bytes)
        guard let previous = request.previous else { return }
        precondition(!previous.addresses.isEmpty)
        // It is part of the input, byte for byte, and an object.
        precondition(previous.text.first == UInt8(ascii: "{") && previous.text.last == UInt8(ascii: "}"))
        precondition(previous.text.count < bytes.count)
    } catch {
        // One line of the specification's JSON, whatever the input was.
        precondition(error.json(version: nil).utf8.count { $0 == 10 } == 1)
    }
}

/// What is put in is in, once, and comes out again; all else stays.
private func editList(_ bytes: [UInt8]) {
    let settings = PluginSettings(socket: "/run/s")
    guard var list = try? NetworkList(bytes), let isChanged = try? list.put(settings) else { return }
    let others = list.othersCount
    precondition(list.hasPlugin && (isChanged || list.text == bytes))
    precondition((try? list.put(settings)) == false)
    guard let read = try? NetworkList(list.text) else { preconditionFailure("what was written is no list") }
    precondition(read == list)
    guard others > 0, (try? list.remove()) == true else { return }
    precondition(list.othersCount == others || list.hasPlugin)
}

private func readReply(_ bytes: [UInt8]) {
    do throws(CNIError) {
        guard let reply = try ControlReply.read(bytes, isWhole: true) else {
            preconditionFailure("a whole answer is an answer or an error")
        }
        precondition((200...599).contains(reply.status) && reply.body.count < bytes.count)
        let early = try ControlReply.read(Array(bytes.dropLast(bytes.count / 2)), isWhole: false)
        precondition(early == nil || early == reply)
    } catch {
        precondition(error.code == .malformedAnswer)
    }
}

@main enum CNIFuzz {
    static func main() { exit(fuzz(fuzzPlugin)) }
}
