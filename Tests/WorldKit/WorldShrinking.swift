// SPDX-License-Identifier: Apache-2.0

/// Takes things away for as long as what is left still fails.
enum Shrinking {
    /// Walks round and round over the candidates (things one step smaller than the present one) until a whole round
    /// brought nothing: the result fails, and none of its candidates does. Every candidate must be smaller by some
    /// measure, or there is no end.
    static func smallest<T>(of start: T, candidates: (T) -> [T], fails: (T) -> Bool) -> T {
        var smallest = start
        var choices = candidates(start)
        var index = 0
        var inVain = 0
        while inVain < choices.count {
            index %= choices.count
            if fails(choices[index]) {
                smallest = choices[index]
                choices = candidates(smallest)
                inVain = 0
            } else {
                index += 1
                inVain += 1
            }
        }
        return smallest
    }
}
