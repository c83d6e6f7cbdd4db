// SPDX-License-Identifier: Apache-2.0

/// Values with dense numbers while something refers to them, so that hot loops compare numbers, not strings.
package struct Interner<Value: Hashable & Sendable>: Sendable {
    private var values: [Value?] = []
    private var references: [UInt32] = []
    private var numbers: [Value: UInt32] = [:]
    private var free: [UInt32] = []

    package init() {}

    package var count: Int { numbers.count }

    /// The value of a number in use.
    package subscript(number: UInt32) -> Value {
        guard let value = values[Int(number)] else { preconditionFailure("number \(number) is not in use") }
        return value
    }

    package func number(of value: Value) -> UInt32? { numbers[value] }

    /// The value's number, with one more reference; `isNew` if it had none.
    package mutating func retain(_ value: Value) -> (number: UInt32, isNew: Bool) {
        if let number = numbers[value] {
            references[Int(number)] += 1
            return (number, false)
        }
        let number: UInt32
        if let old = free.popLast() {
            number = old
            values[Int(old)] = value
            references[Int(old)] = 1
        } else {
            number = UInt32(values.count)
            values.append(value)
            references.append(1)
        }
        numbers[value] = number
        return (number, true)
    }

    package mutating func retain(number: UInt32) { references[Int(number)] += 1 }

    /// Removes a reference. Returns the value if that was the last one.
    package mutating func release(_ number: UInt32) -> Value? {
        references[Int(number)] -= 1
        guard references[Int(number)] == 0, let value = values[Int(number)] else { return nil }
        values[Int(number)] = nil
        numbers[value] = nil
        free.append(number)
        return value
    }
}

extension Array where Element: Comparable {
    /// Index of the first element not below `element`; the array is sorted.
    package func lowerBound(_ element: Element) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Adds `element` to a sorted array without duplicates. Returns whether it was missing.
    @discardableResult
    package mutating func insertSorted(_ element: Element) -> Bool {
        let index = lowerBound(element)
        guard index == count || self[index] != element else { return false }
        insert(element, at: index)
        return true
    }

    /// Removes `element` from a sorted array without duplicates. Returns whether it was there.
    @discardableResult
    package mutating func removeSorted(_ element: Element) -> Bool {
        let index = lowerBound(element)
        guard index < count, self[index] == element else { return false }
        remove(at: index)
        return true
    }

    /// Whether a sorted array holds `element`.
    package func containsSorted(_ element: Element) -> Bool {
        let index = lowerBound(element)
        return index < count && self[index] == element
    }
}

extension Dictionary {
    /// The value of a key; a key without one gets `new`. One lookup.
    mutating func value(of key: Key, orSetting new: Value) -> Value {
        func current(_ value: inout Value) -> Value { value }
        return current(&self[key, default: new])
    }
}
