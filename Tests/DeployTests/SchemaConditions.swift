// SPDX-License-Identifier: Apache-2.0

/// The words of JSON Schema (draft 7) by which one value of the chart restricts another.
enum SchemaConditions {
    static func hold(_ value: HelmValue, _ schema: HelmValue) -> Bool {
        if let wanted = schema["const"], wanted != value { return false }
        if let condition = schema["if"], let then = schema["then"], hold(value, condition), !hold(value, then) {
            return false
        }
        switch value {
        case .map(let fields): return holdFields(fields, schema)
        case .list(let items): return holdItems(items, schema)
        default: return true
        }
    }

    private static func holdFields(_ fields: [String: HelmValue], _ schema: HelmValue) -> Bool {
        if case .integer(let least)? = schema["minProperties"], fields.count < least { return false }
        if case .list(let names)? = schema["required"], !names.allSatisfy({ fields[$0.text] != nil }) { return false }
        return fields.allSatisfy { name, value in schema["properties"]?[name].map { hold(value, $0) } ?? true }
    }

    private static func holdItems(_ items: [HelmValue], _ schema: HelmValue) -> Bool {
        if case .integer(let least)? = schema["minItems"], items.count < least { return false }
        if let one = schema["contains"], !items.contains(where: { hold($0, one) }) { return false }
        return items.allSatisfy { item in schema["items"].map { hold(item, $0) } ?? true }
    }
}
