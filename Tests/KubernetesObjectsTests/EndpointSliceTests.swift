// SPDX-License-Identifier: Apache-2.0
import Documents
import KubernetesObjects
import NetworkTypes
import Testing
import WorldKit

/// Services and EndpointSlices as an API server lists them: what is read of them, and what is left out.
@Suite struct EndpointSliceTests {
    private func document(_ json: String) throws -> DocumentNode { try JSONReader.read(Array(json.utf8)) }

    @Test func whatIsRead() throws {
        let slice = try #require(
            EndpointSlice(
                try document(
                    #"""
                    {"metadata": {"name": "redis-abc", "namespace": "shop", "labels":
                      {"kubernetes.io/service-name": "redis"}}, "addressType": "IPv4", "endpoints": [
                        {"addresses": ["10.1.0.2"], "conditions": {"ready": true, "serving": true}},
                        {"addresses": ["10.1.0.3"], "conditions": {"ready": false}},
                        {"addresses": ["10.1.0.4", "10.1.0.5"]}, {"addresses": ["redis.example", 7]}],
                     "ports": [{"name": "db", "port": 6379, "protocol": "TCP"}, {"name": "any"}, {"port": 70000},
                        {"port": 53, "protocol": "UDP"}, "x"]}
                    """#)))
        #expect(slice.namespace == "shop" && slice.service == "redis")
        #expect(slice.endpoints.map(\.isReady) == [true, false, true, true])
        #expect(
            slice.endpoints.map(\.addresses) == [
                addresses("10.1.0.2"), addresses("10.1.0.3"), addresses("10.1.0.4", "10.1.0.5"), [],
            ])
        #expect(slice.ports.map(\.name) == ["db", ""] && slice.ports.map(\.number) == [6379, 53])
        #expect(slice.ports.map(\.ipProtocol) == [.tcp, .udp])
    }

    @Test(arguments: [
        #"{}"#, #"{"metadata": {"labels": {}}, "addressType": "IPv4"}"#, #"[]"#, #"null"#,
        #"{"metadata": {"labels": {"kubernetes.io/service-name": ""}}, "addressType": "IPv4"}"#,
        #"{"metadata": {"labels": {"kubernetes.io/service-name": "a"}}, "addressType": "FQDN"}"#,
        #"{"metadata": {"labels": {"kubernetes.io/service-name": 7}}, "addressType": "IPv4"}"#,
    ])
    func whatBelongsToNoService(_ json: String) throws {
        #expect(EndpointSlice(try document(json)) == nil)
    }

    @Test func aServiceWithNamedPorts() throws {
        let service = try #require(
            Service(
                try document(
                    #"""
                    {"metadata": {"name": "redis", "namespace": "shop"}, "spec": {"clusterIPs": ["10.96.0.1", "fd00::1"],
                     "clusterIP": "10.96.0.1", "ports": [{"name": "db", "port": 80, "targetPort": "redis"}]}}
                    """#)))
        #expect(service.addresses == addresses("10.96.0.1", "fd00::1"))
        #expect(service.ports.map(\.name) == ["db"] && service.ports.first?.target == .named("redis"))
    }
}
