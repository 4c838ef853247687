#!/bin/sh
# narrow, run by the Node pinned in .node-version when the checkout has it, else by the machine's own.
here=$(dirname "$(readlink -f "$0")")
node=$here/.build/node/bin/node
[ -x "$node" ] || node=node
exec "$node" --disable-warning=ExperimentalWarning "$here/bin.js" "$@"
