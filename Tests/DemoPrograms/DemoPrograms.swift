// SPDX-License-Identifier: Apache-2.0
/// A target without code. `swift build --target DemoPrograms` builds the programs that it depends on, in one plan:
/// `--product` takes only one of them at a time.
public enum DemoPrograms {}
