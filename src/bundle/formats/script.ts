// The shell script in front of a bundle that applies itself, for machines that have a Nix and no narrow. It is for any POSIX
// shell, and needs tail, head, wc, sed, tr, df, mktemp and tar. Signatures are in the cache behind it: nix copy takes them.

import { collect } from '../../bytes/source.ts';
import { printStorePath } from '../../model/store-path.ts';
import type { StoreDir, StorePath } from '../../model/store-path.ts';
import type { CarriedBytes } from '../../store/bundle/carried-bytes.ts';
import { archiveLine, archiveOffset } from '../../store/bundle/carried-kind.ts';
import type { CarryPlan } from './carry.ts';

export interface ScriptRequest extends Pick<CarryPlan, 'infos' | 'needs'> {
  readonly storeDir: StoreDir;
  readonly roots: readonly StorePath[];
  readonly by: string;
}

/** Bytes of what {@link trailerFor} makes. */
const trailerSize = 74;

/** The SHA-256 of the archive, behind it. */
export function trailerFor(digest: Buffer): Buffer {
  return Buffer.from(`# sha256 ${digest.toString('hex')}\n`);
}

/** Where the archive of a file that applies itself lies, and what its SHA-256 has to be; undefined when it was cut. */
export async function scriptPayload(
  bytes: CarriedBytes,
): Promise<{ readonly offset: number; readonly length: number; readonly digest: Buffer } | undefined> {
  const offset = archiveOffset(bytes.head)!;
  const end = bytes.size - trailerSize;
  if (end < offset) return undefined;
  const trailer = (await collect(bytes.range(end, trailerSize))).toString('latin1');
  const digest = /^# sha256 ([0-9a-f]{64})\n$/.exec(trailer)?.[1];
  return digest === undefined ? undefined : { offset, length: end - offset, digest: Buffer.from(digest, 'hex') };
}

/** The script; the archive comes right behind it. */
export function scriptFor(request: ScriptRequest): Buffer {
  const { length } = textFor(request, 0);
  return Buffer.from(textFor(request, length), 'latin1');
}

/** Room for the number of bytes in front of the archive. */
const archiveDigits = 12;

/** In one-byte characters; as long whatever `offset` is. Names of store paths mean nothing to a shell in quotes. */
function textFor({ storeDir, roots, by, infos, needs }: ScriptRequest, offset: number): string {
  const lines = (paths: Iterable<StorePath>): string =>
    [...paths].map((path) => `${printStorePath(storeDir, path)}\n`).join('');
  return `#!/bin/sh
# Store paths, and what adds them to the Nix store of a machine; written by ${by}. See --help.
${archiveLine(offset)}
# The rest is a static cache in a tar archive, and the SHA-256 of that.
archive=${String(offset).padEnd(archiveDigits)}
trailer=${trailerSize}
roots() { cat <<'END'
${lines(roots)}END
}
list() { cat <<'END'
${lines(infos.keys())}END
}
needs() { cat <<'END'
${lines(needs)}END
}
${script}`;
}

const script = `set -eu
usage() {
  cat <<END
Usage: $0 [OPTION]...
Adds the store paths in this file to the store of this machine, with the Nix that is on it.

  --list               print the store paths in this file, and stop
  --check              find out whether this file is whole, and stop
  --extract DIR        unpack the static cache in this file to DIR, and stop
  --no-check-sigs      vouch for the paths; only users whom Nix trusts can
  --out-link LINK      make LINK to the path, which keeps it from being collected
  --profile PROFILE    make the path the next generation of PROFILE
  --help               print this

Without --no-check-sigs each path has to be signed by a key in trusted-public-keys.
The cache is unpacked in \\$TMPDIR (or /tmp) for as long as it takes. NIX_REMOTE names another store.
END
}

fail() { echo "$0: $1" >&2; exit "\${2:-1}"; }

action=apply dir= signatures= link= profile=
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --list | --check) action=\${1#--} ;;
    --no-check-sigs) signatures=--no-check-sigs ;;
    --extract | --out-link | --profile)
      [ $# -gt 1 ] || fail "$1 needs a value" 2
      case $1 in
        --extract) action=extract dir=$2 ;;
        --out-link) link=$2 ;;
        --profile) profile=$2 ;;
      esac
      shift ;;
    *) usage >&2; fail "unknown argument '$1'" 2 ;;
  esac
  shift
done
if [ "$action" = list ]; then list; exit 0; fi
if [ -n "$link$profile" ] && [ "$(roots | wc -l)" -ne 1 ]; then
  fail "--out-link and --profile are for one path, this file is for $(roots | wc -l)" 2
fi

length=$(($(wc -c < "$0") - archive - trailer))
expected=$(tail -c "$trailer" "$0" | LC_ALL=C tr -d '\\000' | LC_ALL=C sed -n 's/^# sha256 \\([0-9a-f]\\{64\\}\\)$/\\1/p')
if [ "$length" -lt 0 ] || [ -z "$expected" ]; then
  fail "this file was cut, or something was added behind it: copy it again"
fi
payload() { tail -c "+$((archive + 1))" "$0" | head -c "$length"; }

# Nix checks every path again: this is to know it before anything is written
digest=
for program in sha256sum 'shasum -a 256'; do
  command -v "\${program%% *}" > /dev/null || continue
  digest=$(payload | $program | cut -c 1-64)
  break
done
if [ -z "$digest" ]; then echo "$0: no sha256sum here: only Nix checks what comes" >&2
elif [ "$digest" != "$expected" ]; then fail "this file is damaged: copy it again (expected sha256 $expected, got $digest)"
fi
if [ "$action" = check ]; then echo "$0 is whole" >&2; exit 0; fi

unpack() {
  set -- "$1" $(df -Pk "$1" | tail -n 1)
  if [ "$(((length + 1023) / 1024))" -gt "$5" ]; then
    fail "$(((length + 1023) / 1024)) KiB are needed in $1, and $5 are free: set TMPDIR to a place that has them"
  fi
  payload | tar -x -f - -C "$1"
}
if [ "$action" = extract ]; then
  mkdir -p "$dir"
  unpack "$dir"
  echo "unpacked; to add it: nix copy --from file://DIR $(roots | tr '\\n' ' ')" >&2
  exit 0
fi

command -v nix > /dev/null || fail "there is no nix on the PATH; --extract DIR unpacks the cache"
missing=$(needs | while read -r path; do nix-store --check-validity "$path" 2> /dev/null || echo "  $path"; done)
[ -z "$missing" ] || fail "nothing was added, since these paths are not here, and others need them:
$missing"

dir=$(mktemp -d "\${TMPDIR:-/tmp}/narrow.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
unpack "$dir"

# what Nix remembers of caches is not to outlive this one
XDG_CACHE_HOME=$dir/remembered
NIX_CONFIG="\${NIX_CONFIG:-}
extra-experimental-features = nix-command"
export XDG_CACHE_HOME NIX_CONFIG
if [ -z "$(needs)" ]; then
  # all at once, so that nothing is collected before the last path is there
  nix copy --from "file://$dir" $signatures $(roots)
else
  list | xargs nix copy --no-recursive --from "file://$dir" $signatures
fi
if [ -n "$link" ]; then nix-store --realise "$(roots)" --add-root "$link" --indirect > /dev/null; fi
if [ -n "$profile" ]; then nix-env --profile "$profile" --set "$(roots)"; fi
roots
# what follows is no script
exit 0
`;
