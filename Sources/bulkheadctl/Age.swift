// SPDX-License-Identifier: Apache-2.0
import ControlProtocol
import Documents

/// How long ago something was, as kubectl shows it.
enum Age {
    /// `45s`, `12m`, `5h`, `8d`; `-` without a time.
    static func text(_ time: String?, now: String = RFC3339.now()) -> String {
        guard let time, let then = Timestamp.seconds(time), let now = Timestamp.seconds(now) else { return "-" }
        // Clocks differ: what is to come is now.
        let seconds = max(0, now - then)
        return switch seconds {
        case ..<120: "\(seconds)s"
        case ..<7200: "\(seconds / 60)m"
        case ..<172_800: "\(seconds / 3600)h"
        default: "\(seconds / 86_400)d"
        }
    }

    /// `12m ago (2026-01-02T15:04:05Z)`.
    static func long(_ time: String, now: String = RFC3339.now()) -> String {
        "\(text(time, now: now)) ago (\(short(time)))"
    }

    /// Without fractions of a second.
    private static func short(_ time: String) -> String {
        guard let dot = time.lastIndex(of: ".") else { return time }
        return time[..<dot] + "Z"
    }
}
