// SPDX-License-Identifier: Apache-2.0

/// Bulkhead's annotations of policy objects.
public enum PolicyAnnotation {
    /// Codes of lint that are not reported for the object: `BH004,BH010`. Enforcement does not read it.
    public static let lintIgnore = "bulkhead.dev/lint-ignore"
}
