// SPDX-License-Identifier: Apache-2.0

/// The text format that Prometheus and its relatives read, version 0.0.4.
public enum PrometheusText {
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Families without series are left out.
    public static func text(of families: [MetricFamily]) -> String {
        var text = ""
        for family in families where !family.samples.isEmpty {
            text += "# HELP \(family.name) \(escaped(family.help, quote: false))\n"
            text += "# TYPE \(family.name) \(family.kind.rawValue)\n"
            for sample in family.samples { write(sample, of: family.name, to: &text) }
        }
        return text
    }

    private static func write(_ sample: MetricFamily.Sample, of name: String, to text: inout String) {
        switch sample.value {
        case .integer(let value): line(name, sample.labels, "\(value)", to: &text)
        case .number(let value): line(name, sample.labels, number(value), to: &text)
        case .histogram(let histogram):
            var sum: UInt64 = 0
            for (bound, count) in zip(histogram.bounds + [.infinity], histogram.counts) {
                sum += count
                line("\(name)_bucket", sample.labels + [.init("le", number(bound))], "\(sum)", to: &text)
            }
            line("\(name)_sum", sample.labels, number(histogram.sum), to: &text)
            line("\(name)_count", sample.labels, "\(sum)", to: &text)
        }
    }

    private static func line(_ name: String, _ labels: [MetricFamily.Label], _ value: String, to text: inout String) {
        text += name
        if !labels.isEmpty {
            let pairs = labels.map { "\($0.name)=\"\(escaped($0.value, quote: true))\"" }
            text += "{\(pairs.joined(separator: ","))}"
        }
        text += " \(value)\n"
    }

    /// As Go's `strconv.ParseFloat` reads it.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? "\(Int64(value))" : "\(value)"
    }

    private static func escaped(_ text: String, quote: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quote: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
