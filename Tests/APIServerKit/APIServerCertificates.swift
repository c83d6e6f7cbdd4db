// SPDX-License-Identifier: Apache-2.0

/// Certificates only for tests, valid for a hundred years; their keys are public.
///
/// Made with `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256` and `openssl x509 -req`.
public enum APIServerCertificates {
    /// What a server shows.
    public enum Server: Sendable, CaseIterable {
        /// For 127.0.0.1 and api.test.
        case usual
        /// The same, from an unknown authority.
        case stranger
        /// For 192.0.2.1 and elsewhere.test.
        case elsewhere

        var certificate: String {
            switch self {
            case .usual: APIServerCertificates.usual
            case .stranger: APIServerCertificates.stranger
            case .elsewhere: APIServerCertificates.elsewhere
            }
        }

        var key: String {
            switch self {
            case .usual: APIServerCertificates.usualKey
            case .stranger: APIServerCertificates.strangerKey
            case .elsewhere: APIServerCertificates.elsewhereKey
            }
        }
    }

    /// What the certificates of ``Server/usual``, ``Server/elsewhere`` and ``client`` lead to.
    public static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBizCCATGgAwIBAgIUBqou+d0JNJm/2KrN9SwuKENxEoIwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQxNzU5NTdaGA8yMTI2MTAzMTE3
        NTk1N1owEjEQMA4GA1UEAwwHVGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABKEwX89WbBB1kn7t0nDHfLd7zbq/r7EMPv1DP/S8nB6lgXfC6WAxlObhawnY
        eRXCkhv/AaDr23NCBij2zAxSdm2jYzBhMB0GA1UdDgQWBBRBft6P7ZGQOJ2ST0Le
        HNjbf8Gw/TAfBgNVHSMEGDAWgBRBft6P7ZGQOJ2ST0LeHNjbf8Gw/TAPBgNVHRMB
        Af8EBTADAQH/MA4GA1UdDwEB/wQEAwIBBjAKBggqhkjOPQQDAgNIADBFAiEAtaWo
        dbj1VIuQb4nfior8HfKeUISg6swoyJoNGQoq6A0CIA2efirciwUb5GqYer7VOO72
        rFL1CGfb/5HG43f/176T
        -----END CERTIFICATE-----
        """

    /// Of a client, `O=bulkhead, CN=node`.
    public static let client = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIUc8NXFupB1acIzs93Y3PQx05yJZgwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQxNzU5NTdaGA8yMTI2MTAzMTE3
        NTk1N1owIjERMA8GA1UECgwIYnVsa2hlYWQxDTALBgNVBAMMBG5vZGUwWTATBgcq
        hkjOPQIBBggqhkjOPQMBBwNCAAQ8E40abk7S/mF+4/Y9O+i6kJc3L16jxS3eD3Uf
        lkK8rFeoPd414o5QYDdNhHL476ifEECGTCfJhxQfx9WPXQfGo1cwVTATBgNVHSUE
        DDAKBggrBgEFBQcDAjAdBgNVHQ4EFgQUpq1u9MOhrxi/iIIzMSSN4VZlEMQwHwYD
        VR0jBBgwFoAUQX7ej+2RkDidkk9C3hzY23/BsP0wCgYIKoZIzj0EAwIDSAAwRQIg
        TObbrNKg5nXwwkqqmliL29XJPYzkENovzaKM8ExViV0CIQCnLenSpJ3tL3DT3rDq
        VW+qdQpG6lqtfNjx0rGIBgol3A==
        -----END CERTIFICATE-----
        """

