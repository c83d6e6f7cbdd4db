// SPDX-License-Identifier: Apache-2.0

extension [Double] {
    /// The upper one of the two middle values where there are two; not to be asked of no values.
    var median: Double { sorted()[count / 2] }
}
