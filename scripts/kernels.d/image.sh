# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The guest's root file system: two cpio archives, one of programs (the same for all kernels) and one of modules.

# Patterns of module paths under kernel/, without the ending. What they depend on comes along.
module_patterns=(
    'net/(netfilter|ipv4|ipv6|bridge|sctp|8021q|802|llc)/.*'
    'drivers/net/(veth|dummy|macvlan|vrf|vxlan|geneve|ipvlan/.*|vxlan/.*)'
    # The kernel looks for checksums and keyed hashes by name, not by symbol.
    '(crypto|arch/x86/crypto|lib/crypto|arch/x86/lib/crypto)/(libcrc32c|crc32c.*|hmac|sha1.*|sha256.*|libsha.*|md5)'
    'lib/(libcrc32c|crc.*)'
    'net/9p/.*' 'fs/9p/.*'
)

# pack DIRECTORY FILE
pack() {
    (cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --owner=0:0 --quiet) >"$2.new"
    mv "$2.new" "$2"
}

# module_image VMLINUZ MODULES: sets $module_archive.
module_image() {
    local source=$2 version root pattern
    version=$(basename "$source")
    module_archive=$cache/modules-$version.cpio
    [[ $module_archive -nt $BASH_SOURCE && $module_archive -nt $1 ]] && return
    root=$cache/modules.tree
    rm -rf "$root" && mkdir -p "$root/lib/modules/$version"
    # Packages come without modules.dep.
    ln -s "$(realpath "$source")" "$root/source" && mkdir -p "$root/index/lib/modules"
    cp -rs "$(realpath "$source")" "$root/index/lib/modules/$version"
    depmod -b "$root/index" "$version" 2>/dev/null || { why="depmod fails for $source"; return 1; }
    pattern=$(IFS='|' && echo "${module_patterns[*]}")
    # A line is a module and all that it depends on.
    grep -E "^kernel/($pattern)\.ko[^:]*:" "$root/index/lib/modules/$version/modules.dep" | tr -d : | tr ' ' '\n' |
        grep . | sort -u >"$root/list"
    [[ -s $root/list ]] || { why="$source has none of the modules"; return 1; }
    tar -c -h -C "$source" -T "$root/list" | tar -x -C "$root/lib/modules/$version"
    cp "$source"/modules.{builtin,order}* "$root/lib/modules/$version/" 2>/dev/null || true
    rm -rf "$root/index" "$root/source" "$root/list"
    # busybox cannot load all formats.
    find "$root" -name '*.xz' -exec unxz {} +
    find "$root" -name '*.zst' -exec unzstd -q --rm {} +
    find "$root" -name '*.gz' -exec gunzip {} +
    depmod -b "$root" "$version" 2>/dev/null
    pack "$root" "$module_archive"
    rm -rf "$root"
}

# Programs of this machine that the guest runs.
# busybox's own shell would run busybox's ip and nsenter.
guest_programs=(bash ip nft nsenter unshare conntrack curl setpriv)
# Those that only tests need.
test_programs=(iptables-restore ip6tables-restore)
# Programs of this build, by tier.
build_programs() {
    case $1 in
    load) echo load-facts bulkheadd bulkheadctl packet-probe ;;
    *) echo load-facts bulkheadd bulkheadctl packet-probe step-writer bulkhead-cni bulkheadPackageTests.xctest ;;
    esac
}

# program_image TIER: sets $program_archive.
program_image() {
    local root=$cache/programs.tree program path library state programs=("${guest_programs[@]}")
    program_archive=$cache/programs-$1.cpio
    state=$(cd "$bin" && stat -c '%n %s %Y' $(build_programs "$1") "$here"/kernels.d/image.sh "$here"/kernels.d/guest/*)
    [[ -e $program_archive && $(cat "$program_archive.state" 2>/dev/null) == "$state" ]] && return
    rm -rf "$root" && mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,lib,lib64,proc,sys,dev,run,tmp,root,etc,bulkhead}
    cp -L "$(command -v busybox)" "$root/bin/busybox"
    for program in $(busybox --list); do ln -s busybox "$root/bin/$program"; done 2>/dev/null
    [[ $1 == load ]] || programs+=("${test_programs[@]}")
    for program in "${programs[@]}"; do
        path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$program") || { why="$program is not installed"; return 1; }
        rm -f "$root/bin/$program" && cp -L "$path" "$root/bin/$program"
    done
    ln -sf bash "$root/bin/sh"
    # The kernel itself runs this one, to load modules that it finds missing.
    ln -s ../bin/busybox "$root/sbin/modprobe"
    # iptables opens these by name.
    path=$(dirname "$(find /usr/lib -name libxt_tcp.so | head -n 1)")
    [[ $1 == load || ! -d $path ]] || { mkdir -p "$root$path" && cp -L "$path"/*.so "$root$path/"; }
    for program in $(build_programs "$1"); do strip -o "$root/bulkhead/$program" "$bin/$program"; done
    for path in "$root"/bin/* "$root"/bulkhead/*; do
        [[ -L $path ]] || ldd "$path" 2>/dev/null | grep -oE '/[^ :]+' || true
    done | sort -u | while read -r library; do
        [[ $library == "$root"* ]] && continue
        mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"
    done
    cp "$here"/kernels.d/guest/* "$root/bulkhead/"
    mv "$root/bulkhead/init" "$root/init" && chmod +x "$root/init"
    pack "$root" "$program_archive"
    rm -rf "$root"
    echo "$state" >"$program_archive.state"
}
