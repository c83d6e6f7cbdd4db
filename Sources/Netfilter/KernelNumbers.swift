// SPDX-License-Identifier: Apache-2.0

extension FixedWidthInteger {
    /// A number of the kernel's headers, which come as enumerations with names and without.
    package init<Number: RawRepresentable>(_ number: Number) where Number.RawValue == UInt32 {
        self.init(number.rawValue)
    }
}
