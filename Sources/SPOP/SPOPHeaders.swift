// SPDX-License-Identifier: Apache-2.0

/// Reads the headers that HAProxy's sample `req.hdrs_bin` holds: pairs of names and values, each with its length, and
/// a pair of empty ones at the end.
public enum SPOPHeaders {
    /// By name in lower case; the values of a repeated header are joined by commas, in order.
    public static func read(_ bytes: [UInt8]) throws(SPOPError) -> [String: String] {
        var reader = SPOPReader(bytes)
        var result: [String: String] = [:]
        while true {
            let name = try reader.text().lowercased()
            let value = try reader.text()
            if name.isEmpty && value.isEmpty { return result }
            if let earlier = result[name] {
                result[name] = earlier + "," + value
            } else {
                result[name] = value
            }
        }
    }
}
