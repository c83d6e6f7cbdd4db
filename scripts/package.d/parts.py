#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Says what is linked into the programs: for the packages' copyright file and for the image's SBOM.

usage: parts.py copyright|notices RELEASE CHECKOUTS
       parts.py spdx RELEASE CHECKOUTS VERSION COMMIT EPOCH ARCH [ROOT]

RELEASE is the folder of the build, CHECKOUTS that of the Swift packages; Package.resolved names their versions. ROOT is
the image's file system, whose Debian packages have their status in var/lib/dpkg/status.d.
"""
import datetime
import json
import pathlib
import re
import subprocess
import sys

PROGRAMS = ["bulkheadd", "bulkheadctl", "bulkhead-http", "bulkhead-cni"]
REPOSITORY = "https://bulkhead.dev"
SWIFT_LICENSE = "Apache-2.0 WITH Swift-exception"


def license_of(folder):
    text = "".join(path.read_text(errors="replace") for path in sorted(folder.glob("LICENSE*")))
    if "Apache License" in text:
        return SWIFT_LICENSE if "Runtime Library Exception" in text else "Apache-2.0"
    if "MIT License" in text or "Permission is hereby granted, free of charge" in text:
        return "MIT"
    sys.exit(f"parts.py: the license of {folder.name} is unknown: name it here")


def declares(folder, target):
    """Whether a Swift package has a target of this name, or of the folder that it builds from."""
    manifests = "".join(path.read_text() for path in folder.glob("Package*.swift"))
    declaration = rf'\.(?:target|systemLibrary)\(\s*name:\s*"{re.escape(target)}"'
    return re.search(declaration, manifests) is not None or (folder / "Sources" / target).is_dir()


def linked(release, checkouts):
    """The Swift packages with an object in one of the programs, as (pin, folder, license)."""
    targets = set()
    for program in PROGRAMS:
        lists = (release / f"{program}.product" / "Objects.LinkFileList").read_text()
        targets |= set(re.findall(r"/([^/]+)\.build/", lists))
    pins = json.loads(pathlib.Path("Package.resolved").read_text())["pins"]
    own = {path.name.replace("-", "_") for path in pathlib.Path("Sources").iterdir()} | {"BulkheadABI"}
    found = []
    unknown = targets - own
    for pin in sorted(pins, key=lambda pin: pin["identity"]):
        name = pin["location"].removesuffix(".git").rsplit("/", 1)[1]
        folder = checkouts / name
        here = {name for name in targets if declares(folder, name)}
        if here - own:
            found.append((pin, folder, license_of(folder)))
            unknown -= here
    if unknown:
        sys.exit(f"parts.py: no Swift package has these linked targets: {', '.join(sorted(unknown))}")
    return found


def swift_version():
    text = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True).stdout
    return re.search(r"Swift version (\S+)", text).group(1)


def copyright(release, checkouts):
    found = linked(release, checkouts)
    comment = ["Comment: The programs contain these Swift packages and the Swift runtime."]
    for pin, _, license in found:
        comment.append(f" {pin['identity']} {pin['state']['version']} ({license}), {pin['location']}")
    comment.append(f" swift {swift_version()} ({SWIFT_LICENSE}), https://www.swift.org")
    comment.append(" Their notices, and the texts of licenses other than Apache-2.0, are in NOTICE.gz.")
    head, rest = pathlib.Path("deploy/debian/copyright").read_text().rstrip("\n").split("\n\n", 1)
    print("\n".join([head] + comment) + "\n\n" + rest)


def notices(release, checkouts):
    for pin, folder, license in linked(release, checkouts):
        files = sorted(folder.glob("NOTICE*"))
        if license == "MIT":
            files = sorted(folder.glob("LICENSE*"))
        for path in files:
            print(f"== {pin['identity']} {pin['state']['version']}\n\n{path.read_text().strip()}\n")


class Document:
    def __init__(self, version, commit, epoch, arch):
        created = datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc)
        name = f"bulkhead-{version}-{arch}"
        self.texts = []
        self.packages = []
        self.relations = []
        self.value = {
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
            "documentNamespace": f"{REPOSITORY}/sbom/{name}-{commit}",
            "creationInfo": {
                "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "creators": ["Organization: Bulkhead", "Tool: scripts/package"],
            },
            "packages": self.packages, "relationships": self.relations,
            "hasExtractedLicensingInfos": self.texts,
        }

    def add(self, identifier, name, version, license, location, purl=None, relation=None):
        package = {
            "SPDXID": f"SPDXRef-{identifier}", "name": name, "versionInfo": version, "downloadLocation": location,
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": license,
            "copyrightText": "NOASSERTION",
        }
        if purl:
            package["externalRefs"] = [
                {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
            ]
        self.packages.append(package)
        if relation:
            self.relations.append(
                {"spdxElementId": relation[0], "relationshipType": relation[1], "relatedSpdxElement": package["SPDXID"]}
            )


def spdx(release, checkouts, version, commit, epoch, arch, root=None):
    document = Document(version, commit, epoch, arch)
    document.add(
        "bulkhead", "bulkhead", version, "Apache-2.0", "NOASSERTION", f"pkg:generic/bulkhead@{version}",
        ("SPDXRef-DOCUMENT", "DESCRIBES"),
    )
    inside = ("SPDXRef-bulkhead", "CONTAINS")
    for pin, _, license in linked(release, checkouts):
        path = pin["location"].removesuffix(".git").removeprefix("https://")
        tag = pin["state"]["version"]
        document.add(
            f"swift-{pin['identity']}", pin["identity"], tag, license,
            f"git+{pin['location']}@{pin['state']['revision']}", f"pkg:swift/{path}@{tag}", inside,
        )
    document.add(
        "swift-runtime", "swift", swift_version(), SWIFT_LICENSE, "https://www.swift.org", None, inside
    )
    for status in sorted(pathlib.Path(root).glob("var/lib/dpkg/status.d/*")) if root else []:
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", status.read_text(), re.M))
        name, tag = fields["Package"], fields["Version"]
        path = pathlib.Path(root) / "usr/share/doc" / name / "copyright"
        identifier = re.sub(r"[^A-Za-z0-9.-]", "-", name)
        document.texts.append({
            "licenseId": f"LicenseRef-Debian-{identifier}", "name": f"The copyright file of Debian's package {name}",
            "extractedText": path.read_text(errors="replace"),
        })
        document.add(
            f"deb-{identifier}", name, tag, f"LicenseRef-Debian-{identifier}", "NOASSERTION",
            f"pkg:deb/debian/{name}@{tag.replace('+', '%2B').replace(':', '%3A')}?arch={fields['Architecture']}", inside,
        )
    json.dump(document.value, sys.stdout, indent=1)
    print()


def main():
    kind, release, checkouts = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    {"copyright": copyright, "notices": notices, "spdx": spdx}[kind](release, checkouts, *sys.argv[4:])


main()
