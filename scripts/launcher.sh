#!/bin/sh
# narrow, run by the Node pinned in .node-version when the checkout has it, else by the machine's own. No other program is
# started, unless a link was called: each would cost a millisecond or two.
case $0 in
  */*) here=${0%/*} ;;
  *) here=. ;;
esac
[ -L "$0" ] && here=$(dirname "$(readlink -f "$0")")
node=$here/.build/node/bin/node
[ -x "$node" ] || node=node
exec "$node" --disable-warning=ExperimentalWarning "$here/bin.js" "$@"
