#!/bin/sh
# Puts the pinned Node (.node-version) at .build/node/bin/node, from npm, whatever Node the machine has.
set -eu
cd "$(dirname "$0")/.."
want=$(cat .node-version)
have=$(.build/node/bin/node --version 2>/dev/null || true)
[ "$have" = "v$want" ] && exit 0
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "narrow: no pinned Node for $(uname -m); install Node $want and link it as .build/node/bin/node" >&2; exit 1 ;;
esac
rm -rf .build/node
mkdir -p .build/node
printf '{"private":true}\n' > .build/node/package.json
npm install --prefix .build/node --no-save --no-package-lock --ignore-scripts --loglevel=error "node-linux-$arch@$want" >&2
mkdir -p .build/node/bin
ln -sf "../node_modules/node-linux-$arch/bin/node" .build/node/bin/node
.build/node/bin/node --version >&2
