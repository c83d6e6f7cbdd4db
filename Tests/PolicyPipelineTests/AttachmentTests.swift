// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import KubernetesObjects
import NetworkTypes
import PolicyModel
import PolicyPipeline
import PolicyResolver
import Testing
import WorldKit

/// Pods that the container runtime reports before the API server does.
@Suite struct AttachmentTests {
    private static func attachment(
        _ uid: String, _ name: String = "web", _ addresses: String..., isHeld: Bool = true
    ) -> PodAttachment {
        PodAttachment(
            uid: uid, namespace: "shop", name: name, addresses: addresses.map { address($0) }, isHeld: isHeld)
    }

    /// Its object as it is before the kubelet has told its addresses.
    private static func starting(_ uid: String, _ app: String = "web") -> ObjectEvent {
        pod("web", ["app": app], uid: uid)
    }

    private static let cluster = [
        pod("api", ["app": "api"], "10.0.0.2"), node("n1", "192.168.0.1"),
        policy("api", selects: ["app": "api"], [.ingress], ingress: [rule([pods(["app": "web"])], [port(80)])]),
    ]

    private func names(_ pipeline: PolicyPipeline) -> [String] { pipeline.localEndpoints.map(\.name.description) }

    @Test func unknownIsDenied() {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1", "fd00::1")])
        #expect(names(pipeline) == ["(held)/shop/web one", "shop/api"])
        for (from, to) in [
            ("10.0.0.1", "10.0.0.2"), ("10.0.0.1", "8.8.8.8"), ("10.0.0.2", "10.0.0.1"), ("fd00::1", "fd00::2"),
            ("10.0.0.1", "192.168.0.1"), ("192.168.0.2", "10.0.0.1"),
        ] {
            #expect(!pipeline.allows(from, to, 80), "\(from) to \(to)")
        }
        #expect(pipeline.allows("192.168.0.1", "10.0.0.1", 80), "kubelet's probe")
        #expect(
            pipeline.decide("8.8.8.8", "10.0.0.1", 80).ingress?.reason
                == "denied: the Pod object is not known yet, and nothing is allowed until then")
        // Whatever an Admin policy allows every pod.
        _ = pipeline.apply([tier("all", ingress: [rule(.accept, network("0.0.0.0/0"))])])
        #expect(!pipeline.allows("8.8.8.8", "10.0.0.1", 80))
        _ = pipeline.apply(attachments: [])
        #expect(pipeline.allows("10.0.0.1", "8.8.8.8", 80))
        #expect(names(pipeline) == ["shop/api"])
    }

    /// The endpoint of the pod takes over in the step in which its object comes; its address is never without.
    @Test func theObjectTakesOver() {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1")])
        let held = pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint
        #expect(pipeline.localPod(withUID: "one") == nil)
        let delta = pipeline.apply([Self.starting("one")])
        #expect(delta.removedEndpoints == [held])
        #expect(delta.addedEndpoints == [pipeline.compiled.addresses.entry(of: address("10.0.0.1")).endpoint])
        #expect(pipeline.localPod(withUID: "one") == EndpointName(namespace: "shop", name: "web"))
        #expect(names(pipeline) == ["shop/api", "shop/web"])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80) && pipeline.allows("10.0.0.1", "8.8.8.8", 80))
        // And what the API server says later changes nothing.
        let later = pipeline.apply([pod("web", ["app": "web"], "10.0.0.1", uid: "one", createdAt: 5)])
        #expect(later.addresses.isEmpty && later.changedEndpoints.isEmpty && later.addedEndpoints.isEmpty)
        // Its object goes before its network does.
        _ = pipeline.apply([.removed(ObjectKey(kind: .pod, namespace: "shop", name: "web"))])
        #expect(names(pipeline) == ["(held)/shop/web one", "shop/api"])
        #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80))
    }

    @Test func theObjectMayComeFirst() {
        var pipeline = PolicyPipeline(Self.cluster + [Self.starting("one")])
        #expect(names(pipeline) == ["shop/api"])
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1")])
        #expect(names(pipeline) == ["shop/api", "shop/web"])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
    }

    /// A StatefulSet's pod comes again under its name, on this node, before the API server has its object.
    @Test func aNameUsedAgainInheritsNothing() {
        var pipeline = PolicyPipeline(
            Self.cluster + [pod("web", ["app": "web"], "10.0.0.1", uid: "one", createdAt: 9)])
        _ = pipeline.apply(attachments: [Self.attachment("two", "web", "10.0.0.3")])
        #expect(names(pipeline) == ["(held)/shop/web two", "shop/api", "shop/web"])
        #expect(!pipeline.allows("10.0.0.3", "10.0.0.2", 80) && pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        _ = pipeline.apply([Self.starting("two", "other")])
        #expect(names(pipeline) == ["shop/api", "shop/web"])
        #expect(!pipeline.allows("10.0.0.3", "10.0.0.2", 80) && !pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        #expect(pipeline.allows("10.0.0.3", "8.8.8.8", 80))
    }

    @Test func anAddressUsedAgainInheritsNothing() {
        // Its object still says that it has the address, and is the younger one.
        let old = pod("old", ["app": "web"], "10.0.0.1", uid: "old", createdAt: 99)
        let far = pod("far", ["app": "web"], "10.0.0.1", node: "n2", uid: "far", createdAt: 100)
        for events in [[old], [old, far]] {
            var pipeline = PolicyPipeline(Self.cluster + events)
            #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
            _ = pipeline.apply(attachments: [Self.attachment("new", "new", "10.0.0.1")])
            #expect(names(pipeline) == ["(held)/shop/new new", "shop/api"])
            #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80))
            _ = pipeline.apply([pod("new", ["app": "other"], uid: "new", createdAt: 1)])
            #expect(names(pipeline) == ["shop/api", "shop/new"])
            #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80) && pipeline.allows("10.0.0.1", "8.8.8.8", 80))
            _ = pipeline.apply(attachments: [])
            #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        }
    }

    /// Where the plugin's deadline is set to allow.
    @Test func whoIsNotHeldIsNotJudgedUntilItsObjectComes() {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1")])
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1", isHeld: false)])
        #expect(names(pipeline) == ["shop/api"])
        #expect(pipeline.allows("10.0.0.1", "8.8.8.8", 80) && !pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        _ = pipeline.apply([Self.starting("one")])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
    }

    @Test func hostNetworkAndFinishedPodsStayOutside() {
        var pipeline = PolicyPipeline(
            Self.cluster + [
                pod("host", hostNetwork: true, uid: "host"), pod("done", phase: .succeeded, uid: "done"),
                pod("far", node: "n2", uid: "far"),
            ])
        _ = pipeline.apply(attachments: [
            Self.attachment("host", "host", "10.0.0.5"), Self.attachment("done", "done", "10.0.0.6"),
            Self.attachment("far", "far", "10.0.0.7"),
        ])
        // A pod that the API server says is elsewhere is not this one.
        #expect(names(pipeline) == ["(held)/shop/far far", "shop/api"])
    }

    /// Resolved policy may not be pushed for an endpoint that the runtime has reported as a pod.
    @Test func pushedPolicyYields() throws {
        var pipeline = PolicyPipeline(Self.cluster)
        let vm = PushedPolicy(endpoints: [
            PushedEndpoint(name: EndpointName(namespace: "", name: "vm"), addresses: [address("10.0.0.1")])
        ])
        _ = try pipeline.apply(pushed: vm)
        #expect(pipeline.allows("10.0.0.1", "8.8.8.8", 80))
        _ = pipeline.apply(attachments: [Self.attachment("one", "web", "10.0.0.1")])
        #expect(names(pipeline) == ["(held)/shop/web one", "shop/api"])
        #expect(!pipeline.allows("10.0.0.1", "8.8.8.8", 80))
        #expect(throws: PushedPolicyError.self) { _ = try pipeline.apply(pushed: vm) }
        _ = pipeline.apply(attachments: [])
        #expect(names(pipeline) == ["vm", "shop/api"])
    }

    /// What the API server has of a static pod has another UID than the runtime tells.
    @Test func aStaticPodIsFoundByItsMirror() {
        var pipeline = PolicyPipeline(Self.cluster)
        _ = pipeline.apply(attachments: [Self.attachment("static", "web", "10.0.0.1")])
        _ = pipeline.apply([pod("web", ["app": "web"], uid: "mirror", staticUID: "static")])
        #expect(names(pipeline) == ["shop/api", "shop/web"])
        #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        #expect(pipeline.localPod(withUID: "static") == EndpointName(namespace: "shop", name: "web"))
        // Its file has changed: another static pod, which the old one's object is not for.
        _ = pipeline.apply(attachments: [Self.attachment("next", "web", "10.0.0.3")])
        #expect(names(pipeline) == ["(held)/shop/web next", "shop/api"])
        #expect(!pipeline.allows("10.0.0.3", "10.0.0.2", 80) && pipeline.localPod(withUID: "static") == nil)
        _ = pipeline.apply([pod("web", ["app": "web"], uid: "mirror2", staticUID: "next")])
        #expect(names(pipeline) == ["shop/api", "shop/web"])
        #expect(pipeline.allows("10.0.0.3", "10.0.0.2", 80))
        // The annotation alone tells nothing of a pod that the runtime knows by the object's own UID.
        _ = pipeline.apply(attachments: [Self.attachment("mirror2", "web", "10.0.0.4")])
        #expect(pipeline.allows("10.0.0.4", "10.0.0.2", 80) && !pipeline.allows("10.0.0.3", "10.0.0.2", 80))
    }

    /// Any user who may create pods may write the annotation: it takes nothing from another pod.
    @Test func aMirrorClaimsNoOtherPod() {
        let attached = Self.attachment("one", "web", "10.0.0.1")
        let thieves = [
            pod("thief", ["app": "web"], uid: "t", staticUID: "one"),
            pod("other/web", ["app": "web"], uid: "t", staticUID: "one"),
            pod("web", ["app": "web"], node: "n2", uid: "t", staticUID: "one"),
            pod("web", ["app": "web"], uid: "t", staticUID: "on"), pod("web", ["app": "web"], uid: "t"),
        ]
        for thief in thieves {
            var pipeline = PolicyPipeline(Self.cluster + [thief])
            _ = pipeline.apply(attachments: [attached])
            #expect(names(pipeline) == ["(held)/shop/web one", "shop/api"], "\(thief)")
            #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80))
        }
    }

    /// The UID is that of an object: the mirror has it neither before that comes nor after, and when it goes again.
    @Test func aPodsOwnUIDComesFirst() {
        let mirror = pod("web", ["app": "web"], uid: "mirror", staticUID: "one")
        let own = pod("real", ["app": "other"], uid: "one")
        let far = pod("real", ["app": "other"], node: "n2", uid: "one")
        let another = pod("real", ["app": "other"], uid: "two")
        let gone = ObjectEvent.removed(ObjectKey(kind: .pod, namespace: "shop", name: "real"))
        let attached = [Self.attachment("one", "web", "10.0.0.1")]
        for events in [[mirror, own], [own, mirror]] {
            for after in [gone, far, another] {
                var pipeline = PolicyPipeline(Self.cluster)
                _ = pipeline.apply(attachments: attached)
                for event in events { _ = pipeline.apply([event]) }
                #expect(names(pipeline) == ["shop/api", "shop/real"])
                #expect(!pipeline.allows("10.0.0.1", "10.0.0.2", 80) && pipeline.allows("10.0.0.1", "8.8.8.8", 80))
                #expect(pipeline.localPod(withUID: "one") == EndpointName(namespace: "shop", name: "real"))
                _ = pipeline.apply([after])
                #expect(names(pipeline) == ["shop/api", "shop/web"])
                #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80))
                // As from scratch.
                var fresh = PolicyPipeline(Self.cluster + events + [after])
                _ = fresh.apply(attachments: attached)
                #expect(names(fresh) == names(pipeline))
                #expect(fresh.allows("10.0.0.1", "10.0.0.2", 80))
            }
        }
    }

    /// The same whatever comes first.
    @Test func orderDoesNotMatter() {
        let steps: [(inout PolicyPipeline) -> Void] = [
            { _ = $0.apply(Self.cluster) }, { _ = $0.apply([Self.starting("one")]) },
            { _ = $0.apply(attachments: [Self.attachment("one", "web", "10.0.0.1")]) },
            { _ = $0.apply([pod("old", ["app": "web"], "10.0.0.1", uid: "old", createdAt: 7)]) },
        ]
        func permutations(_ rest: [Int]) -> [[Int]] {
            rest.isEmpty
                ? [[]] : rest.flatMap { first in permutations(rest.filter { $0 != first }).map { [first] + $0 } }
        }
        for order in permutations([0, 1, 2, 3]) {
            var pipeline = PolicyPipeline([])
            for step in order { steps[step](&pipeline) }
            #expect(names(pipeline) == ["shop/api", "shop/web"], "\(order)")
            #expect(pipeline.allows("10.0.0.1", "10.0.0.2", 80) && !pipeline.allows("10.0.0.9", "10.0.0.2", 80))
        }
    }
}
