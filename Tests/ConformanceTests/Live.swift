// SPDX-License-Identifier: Apache-2.0
import Testing

/// Real packets through the real daemon and the kernel, in namespaces. One test at a time: what they say about time and
/// lost packets must not be about a busy machine.
@Suite(.serialized) enum Live {}
