// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Work that blocks for long, on a thread that ends with it: it would hold up an actor's thread, and neither may it
/// block the cooperative pool.
public enum DetachedWork {
    /// Runs `work` and waits for its end, without holding up the caller's thread. If the system has no thread left, the
    /// pool has to do.
    ///
    /// - Parameter name: of the thread, 15 bytes at most.
    public static func run(named name: String, _ work: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            let body = Body {
                ThreadName.set(name)
                work()
                continuation.resume()
            }
            var thread = pthread_t()
            let box = Unmanaged.passRetained(body)
            let code = pthread_create(
                &thread, nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, box.toOpaque())
            guard code != 0 else {
                pthread_detach(thread)
                return
            }
            box.release()
            work()
            continuation.resume()
        }
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
