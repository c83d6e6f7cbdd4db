// SPDX-License-Identifier: Apache-2.0
import Testing

/// Real packets through the real daemon and the kernel, in namespaces. They wait for events, and what they say holds on a
/// busy machine too: suites run at the same time, each with networks of its own.
@Suite enum Live {}

/// The same, one test at a time: what these say about time and lost packets must not be about a busy machine.
@Suite(.serialized) enum LiveAlone {}
