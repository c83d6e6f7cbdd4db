# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Kernels from Debian's packages, unpacked but not installed.

# The kernels by name: suite, the package that is taken, and the pattern of packages that stand in once Debian no longer
# serves that one. A name of its own, so that a run today and one next month boot the same kernel.
kernel_table() {
    cat <<'EOF'
5.10    bullseye        linux-image-5.10.0-32-cloud-amd64       linux-image-5\.10\.[0-9]+-[0-9]+-cloud-amd64
5.10-rt bullseye        linux-image-5.10.0-32-rt-amd64          linux-image-5\.10\.[0-9]+-[0-9]+-rt-amd64
6.1     bookworm        linux-image-6.1.0-50-cloud-amd64        linux-image-6\.1\.[0-9]+-[0-9]+-cloud-amd64
6.1-rt  bookworm        linux-image-6.1.0-50-rt-amd64           linux-image-6\.1\.[0-9]+-[0-9]+-rt-amd64
6.12    trixie          linux-image-6.12.117+deb13-cloud-amd64  linux-image-6\.12\.[0-9]+\+deb13-cloud-amd64
6.12-rt trixie          linux-image-6.12.117+deb13-rt-amd64     linux-image-6\.12\.[0-9]+\+deb13-rt-amd64
newest  trixie-backports -                                      linux-image-[0-9.]+\+deb13-cloud-amd64
newest-rt trixie-backports -                                    linux-image-[0-9.]+\+deb13-rt-amd64
EOF
}

# The archive that this machine's apt uses for Debian, or the one in KERNELS_MIRROR.
debian_mirror() {
    if [[ -n ${KERNELS_MIRROR:-} ]]; then
        echo "$KERNELS_MIRROR"
        return
    fi
    command -v apt-get >/dev/null || return 1
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(SITE)' 2>/dev/null |
        awk '$1 == "Debian" && $2 == "Debian" { print $3; found = 1; exit } END { exit !found }'
}

# apt_of SUITE PROGRAM ARGUMENTS...: apt with lists and packages of its own, so that the machine's stay as they are.
apt_of() {
    local state=$cache/apt/$1
    "$2" -o Dir::Etc::SourceList="$state/sources" -o Dir::Etc::SourceParts=- -o Dir::State="$state" \
        -o Dir::State::Lists="$state/lists" -o Dir::Cache="$state/cache" -o Acquire::Languages=none \
        -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Acquire::http::Timeout=30 -qq "${@:3}"
}

# The lists of a suite, at most a day old.
update_suite() {
    local state=$cache/apt/$1 mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    [[ -n $(find "$state/updated" -mtime -1 2>/dev/null) ]] && return
    mirror=$(debian_mirror) || { why="apt knows no archive of Debian: set KERNELS_MIRROR to one"; return 1; }
    [[ -e $keys ]] || { why="$keys is missing: install debian-archive-keyring"; return 1; }
    echo "deb [arch=amd64 signed-by=$keys] $mirror $1 main" >"$state/sources"
    apt_of "$1" apt-get update >"$cache/apt.log" 2>&1 || { why="apt-get update for $1: $(tail -n 1 "$cache/apt.log")"; return 1; }
    # apt-get update exits 0 when it could fetch nothing.
    [[ -n $(find "$state/lists" -name '*_Packages*' -size +0) ]] ||
        { why="apt-get update for $1: $(tail -n 1 "$cache/apt.log")"; return 1; }
    touch "$state/updated"
}

# The package that stands for a name in the table, in $package.
choose_package() {
    local suite=$1 pinned=$2 pattern=$3
    package=$pinned
    [[ $pinned == - ]] || ! apt_of "$suite" apt-cache show --no-all-versions "$pinned" >/dev/null 2>&1 || return 0
    package=$(apt_of "$suite" apt-cache pkgnames linux-image- | grep -Ex "$pattern" | sort -V | tail -n 1 || true)
    [[ $package ]] || { why="$suite has no package like $pattern"; return 1; }
    [[ $pinned == - ]] || echo "kernels: $suite no longer has $pinned: $package stands in" >&2
}

# The package and, where the image is in parts, those that hold the kernel and the modules.
parts_of() {
    echo "$2"
    apt_of "$1" apt-cache depends --no-recommends --no-suggests "$2" |
        sed -n -E 's/^ *Depends: (linux-(binary|modules)-[^ <>]*)$/\1/p'
}

# fetch_kernel NAME: unpacks the kernel of that name; sets $vmlinuz and $modules. On failure $why says why.
fetch_kernel() {
    local suite pinned pattern package line
    line=$(kernel_table | awk -v name="$1" '$1 == name')
    read -r _ suite pinned pattern <<<"$line"
    command -v dpkg-deb >/dev/null && command -v apt-get >/dev/null ||
        { why="without apt-get and dpkg-deb, give a kernel as VMLINUZ:MODULES"; return 1; }
    if [[ $pinned == - || ! -e $cache/unpacked/$pinned/complete ]]; then
        update_suite "$suite" && choose_package "$suite" "$pinned" "$pattern" || return 1
    else
        package=$pinned
    fi
    local tree=$cache/unpacked/$package
    [[ -e $tree/complete ]] || unpack_package "$suite" "$package" "$tree" || return 1
    modules=$(echo "$tree"/lib/modules/*)
    # Newer packages have the kernel beside its modules.
    vmlinuz=$modules/vmlinuz
    [[ -e $vmlinuz ]] || vmlinuz=$(echo "$tree"/boot/vmlinuz-*)
    [[ -e $vmlinuz && -d $modules ]] || { why="$package has no kernel or no modules"; return 1; }
}

unpack_package() {
    local file parts=() downloads=$cache/downloads
    mapfile -t parts < <(parts_of "$1" "$2")
    rm -rf "$3" "$downloads" && mkdir -p "$3" "$downloads"
    (cd "$downloads" && apt_of "$1" apt-get download "${parts[@]}") >"$cache/apt.log" 2>&1 ||
        { why="downloading ${parts[*]}: $(tail -n 1 "$cache/apt.log")"; return 1; }
    for file in "$downloads"/*.deb; do
        dpkg-deb --fsys-tarfile "$file" | tar -x -C "$3" --keep-directory-symlink
    done
    rm -rf "$downloads"
    # Where /usr is merged into packages as well.
    [[ -d $3/lib/modules || ! -d $3/usr/lib/modules ]] || ln -s usr/lib "$3/lib"
    touch "$3/complete"
}
