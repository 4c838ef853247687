# What nixpkgs' stdenv does with a derivation, as far as nix/package.nix wants it.
export PATH=/usr/bin:/bin
for input in $nativeBuildInputs; do PATH=$input/bin:$PATH; done
export TMPDIR=$NIX_BUILD_TOP HOME=/homeless-shelter
runHook() { :; }

# makeWrapper PROGRAM WRAPPER [--add-flags WORDS | --suffix VARIABLE SEPARATOR VALUE]…
makeWrapper() {
  local program=$1 wrapper=$2 flags=
  mkdir -p "$(dirname "$wrapper")"
  shift 2
  {
    echo '#!/bin/sh'
    while [ $# -gt 0 ]; do
      case $1 in
        --add-flags) flags="$flags $2"; shift 2 ;;
        --suffix) echo "export $2=\"\${$2:+\$$2$3}$4\""; shift 4 ;;
        *) echo "makeWrapper: $1 is not known here" >&2; return 1 ;;
      esac
    done
    echo "exec $program$flags \"\$@\""
  } > "$wrapper"
  chmod +x "$wrapper"
}

if [ -n "$buildCommand" ]; then
  eval "$buildCommand"
  exit
fi
cp -rT "$src" source
chmod -R u+w source
cd source
eval "$configurePhase"
eval "$buildPhase"
eval "$installPhase"
[ -z "$doInstallCheck" ] || eval "$installCheckPhase"
