// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy
import Explanations
import KubernetesObjects
import NetworkTypes
import PolicyPipeline
import WorldKit

extension PolicyPipeline {
    init(_ events: [ObjectEvent]) {
        self.init(nodeName: "n1")
        _ = apply(events)
    }

    func decide(_ source: String, _ destination: String, _ port: UInt16?, _ ipProtocol: IPProtocol = .tcp) -> Decision {
        compiled.evaluate(
            Flow(
                source: address(source), destination: address(destination), ipProtocol: ipProtocol,
                destinationPort: port))
    }

    func allows(_ source: String, _ destination: String, _ port: UInt16?, _ ipProtocol: IPProtocol = .tcp) -> Bool {
        decide(source, destination, port, ipProtocol).verdict == .allow
    }
}
