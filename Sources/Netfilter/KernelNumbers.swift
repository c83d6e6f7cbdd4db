// SPDX-License-Identifier: Apache-2.0

extension FixedWidthInteger {
    /// A number from the kernel's headers, which declare it as an enumeration with or without a name.
    package init<Number: RawRepresentable>(_ number: Number) where Number.RawValue == UInt32 {
        self.init(number.rawValue)
    }
}
