// SPDX-License-Identifier: Apache-2.0
import ChainedCNI
import Glibc

/// The chained CNI plugin: it passes a pod's network on once the pod's policy is in the kernel.
@main
enum Main {
    static func main() {
        signal(SIGPIPE, SIG_IGN)
        var input: [UInt8] = []
        do {
            let environment = environment()
            let command = try CNIRequest.command(environment)
            input = try readInput()
            if command == .version {
                print(CNIVersion.answer(to: CNIRequest.version(of: input)), to: STDOUT_FILENO)
                return
            }
            let request = try CNIRequest(command, environment, input)
            let output = try PluginCall(
                request, exchange: DaemonSocket.exchange, clock: PluginClock(now: milliseconds, sleep: sleep),
                warn: warn
            ).run()
            if !output.isEmpty { write(output + [UInt8(ascii: "\n")], to: STDOUT_FILENO) }
        } catch {
            let failure = error as? CNIError ?? CNIError(.inputOutput, "\(error)")
            print(failure.json(version: CNIRequest.version(of: input)), to: STDOUT_FILENO)
            exit(1)
        }
    }

    private static func environment() -> [String: String] {
        var values: [String: String] = [:]
        for name in ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"] {
            if let value = getenv(name) { values[name] = String(cString: value) }
        }
        return values
    }

    private static func readInput() throws(CNIError) -> [UInt8] {
        var input: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CNIError(.inputOutput, "standard input cannot be read", details: String(cString: strerror(errno)))
            }
            if count == 0 { return input }
            input += chunk[..<count]
            guard input.count <= CNILimits.text.size else {
                throw CNIError(
                    .invalidConfiguration, "the network configuration has more than \(CNILimits.text.size) bytes")
            }
        }
    }

    /// CLOCK_MONOTONIC.
    static func milliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    private static func sleep(milliseconds: Int) { usleep(UInt32(milliseconds) * 1000) }

    private static func warn(_ text: String) { print("bulkhead-cni: \(text)\n", to: STDERR_FILENO) }

    private static func print(_ text: String, to descriptor: Int32) { write(Array(text.utf8), to: descriptor) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
