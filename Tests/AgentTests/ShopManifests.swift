// SPDX-License-Identifier: Apache-2.0

/// Documents that several tests put at the beginning of theirs.
enum ShopManifests {
    /// A Deployment with two pods, and the end of its document.
    static let web = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop}
        spec:
          replicas: 2
          template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}
        ---

        """
}
