// SPDX-License-Identifier: Apache-2.0
import FuzzDriver
import Glibc
import NodeNetwork

/// Any bytes as the kernel's answer about rules and routes, and about links, addresses and neighbors: read or refused at a
/// message's cost of at least its header.
private func fuzzRoutes(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    let bytes = UnsafeRawBufferPointer(start: start, count: count)
    do throws(NodeNetworkError) {
        let answers = try RouteAnswer.parse(bytes)
        precondition(answers.count <= count / 16)
        for answer in answers {
            switch answer {
            case .rule(let rule, _):
                precondition(rule.mask != 0)
                _ = rule.description
            case .route(let route, _):
                precondition(Int(route.destination.prefixLength) <= route.destination.family.bitWidth)
                _ = route.description
            case .ended, .other: break
            }
        }
    } catch {
        _ = error.description
    }
    return 0
}

@main enum RouteFuzz {
    static func main() { exit(fuzz(fuzzRoutes)) }
}
