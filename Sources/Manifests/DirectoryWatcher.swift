// SPDX-License-Identifier: Apache-2.0
import Glibc
import KubernetesObjects
import PolledThread
import WatchedFiles

/// The loop of ``ManifestDirectory``: waits for inotify, decides what to read, passes on changes.
struct DirectoryWatcher: Sendable {
    private static let folderMask = [
        IN_CLOSE_WRITE, IN_MOVED_TO, IN_MOVED_FROM, IN_DELETE, IN_CREATE, IN_ATTRIB, IN_DELETE_SELF, IN_MOVE_SELF,
    ]
    private static let parentMask = [IN_CREATE, IN_MOVED_TO, IN_MOVED_FROM, IN_DELETE]
    /// How often to look for a directory that is gone, in addition to the watch on its parent. Milliseconds.
    private static let retryInterval: Int32 = 50

    private let folder: ManifestFolder
    private let inotify: Inotify
    private var set: ManifestSet
    private var pending = PendingFiles()
    /// When to read the whole directory again.
    private var rescanDue: PendingFiles.Instant?
    private var folderWatch: Int32?
    private var parentWatch: Int32?
    private var folderProblem: ManifestProblem?
    /// Whether anything was read since problems were last reported.
    private var hasNews = false
    /// The last reported problems and notices.
    private var told: (problems: [ManifestProblem], notices: [ManifestNotice]) = ([], [])

    init(
        path: String, limits: ManifestLimits, kinds: Set<ObjectKind>?, keepsLastOnEmpty: Bool, inotify: Inotify
    ) {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        folder = ManifestFolder(path: path, limits: limits)
        self.inotify = inotify
        set = ManifestSet(limits: limits, kinds: kinds, keepsLastOnEmpty: keepsLastOnEmpty)
    }

    private var name: Substring { folder.path.split(separator: "/").last ?? "" }

    private var parent: String {
        guard let slash = folder.path.lastIndex(of: "/") else { return "." }
        return slash == folder.path.startIndex ? "/" : String(folder.path[..<slash])
    }

    private func key(_ name: String) -> String { folder.path == "/" ? "/\(name)" : "\(folder.path)/\(name)" }

    // MARK: Reading

    /// Watches first and reads then, so that no change is missed in between.
    mutating func begin() throws(FileAccessError) -> ManifestDirectory.Update {
        folderWatch = inotify.watch(folder.path, Self.folderMask)
        guard folderWatch != nil else { throw FileAccessError(folder.path, "inotify_add_watch") }
        watchParent()
        var found: [String: ManifestFile] = [:]
        for name in try folder.names() { found[key(name)] = read(name, at: .now) }
        let events = set.apply(found)
        told = (set.problems, set.notices)
        return ManifestDirectory.Update(events: events, problems: told.problems, notices: told.notices)
    }

    private mutating func read(_ name: String, at now: PendingFiles.Instant) -> ManifestFile {
        let file = folder.read(name)
        settle(name, file, at: now)
        return file
    }

    /// A file that could not be read for lack of resources is read again until that succeeds.
    private mutating func settle(_ name: String, _ file: ManifestFile, at now: PendingFiles.Instant) {
        if case .unreadable(_, mayPass: true) = file {
            pending.lookAgain(at: name, from: now)
        } else {
            pending.finish(name)
        }
    }

    private mutating func watchParent() {
        guard parentWatch == nil, name != ".", name != "..", !name.isEmpty else { return }
        let watch = inotify.watch(parent, Self.parentMask)
        parentWatch = watch == folderWatch ? nil : watch
    }

    private mutating func readAgain() -> [ObjectEvent] {
        rescanDue = nil
        hasNews = true
        do throws(FileAccessError) {
            var found: [String: ManifestFile] = [:]
            for name in set.fileNames { found[name] = .removed }
            for name in try folder.names() {
                let isHalfWritten = pending.isBeingWritten(name)
                found[key(name)] = isHalfWritten ? nil : read(name, at: .now)
            }
            folderProblem = nil
            return set.apply(found)
        } catch {
            reportFolder("cannot be read: \(error.call): \(String(cString: strerror(error.errorNumber)))")
            if error.mayPass { rescanDue = .now + pending.timing.lacking }
            return []
        }
    }

    private mutating func readPending(at now: PendingFiles.Instant) -> [ObjectEvent] {
        var found: [String: ManifestFile] = [:]
        for name in pending.names(at: now) {
            let file = folder.read(name)
            guard file != .removed || pending.settleMissing(name, at: now) else { continue }
            settle(name, file, at: now)
            found[key(name)] = file
        }
        guard !found.isEmpty else { return [] }
        hasNews = true
        return set.apply(found)
    }

