// SPDX-License-Identifier: Apache-2.0

extension Agent where Plane: ~Copyable {
    func setRequestProxyReady(_ isReady: Bool) {}
}
