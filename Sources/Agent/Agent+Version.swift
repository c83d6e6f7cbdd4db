// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Glibc

extension Agent where Plane: ~Copyable {
    public func version() -> VersionAnswer {
        VersionAnswer(
            node: settings.nodeName, kernel: Self.kernelRelease, datapath: settings.datapathKind,
            datapathReason: settings.datapathReason)
    }

    private static var kernelRelease: String {
        var name = utsname()
        guard uname(&name) == 0 else { return "unknown" }
        return withUnsafeBytes(of: name.release) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}
