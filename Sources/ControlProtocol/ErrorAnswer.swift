// SPDX-License-Identifier: Apache-2.0

/// The body of every answer whose status is 400 or above.
public struct ErrorAnswer: Codable, Sendable, Hashable, Error {
    public var error: Content
    public init(_ code: ErrorCode, _ message: String, problems: [Problem] = []) {
        error = Content(code: code, message: message, problems: problems)
    }

    public struct Content: Codable, Sendable, Hashable {
        /// For programs.
        public var code: ErrorCode
        /// One sentence for a person.
        public var message: String
        /// What exactly is wrong with the body; empty if the error is not about the body.
        public var problems: [Problem]
        public init(code: ErrorCode, message: String, problems: [Problem]) {
            self.code = code
            self.message = message
            self.problems = problems
        }
    }
}

/// Why a call was refused.
public enum ErrorCode: String, Codable, Sendable, CaseIterable {
    /// 400: the request or its parameters cannot be understood.
    case badRequest = "bad_request"
    /// 400: the body holds documents or fields that are not valid; `problems` names each.
    case invalidBody = "invalid_body"
    /// 403: the peer of the socket is neither root nor the daemon's user.
    case forbidden
    /// 404: no such path.
    case unknownPath = "unknown_path"
    /// 404: no object or endpoint of that name.
    case notFound = "not_found"
    /// 405: the path does not support this method; `Allow` names the methods that it supports.
    case methodNotAllowed = "method_not_allowed"
    /// 409: a manifest file owns an object of that kind, namespace and name.
    case ownedByFile = "owned_by_file"
    /// 409: a static guardrail has that kind, namespace and name.
    case ownedByGuardrail = "owned_by_guardrail"
    /// 409: the API server has that object, or is the source of all objects of its kind.
    case ownedByCluster = "owned_by_cluster"
    /// 413: the body is larger than the limit.
    case bodyTooLarge = "body_too_large"
    /// 422: the policy is valid, but exceeds a limit or conflicts with itself or with what is in force.
    case notAccepted = "not_accepted"
    /// 500: a bug in the daemon.
    case internalError = "internal_error"
    /// 503: the kernel could not be read or programmed; `message` says why. A policy change is kept and retried.
    case datapathFailed = "datapath_failed"
    /// 503: the kernel keeps what a previous run left until all objects of the API server are known. A policy change is
    /// kept and takes effect then.
    case waitingForCluster = "waiting_for_cluster"
    /// 503: too many expensive calls at once; nothing was done, try again in a moment.
    case busy
    /// 503: the daemon is stopping; call the next one.
    case stopping
    /// 504: a pod's policy was not in the kernel in time; it is denied everything. Or the journal could not be read in
    /// time.
    case deadlineExceeded = "deadline_exceeded"

    /// The HTTP status of the code.
    public var status: Int {
        switch self {
        case .badRequest, .invalidBody: 400
        case .forbidden: 403
        case .unknownPath, .notFound: 404
        case .methodNotAllowed: 405
        case .ownedByFile, .ownedByGuardrail, .ownedByCluster: 409
        case .bodyTooLarge: 413
        case .notAccepted: 422
        case .internalError: 500
        case .datapathFailed, .waitingForCluster, .busy, .stopping: 503
        case .deadlineExceeded: 504
        }
    }
}

/// One thing that is wrong with a document.
public struct Problem: Codable, Sendable, Hashable {
    /// The manifest file; nil for a body.
    public var file: String?
    /// Which document of the file or body, counted from 1.
    public var document: Int?
    /// Line in the file or body, counted from 1.
    public var line: Int?
    /// The object, as `Kind namespace/name`, if it could be read.
    public var object: String?
    /// Path of the field, for example `spec.ingress[0].ports[1].port`; empty for the document as a whole.
    public var field: String
    /// What is wrong.
    public var reason: String
    /// What was probably meant, or how to correct it.
    public var hint: String?
    /// Objects of a refused document whose previous version stays in force, as `Kind namespace/name`.
    public var stillInForce: [String]?

    public init(
        file: String? = nil, document: Int? = nil, line: Int? = nil, object: String? = nil, field: String,
        reason: String, hint: String? = nil
    ) {
        self.file = file
        self.document = document
        self.line = line
        self.object = object
        self.field = field
        self.reason = reason
        self.hint = hint
    }
}

extension Problem: CustomStringConvertible {
    /// `file:line: document 2: NetworkPolicy shop/api: spec.ingress[0]: reason (hint)`, as far as known.
    public var description: String {
        var parts: [String] = []
        switch (file, line) {
        case (let file?, let line?): parts.append("\(file):\(line)")
        case (let file?, nil): parts.append(file)
        case (nil, let line?): parts.append("line \(line)")
        case (nil, nil): break
        }
        if let document { parts.append("document \(document)") }
        if let object { parts.append(object) }
        if !field.isEmpty { parts.append(field) }
        parts.append(hint.map { "\(reason) (\($0))" } ?? reason)
        return parts.joined(separator: ": ")
    }
}
