// SPDX-License-Identifier: Apache-2.0
import PrometheusText
import Testing

@Suite struct PrometheusTextTests {
    @Test func everyKindOfMetric() {
        var latency = Histogram(bounds: [0.1, 1, 2.5])
        for value in [0.05, 0.1, 0.5, 3, 0.5] { latency.record(value) }
        let labeled = MetricFamily(
            "packets_total", "Packets.", .counter,
            [
                .init(labels: [.init("direction", "egress"), .init("namespace", "")], value: .integer(.max)),
                .init(labels: [.init("direction", "ingress"), .init("namespace", "shop")], value: .integer(0)),
            ])
        let text = PrometheusText.text(of: [
            labeled, .gauge("use_ratio", "How full.", 0.25), .gauge("up", "Whether.", true),
            .gauges("pods", "Pods.", by: "phase", [("running", 3), ("pending", -1)]),
            MetricFamily("nothing", "Nothing.", .gauge, []), .histogram("latency_seconds", "How long.", latency),
        ])
        #expect(
            text == """
                # HELP packets_total Packets.
                # TYPE packets_total counter
                packets_total{direction="egress",namespace=""} 18446744073709551615
                packets_total{direction="ingress",namespace="shop"} 0
                # HELP use_ratio How full.
                # TYPE use_ratio gauge
                use_ratio 0.25
                # HELP up Whether.
                # TYPE up gauge
                up 1
                # HELP pods Pods.
                # TYPE pods gauge
                pods{phase="running"} 3
                pods{phase="pending"} -1
                # HELP latency_seconds How long.
                # TYPE latency_seconds histogram
                latency_seconds_bucket{le="0.1"} 2
                latency_seconds_bucket{le="1"} 4
                latency_seconds_bucket{le="2.5"} 4
                latency_seconds_bucket{le="+Inf"} 5
                latency_seconds_sum 4.15
                latency_seconds_count 5

                """)
    }

    @Test func whatMustBeEscaped() {
        let text = PrometheusText.text(of: [
            MetricFamily(
                "m", "A \"help\" of\ntwo lines, with \\.", .gauge,
                [.init(labels: [.init("l", "a\"b\\c\nd é")], value: .number(1e300))])
        ])
        #expect(
            text == #"""
                # HELP m A "help" of\ntwo lines, with \\.
                # TYPE m gauge
                m{l="a\"b\\c\nd é"} 1e+300

                """#)
    }

    @Test func oddNumbers() {
        let values: [Double] = [.infinity, -.infinity, .nan, -0.5, 1e-7, 123_456_789]
        let lines = PrometheusText.text(of: values.map { .gauge("m", "M.", $0) }).split(separator: "\n")
        #expect(
            lines.filter { !$0.hasPrefix("#") } == ["m +Inf", "m -Inf", "m NaN", "m -0.5", "m 1e-07", "m 123456789"])
    }
}