    /// Of ``client``.
    public static let clientKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAgSuWFvDYW2xpPzv
        z+mBAuKhYRdkMPOTh5lHJRvygDGhRANCAAQ8E40abk7S/mF+4/Y9O+i6kJc3L16j
        xS3eD3UflkK8rFeoPd414o5QYDdNhHL476ifEECGTCfJhxQfx9WPXQfG
        -----END PRIVATE KEY-----
        """

    private static let usual = """
        -----BEGIN CERTIFICATE-----
        MIIBljCCATygAwIBAgIUc8NXFupB1acIzs93Y3PQx05yJZYwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQxNzU5NTdaGA8yMTI2MTAzMTE3
        NTk1N1owDjEMMAoGA1UEAwwDYXBpMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
        TtHSn/Nz/ggzq03KZqbL1ngE1D0olKN+Y5YuIZee+fSxSZkwldJzYLLVPoykjOR1
        WTn6rz+dH89unsJbyCCjh6NyMHAwGQYDVR0RBBIwEIcEfwAAAYIIYXBpLnRlc3Qw
        EwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFHZ5/KJyGZcyHjvUcjT5D6bK
        mw9QMB8GA1UdIwQYMBaAFEF+3o/tkZA4nZJPQt4c2Nt/wbD9MAoGCCqGSM49BAMC
        A0gAMEUCIDvX5CJF4KTTZX+DzmZlHqg4ejyL7XRy6iuXyTptdEOmAiEAjKfgkelf
        g/nBbLhtMc6SVP+2/5pCN+t5SEtpxNDoVKw=
        -----END CERTIFICATE-----
        """

    private static let usualKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgke3KDcxbj5tjs2L2
        Bdiy2al/Swq/x5OuoThmaH+wtUKhRANCAARO0dKf83P+CDOrTcpmpsvWeATUPSiU
        o35jli4hl5759LFJmTCV0nNgstU+jKSM5HVZOfqvP50fz26ewlvIIKOH
        -----END PRIVATE KEY-----
        """

    private static let stranger = """
        -----BEGIN CERTIFICATE-----
        MIIBlzCCAT2gAwIBAgIUWBXZzdL8odSfpRDgLk8rhKJ8NYAwCgYIKoZIzj0EAwIw
        EzERMA8GA1UEAwwIT3RoZXIgQ0EwIBcNMjYxMTI0MTc1OTU3WhgPMjEyNjEwMzEx
        NzU5NTdaMA4xDDAKBgNVBAMMA2FwaTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
        BGI1fZtrQFj0109tqiV9J52HIAde6GvBr0Od+AOZoFKChIwHibZwYGj6bOYF1vsU
        GHKu5QwACBP8jxaQsuPeF+SjcjBwMBkGA1UdEQQSMBCHBH8AAAGCCGFwaS50ZXN0
        MBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1UdDgQWBBQRvM+Iqx+0YZlJsm+5peKY
        fp96VTAfBgNVHSMEGDAWgBTZqNRwBgSDj7c9BD9R3Kx19NgFfjAKBggqhkjOPQQD
        AgNIADBFAiAvEnFAZzgdqKdVyKv+A5/E+GwjLRN7Vf6Vsx1OQZkNNAIhALig3chX
        Y9dQfflxjDQVbrnbkxbmK54ERlSPx0pcLmoE
        -----END CERTIFICATE-----
        """

    private static let strangerKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFYCSokMGWecXEMT9
        58Q08dG+dAJNxz0x693xY8j0512hRANCAARiNX2ba0BY9NdPbaolfSedhyAHXuhr
        wa9DnfgDmaBSgoSMB4m2cGBo+mzmBdb7FBhyruUMAAgT/I8WkLLj3hfk
        -----END PRIVATE KEY-----
        """

    private static let elsewhere = """
        -----BEGIN CERTIFICATE-----
        MIIBnDCCAUKgAwIBAgIUc8NXFupB1acIzs93Y3PQx05yJZcwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQxNzU5NTdaGA8yMTI2MTAzMTE3
        NTk1N1owDjEMMAoGA1UEAwwDYXBpMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
        Skz1C/4kqNPGYSTI3V+YEL+7If09aX7TgHyN9tIkAtVTljmJ/toCDz8kbcR8Fv7l
        qGnjX/liZQzwsYSeC+5iPaN4MHYwHwYDVR0RBBgwFocEwAACAYIOZWxzZXdoZXJl
        LnRlc3QwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFLYAOT/fxls10dkp
        bwwwdqkmV+TWMB8GA1UdIwQYMBaAFEF+3o/tkZA4nZJPQt4c2Nt/wbD9MAoGCCqG
        SM49BAMCA0gAMEUCIFKKboUooObVAQIqvpi8NlcSHbxqVBKU0uE0k43BvEKuAiEA
        jVxv1R0xoavK1RzO8T/2rp+XaVr90CcjYb+rIKjJwsQ=
        -----END CERTIFICATE-----
        """

    private static let elsewhereKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgLqWEWOZEfYkaI4x3
        0EbJJTAbsmvtmZ8Kce83KrzVZ3qhRANCAARKTPUL/iSo08ZhJMjdX5gQv7sh/T1p
        ftOAfI320iQC1VOWOYn+2gIPPyRtxHwW/uWoaeNf+WJlDPCxhJ4L7mI9
        -----END PRIVATE KEY-----
        """
}
