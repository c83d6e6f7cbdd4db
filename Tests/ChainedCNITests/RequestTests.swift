// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import NetworkTypes
import Testing

@Suite struct RequestTests {
    @Test func addIsRead() throws {
        let request = try Requests.read(.add)
        #expect(request.attachment == .init(container: "3f2a", ifname: "eth0") && request.network == "net")
        #expect(request.pod?.namespace == "shop" && request.pod?.name == "web-0" && request.pod?.uid == "u-1")
        #expect(request.settings == PluginSettings(socket: "/run/bulkhead/s"))
        #expect(request.settings.deadlineMilliseconds == 10000 && request.settings.onDeadline == .deny)
        let previous = try #require(request.previous)
        #expect(previous.addresses == [try IPAddress("10.1.0.2"), try IPAddress("fd00::2")])
        #expect(previous.hostInterfaces == ["veth1"])
        #expect(String(decoding: previous.text, as: UTF8.self) == Requests.result)
    }

    @Test func anIPv4AddressInIPv6FormIsTheIPv4Address() throws {
        let result = #"{"cniVersion":"1.0.0","ips":[{"address":"::ffff:10.1.0.2/120"}]}"#
        let request = try Requests.read(.add, Requests.configuration(result: result))
        #expect(request.previous?.addresses == [try IPAddress("10.1.0.2")])
    }

    @Test(arguments: CNIVersion.supported) func everyVersionThatHasChains(version: String) throws {
        #expect(try Requests.read(.add, Requests.configuration(version: version)).network == "net")
    }

    @Test func settings() throws {
        let request = try Requests.read(
            .add, Requests.configuration(#","deadlineMilliseconds":250,"onDeadline":"allow","capabilities":{"x":true}"#)
        )
        #expect(
            request.settings
                == PluginSettings(socket: "/run/bulkhead/s", deadlineMilliseconds: 250, onDeadline: .allow))
    }

    /// What is wrong, with the code that the specification has for it.
    static let wrongInputs: [(String, CNIError.Code, String)] = [
        ("", .undecodable, "1:1: a value is missing"),
        (#"{"cniVersion":"#, .undecodable, "a value is missing at the end"),
        (String(repeating: "[", count: 100), .undecodable, "nested deeper than 32"),
        ("[]", .invalidConfiguration, "not a JSON object"),
        (#"{"name":"net"}"#, .incompatibleVersion, "has no cniVersion"),
        (Requests.configuration(version: "0.2.0"), .incompatibleVersion, #""0.2.0" is not supported"#),
        (Requests.configuration(version: "2.0.0"), .incompatibleVersion, "supported: 0.3.0"),
        (#"{"cniVersion":"1.0.0","socket":"/s"}"#, .invalidConfiguration, "'name'"),
        (#"{"cniVersion":"1.0.0","name":"n","socket":"s"}"#, .invalidConfiguration, "'socket'"),
        (Requests.configuration(#","deadlineMilliseconds":99"#), .invalidConfiguration, "from 100 to 25000"),
        (Requests.configuration(#","deadlineMilliseconds":"1s""#), .invalidConfiguration, "from 100 to 25000"),
        (Requests.configuration(#","onDeadline":"Allow""#), .invalidConfiguration, "must be deny or allow"),
        (Requests.configuration(result: nil), .invalidConfiguration, "prevResult is missing"),
        (Requests.configuration(result: "null"), .invalidConfiguration, "prevResult is missing"),
        (Requests.configuration(result: "[]"), .invalidConfiguration, "prevResult is not an object"),
        (Requests.configuration(result: "{}"), .invalidConfiguration, "no address of the pod"),
        (Requests.configuration(result: #"{"ips":{}}"#), .invalidConfiguration, "ips is not a list"),
        (Requests.configuration(result: #"{"interfaces":[{}]}"#), .invalidConfiguration, "interfaces[0] has no name"),
        (
            Requests.configuration(result: #"{"ips":[{"address":"10.1.0.2"}]}"#), .invalidConfiguration,
            "ips[0] has no valid address"
        ),
        (
            Requests.configuration(result: #"{"ips":[{"address":"10.1.0.2/24","interface":7}]}"#),
            .invalidConfiguration, "ips[0] is on an interface that is not listed"
        ),
    ]

    @Test(arguments: wrongInputs.indices) func wrongInput(index: Int) {
        let (input, code, words) = Self.wrongInputs[index]
        do throws(CNIError) {
            _ = try Requests.read(.add, input)
            Issue.record("read: \(input)")
        } catch {
            #expect(error.code == code && error.description.contains(words), "\(error)")
        }
    }

    static let wrongEnvironments: [(String, String?, String)] = [
        ("CNI_CONTAINERID", nil, "CNI_CONTAINERID is missing"), ("CNI_NETNS", nil, "CNI_NETNS is missing"),
        ("CNI_IFNAME", nil, "CNI_IFNAME is missing"), ("CNI_ARGS", nil, "only a Kubernetes runtime"),
        ("CNI_CONTAINERID", "-x", "letters, digits"), ("CNI_CONTAINERID", "a/b", "letters, digits"),
        ("CNI_IFNAME", "eth0/", "not a valid interface name"), ("CNI_IFNAME", "0123456789abcdef", "no name"),
        ("CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", "CNI_ARGS has no K8S_POD_UID"),
        ("CNI_ARGS", "K8S_POD_NAMESPACE", "not KEY=value"), ("CNI_ARGS", "=1", "not KEY=value"),
        ("CNI_ARGS", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b c;K8S_POD_UID=d", "K8S_POD_NAME in CNI_ARGS"),
    ]

    @Test(arguments: wrongEnvironments.indices) func wrongEnvironment(index: Int) {
        let (name, value, words) = Self.wrongEnvironments[index]
        do throws(CNIError) {
            _ = try Requests.read(.add, without: value == nil ? name : nil, with: value.map { [name: $0] } ?? [:])
            Issue.record("read without \(name)")
        } catch {
            #expect(error.code == .invalidEnvironment && error.description.contains(words), "\(error)")
        }
    }

    @Test func eachCommandNeedsItsOwn() throws {
        #expect(throws: CNIError.self) { _ = try CNIRequest.command([:]) }
        #expect(throws: CNIError.self) { _ = try CNIRequest.command(["CNI_COMMAND": "UPDATE"]) }
        let bare = Requests.configuration(result: nil)
        #expect(try Requests.read(.delete, bare, without: "CNI_ARGS").attachment.container == "3f2a")
        #expect(try CNIRequest(.status, [:], Array(bare.utf8)).command == .status)
        #expect(throws: CNIError.self) { _ = try CNIRequest(.collect, [:], Array(bare.utf8)) }
        let valid = Requests.configuration(
            #","cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]"#, version: "1.1.0", result: nil)
        #expect(
            try CNIRequest(.collect, [:], Array(valid.utf8)).valid == [.init(container: "a", ifname: "eth0")])
    }

    @Test func errorsAreTheSpecificationsJSON() {
        let error = CNIError(.tryAgainLater, "a \"b\"", details: "line\nline")
        #expect(
            error.json(version: "0.4.0")
                == #"{"cniVersion":"0.4.0","code":11,"msg":"a \"b\"","details":"line\nline"}"# + "\n")
        #expect(CNIVersion.answer(to: nil).contains(#""cniVersion":"1.1.0","supportedVersions":["0.3.0","#))
    }
}
