// SPDX-License-Identifier: Apache-2.0
import BulkheadABI
import DatapathEBPF
import Testing

/// The layout in the embedded object's own type information, compared with what Swift imported.
@Suite struct LayoutTests {
    private static let imported: [String: (size: Int, offsets: [String: Int?])] = [
        "bh_endpoint": (
            MemoryLayout<bh_endpoint>.size,
            [
                "ingress": MemoryLayout<bh_endpoint>.offset(of: \.ingress),
                "egress": MemoryLayout<bh_endpoint>.offset(of: \.egress),
                "place": MemoryLayout<bh_endpoint>.offset(of: \.place),
            ]
        ),
        "bh_program": (
            MemoryLayout<bh_program>.size,
            [
                "number": MemoryLayout<bh_program>.offset(of: \.number),
                "words": MemoryLayout<bh_program>.offset(of: \.words),
                "column_capacity": MemoryLayout<bh_program>.offset(of: \.column_capacity),
                "row_capacity": MemoryLayout<bh_program>.offset(of: \.row_capacity),
                "columns": MemoryLayout<bh_program>.offset(of: \.columns),
                "rows": MemoryLayout<bh_program>.offset(of: \.rows),
                "cells": MemoryLayout<bh_program>.offset(of: \.cells),
                "stride": MemoryLayout<bh_program>.offset(of: \.stride),
            ]
        ),
        "bh_node": (
            MemoryLayout<bh_node>.size,
            [
                "mask_high": MemoryLayout<bh_node>.offset(of: \.mask_high),
                "prefix_low": MemoryLayout<bh_node>.offset(of: \.prefix_low),
                "otherwise": MemoryLayout<bh_node>.offset(of: \.otherwise),
                "window": MemoryLayout<bh_node>.offset(of: \.window),
                "group": MemoryLayout<bh_node>.offset(of: \.group),
            ]
        ),
        "bh_counter": (
            MemoryLayout<bh_counter>.size,
            [
                "packets": MemoryLayout<bh_counter>.offset(of: \.packets),
                "bytes": MemoryLayout<bh_counter>.offset(of: \.bytes),
            ]
        ),
        "bh_header": (
            MemoryLayout<bh_header>.size,
            [
                "complete": MemoryLayout<bh_header>.offset(of: \.complete),
                "event_rate": MemoryLayout<bh_header>.offset(of: \.event_rate),
                "event_burst": MemoryLayout<bh_header>.offset(of: \.event_burst),
                "event_repeat_ms": MemoryLayout<bh_header>.offset(of: \.event_repeat_ms),
                "own_node": MemoryLayout<bh_header>.offset(of: \.own_node),
                "own_classes": MemoryLayout<bh_header>.offset(of: \.own_classes),
                "is_listened": MemoryLayout<bh_header>.offset(of: \.is_listened),
                "tunnel_ports": MemoryLayout<bh_header>.offset(of: \.tunnel_ports),
                "tunnel_protocols": MemoryLayout<bh_header>.offset(of: \.tunnel_protocols),
                "proxy_marks": MemoryLayout<bh_header>.offset(of: \.proxy_marks),
                "from_proxy_mark": MemoryLayout<bh_header>.offset(of: \.from_proxy_mark),
                "flow_interval_ns": MemoryLayout<bh_header>.offset(of: \.flow_interval_ns),
                "flow_window_ns": MemoryLayout<bh_header>.offset(of: \.flow_window_ns),
                "tick_ns": MemoryLayout<bh_header>.offset(of: \.tick_ns),
            ]
        ),
        "bh_event": (
            MemoryLayout<bh_event>.size,
            [
                "time_ns": MemoryLayout<bh_event>.offset(of: \.time_ns),
                "source": MemoryLayout<bh_event>.offset(of: \.source),
                "destination": MemoryLayout<bh_event>.offset(of: \.destination),
                "rule": MemoryLayout<bh_event>.offset(of: \.rule),
                "ifindex": MemoryLayout<bh_event>.offset(of: \.ifindex),
                "source_port": MemoryLayout<bh_event>.offset(of: \.source_port),
                "destination_port": MemoryLayout<bh_event>.offset(of: \.destination_port),
                "endpoint": MemoryLayout<bh_event>.offset(of: \.endpoint),
                "protocol": MemoryLayout<bh_event>.offset(of: \.protocol),
                "family": MemoryLayout<bh_event>.offset(of: \.family),
                "cause": MemoryLayout<bh_event>.offset(of: \.cause),
                "direction": MemoryLayout<bh_event>.offset(of: \.direction),
                "icmp_type": MemoryLayout<bh_event>.offset(of: \.icmp_type),
                "icmp_code": MemoryLayout<bh_event>.offset(of: \.icmp_code),
                "ready": MemoryLayout<bh_event>.offset(of: \.ready),
            ]
        ),
        "bh_flow_head": (
            MemoryLayout<bh_flow_head>.size,
            [
                "state": MemoryLayout<bh_flow_head>.offset(of: \.state),
                "moment_ns": MemoryLayout<bh_flow_head>.offset(of: \.moment_ns),
                "moment_tick": MemoryLayout<bh_flow_head>.offset(of: \.moment_tick),
                "taken": MemoryLayout<bh_flow_head>.offset(of: \.taken),
            ]
        ),
        "bh_fixed": (
            Int(BH_FIXED_BYTES),
            [
                "root4": Int(BH_ROOT4_OFFSET), "root6": Int(BH_ROOT6_OFFSET), "ports": Int(BH_PORTS_OFFSET),
                "endpoints": Int(BH_ENDPOINTS_OFFSET), "interfaces": Int(BH_INTERFACES_OFFSET),
            ]
        ),
    ]

    @Test(arguments: Self.imported.keys.sorted()) func objectAndSwiftAgree(name: String) throws {
        let wanted = try #require(Self.imported[name])
        let found = try #require(EmbeddedLayout.structure(name), "the object does not use struct \(name)")
        #expect(found.size == wanted.size)
        for (member, offset) in wanted.offsets { #expect(found.offsets[member] == offset, "\(name).\(member)") }
    }

    @Test func unknownStructuresAreNotFound() { #expect(EmbeddedLayout.structure("bh_nothing") == nil) }
}