    private mutating func reportFolder(_ reason: String) {
        hasNews = true
        folderProblem = ManifestProblem(
            error: ManifestError(file: folder.path, document: 0, reason: reason),
            stillInForce: set.objects.map(\.key))
    }

    // MARK: Waiting

    /// Runs until it must stop.
    mutating func run(_ waiter: PolledThread.Waiter, _ deliver: (ManifestDirectory.Update) -> Void) {
        while waiter.wait(for: inotify.descriptor, milliseconds: timeout) {
            let clock = ContinuousClock()
            handle(inotify.drain(), at: clock.now)
            if folderWatch == nil { takeUpAgain(at: clock.now) }
            let now = clock.now
            var events: [ObjectEvent] = []
            // A directory that is gone has no files to read: its previous content stays in force.
            if folderWatch != nil {
                events = rescanDue.map { $0 <= now } == true ? readAgain() : readPending(at: now)
            }
            if hasNews { tell(events, deliver) }
        }
    }

    private mutating func tell(_ events: [ObjectEvent], _ deliver: (ManifestDirectory.Update) -> Void) {
        hasNews = false
        let problems = (folderProblem.map { [$0] } ?? []) + set.problems
        let notices = set.notices
        guard !events.isEmpty || problems != told.problems || notices != told.notices else { return }
        told = (problems, notices)
        deliver(ManifestDirectory.Update(events: events, problems: problems, notices: notices))
    }

    /// Milliseconds until something is due, rounded up; -1 if nothing is.
    private var timeout: Int32 {
        if folderWatch == nil { return Self.retryInterval }
        guard let due = [rescanDue, pending.nextDue].compactMap(\.self).min() else { return -1 }
        let left = ContinuousClock.now.duration(to: due)
        guard left > .zero else { return 0 }
        return Int32(left.components.seconds) * 1000 + Int32(left.components.attoseconds / 1_000_000_000_000_000) + 1
    }

    // MARK: Events

    private mutating func handle(_ events: [Inotify.Event], at now: PendingFiles.Instant) {
        var moved: [UInt32: String] = [:]
        for event in events {
            if event.has(IN_Q_OVERFLOW) {
                // It is unknown what was missed, and whether files were closed.
                pending.removeAll()
                rescan(at: now)
            } else if event.watch == parentWatch {
                if event.has(IN_IGNORED) { parentWatch = nil }
                if event.name == name { lookForFolder(at: now) }
            } else if event.watch == folderWatch {
                handleInFolder(event, moved: &moved, at: now)
            }
        }
    }

    private mutating func handleInFolder(
        _ event: Inotify.Event, moved: inout [UInt32: String], at now: PendingFiles.Instant
    ) {
        if event.has(IN_DELETE_SELF, IN_MOVE_SELF, IN_IGNORED, IN_UNMOUNT) {
            lookForFolder(at: now)
        } else if event.name == "..data" {
            rescan(at: now)
        } else if ManifestFolder.isManifest(event.name) {
            handleFile(event, at: now)
            if event.has(IN_MOVED_FROM) { moved[event.cookie] = event.name }
            if event.has(IN_MOVED_TO), let old = moved[event.cookie] { pending.markRenamed(old) }
        }
    }

    private mutating func handleFile(_ event: Inotify.Event, at now: PendingFiles.Instant) {
        if event.has(IN_CREATE) {
            if isComplete(event.name) {
                pending.touch(event.name, at: now)
            } else {
                pending.create(event.name, at: now)
            }
        } else if event.has(IN_ATTRIB) {
            // The mode may now permit reading a file that could not be read.
            if set.isUnreadable(key(event.name)) { pending.touch(event.name, at: now) }
        } else {
            pending.touch(event.name, at: now)
        }
    }

    /// A link is complete once it exists; a new file is complete when its writer closes it.
    private func isComplete(_ name: String) -> Bool {
        var status = stat()
        guard lstat(key(name), &status) == 0 else { return true }
        return status.st_mode & S_IFMT != S_IFREG || status.st_nlink > 1
    }

    private mutating func rescan(at now: PendingFiles.Instant) {
        rescanDue = min(rescanDue ?? .now + .seconds(1), now + pending.timing.quiet)
    }

    /// The directory's name may now refer to another directory, or to none.
    private mutating func lookForFolder(at now: PendingFiles.Instant) {
        if let folderWatch { inotify.unwatch(folderWatch) }
        folderWatch = nil
        takeUpAgain(at: now)
    }

    private mutating func takeUpAgain(at now: PendingFiles.Instant) {
        folderWatch = inotify.watch(folder.path, Self.folderMask)
        if folderWatch == nil {
            if folderProblem == nil { reportFolder("the directory is gone; its previous content stays in force") }
        } else {
            pending.removeAll()
            rescan(at: now)
        }
        watchParent()
    }
}
