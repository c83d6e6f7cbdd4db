// SPDX-License-Identifier: Apache-2.0
import ClusterInventory
import KubernetesObjects
import NetworkTypes
import PolicyModel
import Reachability

/// Ports of services that hold data.
public enum DataPorts {
    /// By number, with the words by which names of workloads show that they serve it.
    static let known: [(port: UInt16, name: String, words: [String])] = [
        (1433, "SQL Server", ["mssql", "sqlserver"]), (1521, "Oracle", ["oracle"]),
        (2181, "ZooKeeper", ["zookeeper"]), (3306, "MySQL", ["mysql", "mariadb", "percona"]),
        (5432, "PostgreSQL", ["postgres", "postgresql", "pgsql"]), (5672, "AMQP", ["rabbitmq"]),
        (5984, "CouchDB", ["couchdb"]), (6379, "Redis", ["redis", "valkey", "keydb"]),
        (7687, "Neo4j", ["neo4j"]), (8086, "InfluxDB", ["influxdb"]), (9042, "Cassandra", ["cassandra", "scylla"]),
        (9092, "Kafka", ["kafka"]), (9200, "Elasticsearch", ["elasticsearch", "opensearch"]),
        (9300, "Elasticsearch", ["elasticsearch", "opensearch"]), (11211, "Memcached", ["memcached"]),
        (26257, "CockroachDB", ["cockroachdb"]), (27017, "MongoDB", ["mongo", "mongodb"]),
    ]

    static func name(_ port: UInt16) -> String { known.first { $0.port == port }?.name ?? "data" }

    /// The data ports that each workload serves: by named ports of its pods, by Services that lead to it, or by its name.
    static func served(_ inventory: ClusterInventory, _ pods: [EndpointName: Pod]) -> [WorkloadName: [UInt16]] {
        let numbers = Set(known.map(\.port))
        let services = Dictionary(grouping: inventory.services.filter { !$0.selector.isEmpty }, by: \.namespace)
        var served: [WorkloadName: [UInt16]] = [:]
        for workload in inventory.workloads where !workload.isHostNetwork {
            guard let first = workload.pods.lazy.compactMap({ pods[$0] }).first else { continue }
            var ports = Set(first.namedPorts.lazy.filter { $0.ipProtocol == .tcp }.map(\.number))
            for service in services[workload.name.namespace] ?? []
            where service.selector.allSatisfy({ first.metadata.labels[$0.key] == $0.value }) {
                for port in service.ports where port.ipProtocol == .tcp {
                    if case .number(let number) = port.target { ports.insert(number) }
                }
            }
            let words = Set(words(workload.name.name))
            for entry in known where !words.isDisjoint(with: entry.words) { ports.insert(entry.port) }
            let data = ports.intersection(numbers)
            if !data.isEmpty { served[workload.name] = data.sorted() }
        }
        return served
    }

    /// "my-redis-0" has the words "my", "redis" and "0".
    private static func words(_ name: String) -> [String] {
        name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }
}
