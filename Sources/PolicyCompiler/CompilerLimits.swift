// SPDX-License-Identifier: Apache-2.0
import CompiledPolicy

/// The capacity of the tables. Programs over a limit deny everything and are listed in
/// ``CompiledPolicy/programsOverLimit``.
public enum CompilerLimits {
    /// The highest number of an address class.
    public static let addressClasses = AddressClassID.limit - 1
    public static let endpoints = UInt32(EndpointID.limit - 1)
    public static let rules = RuleID.limit - 1
    /// Distinct port ranges over all programs: at most twice as many port classes, well within 16 bits.
    public static let portRanges = 10_000
    public static let rowsPerProgram = 65_535
    public static let columnsPerProgram = 65_535
    public static let cellsPerProgram = 4_194_304
}
