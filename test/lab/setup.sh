#!/bin/sh
# Installs what the tests talk to, on Debian as root: Debian's own Nix (2.8), sshd, nginx and small tools from the machine's
# apt, and newer Debian suites' Nix and OpenStack Swift (which speaks S3) with all their libraries, unpacked beside it into
# .build/lab (nothing of these is installed). Fast when all is there. The mirror is the one that apt is set up with.
set -eu
cd "$(dirname "$0")/../.."
lab=$PWD/.build/lab
mkdir -p "$lab/log"

tools='brotli bzip2 fish git gzip iproute2 jq lzip nginx nix-bin openssh-client openssh-server openssl patchelf procps sqlite3 strace
  tcsh util-linux xz-utils zstd'

say() { echo "lab: $*" >&2; }

# run LOG CMD…: quiet unless it fails
run() {
  log=$1
  shift
  "$@" > "$log" 2>&1 || { tail -n 20 "$log" >&2; say "failed: $*"; return 1; }
}

install_tools() {
  missing=
  for p in $tools; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null)" = installed ] || missing="$missing $p"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then say "missing, and only root can install them:$missing"; return 1; fi
  say "installing$missing"
  # no service is to start: tests start their own
  policy=/usr/sbin/policy-rc.d
  if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
  fi
  run "$lab/log/apt-update.log" apt-get -q update
  # shellcheck disable=SC2086
  run "$lab/log/apt-install.log" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -y -oDPkg::Lock::Timeout=120 --no-install-recommends install $missing
}

# in_suite DIR apt-get ARGS…: apt with one suite alone, its own lists, and nothing installed
in_suite() {
  d=$1
  shift
  tool=$1
  shift
  "$tool" -q -oDir::Etc::SourceList=/dev/null -oDir::Etc::SourceParts="$d/parts" -oDir::State::Lists="$d/lists" \
    -oDir::State::status="$d/status" -oDir::Cache="$d/cache" -oAPT::Sandbox::User=root "$@"
}

# The mirror of the machine's main Debian suite, whichever way its sources are written down.
mirror() {
  apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian|//p' | head -n 1
}

# unpack SUITE PACKAGE DIR: that suite's package and all it needs in DIR/root
unpack() {
  suite=$1 package=$2 to=$3
  apt=$lab/apt-$suite
  rm -rf "$apt" "$to.part"
  mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$to.part/root" "$to.part/bin"
  : > "$apt/status"
  uri=$(mirror)
  if [ -z "$uri" ]; then run "$lab/log/apt-update.log" apt-get -q update && uri=$(mirror); fi
  if [ -z "$uri" ]; then say "apt names no mirror of Debian"; return 1; fi
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  {
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
    if [ -e "$keyring" ]; then echo "Signed-By: $keyring"; fi
  } > "$apt/parts/lab.sources"
  run "$lab/log/$suite-update.log" in_suite "$apt" apt-get -oAPT::Update::Error-Mode=any update || return 1
  run "$lab/log/$suite-download.log" in_suite "$apt" apt-get --no-install-recommends -d -y install "$package" || return 1
  for deb in "$apt"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --no-same-permissions --keep-directory-symlink \
      --exclude './usr/share/*' --exclude '*/perl*' -C "$to.part/root" -f - || return 1
  done
  rm -rf "$apt"
}

# unpack_nix SUITE DIR: that suite's Nix in DIR/root, its programs in DIR/bin
unpack_nix() {
  to=$2
  unpack "$1" nix-bin "$to" || return 1
  own_libraries "$to.part" "$to" || return 1
  rm -rf "$to"
  mv "$to.part" "$to"
}

# Its programs find that suite's loader and libraries by themselves; what they start (ssh, sh) uses the machine's.
own_libraries() {
  loader=$(cd "$1/root" && find * -name 'ld-linux-*.so.?' | sort | tail -n 1)
  libs=$(cd "$1/root" && find * -name 'libc.so.6' | sort | tail -n 1)
  if [ -z "$loader" ] || [ -z "$libs" ]; then say "no loader in $1"; return 1; fi
  # DT_RPATH and not RUNPATH: it holds for the libraries' libraries too
  patchelf --set-interpreter "$2/root/$loader" --force-rpath --set-rpath "$2/root/$(dirname "$libs")" \
    --output "$1/bin/nix" "$1/root/usr/bin/nix" || return 1
  for p in build channel collect-garbage copy-closure daemon env hash instantiate shell store; do
    ln -s nix "$1/bin/nix-$p"
  done
}

newer() { # SUITE NAME
  if [ -x "$lab/$2/bin/nix" ] && "$lab/$2/bin/nix" --version > /dev/null 2>&1; then return 0; fi
  say "unpacking the Nix of Debian $1"
  unpack_nix "$1" "$lab/$2"
}

# Swift as a library, and the Python that it is for: s3-swift.py starts it.
swift() { # SUITE
  python=$lab/swift/bin/python
  if "$python" -c 'import swift' > /dev/null 2>&1; then return 0; fi
  say "unpacking OpenStack Swift of Debian $1"
  to=$lab/swift
  unpack "$1" python3-swift "$to" || return 1
  rm -rf "$to"
  mv "$to.part" "$to"
  loader=$(find "$to/root" -name 'ld-linux-*.so.?' | sort | tail -n 1)
  libs=$(dirname "$(find "$to/root" -name libc.so.6 | sort | tail -n 1)")
  printf '#!/bin/sh\nPYTHONHOME=%s exec %s --library-path %s %s "$@"\n' \
    "$to/root/usr" "$loader" "$libs" "$to/root/usr/bin/python3" > "$python"
  chmod 755 "$python"
}

install_tools
mkdir -p /nix # a place to mount at, for tests in mount namespaces of their own
newer trixie nix-2.26
swift trixie
if ! newer sid nix-current; then
  say "*** the current Nix (Debian sid) was NOT FOUND: tests run with 2.8 and 2.26 only ***"
fi
