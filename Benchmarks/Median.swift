// SPDX-License-Identifier: Apache-2.0

extension [Double] {
    /// The upper one of the two middle values where there are two; not to be asked of no values.
    var median: Double { sorted()[count / 2] }

    /// The value that `part` of them, 0 to 1, do not exceed; not to be asked of no values.
    func quantile(_ part: Double) -> Double { sorted()[Int(Double(count - 1) * part)] }
}
