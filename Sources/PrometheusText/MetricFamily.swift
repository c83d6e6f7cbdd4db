// SPDX-License-Identifier: Apache-2.0

/// One metric with all its series at one moment.
public struct MetricFamily: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case counter
        case gauge
        case histogram
    }

    /// One series.
    public struct Sample: Sendable, Hashable {
        public enum Value: Sendable, Hashable {
            case integer(UInt64)
            case number(Double)
            case histogram(Histogram)
        }
        /// In the order in which they are written.
        public var labels: [Label]
        public var value: Value
        public init(labels: [Label] = [], value: Value) {
            self.labels = labels
            self.value = value
        }
    }

    public struct Label: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// With the unit at the end, and `_total` for counters.
    public var name: String
    public var help: String
    public var kind: Kind
    public var samples: [Sample]

    public init(_ name: String, _ help: String, _ kind: Kind, _ samples: [Sample]) {
        self.name = name
        self.help = help
        self.kind = kind
        self.samples = samples
    }

    /// A metric of one series without labels.
    public static func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
        MetricFamily(name, help, .counter, [Sample(value: .integer(value))])
    }

    public static func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        MetricFamily(name, help, .gauge, [Sample(value: .number(Double(value)))])
    }

    public static func gauge(_ name: String, _ help: String, _ value: Double) -> MetricFamily {
        MetricFamily(name, help, .gauge, [Sample(value: .number(value))])
    }

    public static func gauge(_ name: String, _ help: String, _ value: Bool) -> MetricFamily {
        gauge(name, help, value ? 1 : 0)
    }

    /// One series for each value of one label.
    public static func gauges(
        _ name: String, _ help: String, by label: String, _ values: [(String, Int)]
    ) -> MetricFamily {
        MetricFamily(
            name, help, .gauge,
            values.map { Sample(labels: [Label(label, $0.0)], value: .number(Double($0.1))) })
    }

    public static func counters(
        _ name: String, _ help: String, by label: String, _ values: [(String, UInt64)]
    ) -> MetricFamily {
        MetricFamily(
            name, help, .counter, values.map { Sample(labels: [Label(label, $0.0)], value: .integer($0.1)) })
    }

    public static func histogram(_ name: String, _ help: String, _ value: Histogram) -> MetricFamily {
        MetricFamily(name, help, .histogram, [Sample(value: .histogram(value))])
    }
}

/// Counts of values by size.
public struct Histogram: Sendable, Hashable {
    /// Upper ends of the buckets, included in them; ascending.
    public let bounds: [Double]
    /// The number of values in each bucket alone; the last bucket is for values above all bounds.
    public private(set) var counts: [UInt64]
    public private(set) var sum = 0.0

    public init(bounds: [Double]) {
        precondition(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 }, "bounds must ascend")
        self.bounds = bounds
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    public var count: UInt64 { counts.reduce(0, +) }

    public mutating func record(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        sum += value
    }
}
