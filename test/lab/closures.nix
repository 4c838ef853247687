# Small closures with everything in them that copies get wrong, made of a few programs of this machine; see closures.ts.
#   rebuild: an attribute of libc's derivation that no file shows: every path above gets another hash, and nothing else
#   update:  some packages in another version
#   libc6, ld, tinfo: the machine's libraries, no links; loader: the name that programs know ld by
{ rebuild ? "1", update ? false, libc6, ld, tinfo, loader }:
let
  inherit (builtins) genList toFile path;
  system = builtins.currentSystem;

  # One script of the machine's sh. It ends with `exit 0`: Nix 2.8 kills a builder that closes its output before it exits.
  run = name: env: script: derivation (env // {
    inherit name system;
    builder = "/bin/sh";
    args = [ "-euc" ("export PATH=/usr/bin:/bin LC_ALL=C; umask 022\n" + script + "\nexit 0") ];
  });
  # A program of this machine as a source
  elf = name: file: path { inherit name; path = file; };

  # Copies programs and gives them our libc's loader and a RUNPATH, as real packages have
  adopt = ''
    adopt() {
      install -m 755 "$1" "$2"
      patchelf --set-interpreter "$libc/lib/${loader}" --set-rpath "$3" "$2"
    }
  '';

  libc = run "libc-2.36" {
    inherit rebuild;
    so = elf "libc.so.6" libc6;
    ld = elf "ld.so" ld;
  } ''
    mkdir -p "$out/lib" "$out/etc" "$out/var/empty"
    cp "$so" "$out/lib/libc.so.6"
    cp "$ld" "$out/lib/${loader}"
    chmod 755 "$out/lib/"*
    printf '/* GNU ld script */\nGROUP ( %s/lib/libc.so.6 AS_NEEDED ( %s/lib/${loader} ) )\n' "$out" "$out" > "$out/lib/libc.so"
  '';

  ncurses = run "ncurses-6.4" { inherit libc; so = elf "libtinfo.so.6" tinfo; } ''
    mkdir -p "$out/lib"
    install -m 755 "$so" "$out/lib/libtinfo.so.6.4"
    patchelf --set-rpath "$libc/lib" "$out/lib/libtinfo.so.6.4"
    ln -s libtinfo.so.6.4 "$out/lib/libtinfo.so.6"
  '';

  bash = run "bash-5.2" { inherit libc ncurses; elf = elf "bash" /bin/bash; } ''
    ${adopt}
    mkdir -p "$out/bin" "$out/share/doc/bash"
    adopt "$elf" "$out/bin/bash" "$libc/lib:$ncurses/lib"
    ln -s bash "$out/bin/sh"
    printf 'bash of %s\n' "$out" > "$out/share/doc/bash/README"
  '';

  coreutils = run "coreutils-9.1" { inherit libc; elfs = map (n: elf n (/usr/bin + "/${n}")) [ "cat" "echo" "env" "mkdir" "readlink" ]; } ''
    ${adopt}
    mkdir -p "$out/bin"
    for f in $elfs; do adopt "$f" "$out/bin/''${f##*-}" "$libc/lib"; done
  '';

  # Several versions of one package: real machine code in which some bytes moved
  hello = version: run "hello-${version}" { inherit libc version; elf = elf "readlink" /usr/bin/readlink; } ''
    mkdir -p "$out/bin" "$out/share"
    { head -c 20000 "$elf"; printf 'hello %s in %s, linked with %s/lib\n' "$version" "$out" "$libc"; tail -c +20001 "$elf"; } > "$out/bin/hello"
    chmod 755 "$out/bin/hello"
    printf 'hello %s\n' "$version" > "$out/share/VERSION"
  '';
  hellos = map hello (if update then [ "1.0" "1.2" "2.1" ] else [ "1.0" "1.1" "2.0" ]);

  # The same name again and again, as with perl-env, python3-env or source
  perlEnv = i: run "perl-env" { inherit bash; pkgs = [ coreutils ] ++ genList (builtins.elemAt hellos) i; nr = toString i; } ''
    mkdir -p "$out/bin"
    ln -s "$bash/bin/bash" "$out/bin/perl"
    for p in $pkgs; do for f in "$p"/bin/*; do ln -sfn "$f" "$out/bin/"; done; done
    echo "environment $nr" > "$out/nr"
  '';

  # Names, links and shapes of files that a copy may stumble over
  odd = run "odd-names-1" { inherit bash coreutils; } ''
    mkdir -p "$out/empty/dir" "$out/deep/a/b/c/d/e/f/g/h" "$out/share/''${bash##*/}"
    cd "$out"
    : > empty-file
    printf 'latin-1\n' > "$(printf 'caf\351')"
    printf 'no utf-8\n' > "$(printf 'a\377\376b')"
    printf 'above the surrogates\n' > "$(printf 'z\360\220\200\200')"
    printf 'last of the plane\n' > "$(printf 'z\357\277\277')"
    printf 'new line\n' > "$(printf 'new\nline')"
    printf 'upper\n' > CASE
    printf 'lower\n' > case
    printf 'literal\n' > 'case~nix~case~hack~1'
    printf 'spaces\n' > ' two  words '
    printf 'dash\n' > --help
    printf 'long\n' > "$(printf '%0255d' 0)"
    printf '#!%s/bin/sh\n' "$bash" > program
    chmod 755 program
    ln program hard-link
    ln -s nowhere dangling
    ln -s "$out/program" link-self
    ln -s "$coreutils/bin/cat" link-out
    ln -s ../../../../etc/passwd link-up
    ln -s "$(printf 'caf\351')" link-latin
    # a reference whose hash crosses 64 KiB, in a file of mostly zeros that ends in a hole
    { head -c 65520 /dev/zero; printf '%s' "$bash"; } > across-64k
    truncate -s 1M across-64k
    printf '%s\n' "$bash/bin/bash" > deep/a/b/c/d/e/f/g/h/reference
  '';

  multi = derivation {
    name = "multi-1.0";
    inherit system libc;
    outputs = [ "out" "dev" "doc" ];
    builder = "/bin/sh";
    args = [ "-euc" ''
      export PATH=/usr/bin:/bin
      mkdir -p "$out/lib" "$dev/lib/pkgconfig" "$doc/share/doc"
      printf '\177ELF not really, RUNPATH %s/lib\n' "$libc" > "$out/lib/libmulti.so.1"
      printf 'libdir=%s/lib\nincludedir=%s/include\n' "$out" "$dev" > "$dev/lib/pkgconfig/multi.pc"
      echo 'read me' > "$doc/share/doc/README"
      exit 0
    '' ];
  };

  greet = run "greet-1.0" { inherit bash coreutils; hello = builtins.head hellos; } ''
    mkdir -p "$out/bin"
    printf '#!%s/bin/bash -e\nPATH=%s/bin\necho "hello from $BASH"\ncat %s/share/VERSION\n' "$bash" "$coreutils" "$hello" > "$out/bin/greet"
    chmod 755 "$out/bin/greet"
  '';

  # Paths of a few bytes each, as systems have by the hundred; texts are content-addressed and may refer to each other
  defaults = toFile "defaults.conf" "workers = 1\n";
  unit = i: run "unit-service-${toString i}" { inherit greet; conf = toFile "service-${toString i}.conf" "include ${defaults}\nworkers = ${toString i}\n"; } ''
    mkdir "$out"
    printf '[Service]\nExecStart=%s/bin/greet --config %s\n' "$greet" "$conf" > "$out/service-${toString i}.service"
  '';
  units = genList unit 5;

  initrd = run "initrd" { inherit bash; } ''
    mkdir "$out"
    { printf '#!%s/bin/bash\n' "$bash"; cat "$bash/bin/bash"; } | zstd -q -T1 > "$out/initrd"
  '';

  firmware = fixed "firmware.bin" "flat" "sha256" "0s1alvf1m56mvpy775cq6zwdr38n4dqgjqh6vxs78yp23vs2770p" ''printf 'firmware\n' > "$out"'';

  fixed = name: outputHashMode: outputHashAlgo: outputHash: run name { inherit outputHashMode outputHashAlgo outputHash; };

  etc = run "etc" { inherit units bash firmware; } ''
    mkdir -p "$out/systemd"
    for u in $units; do ln -s "$u"/*.service "$out/systemd/"; done
    ln -s "$firmware" "$out/firmware"
    printf 'root:x:0:0::/root:%s/bin/bash\n' "$bash" > "$out/passwd"
  '';

  top = run "nixos-system-lab-26.05" {
    inherit bash coreutils etc initrd greet odd hellos;
    envs = genList perlEnv 3;
    multi = multi.dev;
  } ''
    mkdir -p "$out/bin" "$out/sw/bin" "$out/sw/share"
    ln -s "$etc" "$out/etc"
    ln -s "$initrd/initrd" "$out/initrd"
    for p in $bash $coreutils $greet $envs; do for f in "$p"/bin/*; do ln -sfn "$f" "$out/sw/bin/"; done; done
    for p in $odd $hellos $multi $envs; do ln -s "$p" "$out/sw/share/"; done 2> /dev/null || true
    n=0
    for p in $envs $hellos; do n=$((n + 1)); ln -s "$p" "$out/sw/share/$n"; done
    printf '#!%s/bin/bash\n# switch|boot|test: says what it was asked to do\nPATH=%s/bin\nmkdir -p "''${LAB_SWITCH_STATE:-/run/lab}"\necho "$1 %s" >> "''${LAB_SWITCH_STATE:-/run/lab}/log"\n' \
      "$bash" "$coreutils" "$out" > "$out/bin/switch-to-configuration"
    chmod 755 "$out/bin/switch-to-configuration"
    printf 26.05.lab > "$out/nixos-version"
    printf ${system} > "$out/system"
  '';

  # Content-addressed paths of every kind
  floating = name: env: run name (env // { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; });
  ca = rec {
    flat = fixed "flat-1" "flat" "sha256" "0s1alvf1m56mvpy775cq6zwdr38n4dqgjqh6vxs78yp23vs2770p" ''printf 'firmware\n' > "$out"'';
    text = toFile "text-1" "refers to ${tree}\n";
    self0 = run "input-addressed-1" { } ''printf 'refers to itself, %s\n' "$out" > "$out"'';
    self = floating "self-1" { inherit self0; } ''mkdir "$out"; printf 'I am %s, made from %s\n' "$out" "$self0" > "$out/self"; ln -s "$out/self" "$out/link"'';
    leaf = floating "leaf-1" { } ''printf 'no references\n' > "$out"'';
    # two outputs, one of which refers to the other, and to another derivation's realisation
    outs = derivation {
      name = "outs-1";
      inherit system self leaf;
      __contentAddressed = true;
      outputHashMode = "recursive";
      outputHashAlgo = "sha256";
      outputs = [ "out" "lib" ];
      builder = "/bin/sh";
      args = [ "-euc" ''echo "$self $leaf" > "$lib"; echo "$lib" > "$out"; exit 0'' ];
    };
    tree = path { name = "tree-1"; path = ./.; filter = name: _: baseNameOf name == "closures.nix"; };
    sha1 = fixed "sha1-1" "flat" "sha1" "z3kz7ha00inkxadjgs5x05v8gxndc4zh" ''printf 'sha1\n' > "$out"'';
    md5 = fixed "md5-1" "recursive" "md5" "2xfswqpc9h6kwx3z8nc1grva65" ''printf 'md5\n' > "$out"'';
    sha512 = fixed "sha512-1" "recursive" "sha512" "0y209gdcyg1rqcx80vq9a4rrrrvv7rsxh29xv1a5ihfmrpfzqb6rrngixd6bs069k3qk16g96lzg3wc3q3wpl98s0ghcx7600naapjy" ''mkdir "$out"; printf 'sha512\n' > "$out/f"'';
    top = floating "ca-top-1" { inherit flat text self leaf tree sha1 md5 sha512; out1 = outs; lib1 = outs.lib; } ''
      mkdir "$out"
      n=0
      for p in $flat $text $self $leaf $tree $sha1 $md5 $sha512 $out1 $lib1; do n=$((n + 1)); ln -s "$p" "$out/$n-''${p#*-}"; done
    '';
  };
in {
  basic = { inherit top libc ncurses bash coreutils odd greet etc initrd firmware; multi = multi.dev; hello = builtins.head hellos; };
  ca = { inherit (ca) top flat self0 self leaf sha1 md5 sha512; outs = ca.outs.lib; };
}
