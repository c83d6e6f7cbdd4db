// SPDX-License-Identifier: Apache-2.0
import ControlViews

typealias Table = ControlViews.Table

extension ControlViews.Table {
    /// For the output, which has a width only if it is a terminal, or COLUMNS gives it one.
    var text: String { text(width: Terminal.width) }

    /// - Parameter width: columns of the output; nil: unlimited.
    func text(width: Int?) -> String {
        lines(width: width, hasTitles: Terminal.settings.withLock { $0.hasTitles }, paint: Terminal.paint)
            .map { $0 + "\n" }.joined()
    }
}
