# narrow, built from this checkout: `callPackage ./nix/package.nix { }`. Nothing but package-lock.json says which npm packages are
# taken and what they hash to; why not buildNpmPackage: docs/decisions/nix-package.md.
{
  lib,
  stdenv,
  runCommand,
  makeBinaryWrapper,
  cacert,
  nodejs_24,
  bzip2,
  lz4,
  xz,
  zstd,
  # A directory with the packages already installed (`node_modules` of a checkout), for builds without a network.
  nodeModules ? null,
}:
let
  manifest = lib.importJSON ../package.json;
  locked = (lib.importJSON ../package-lock.json).packages;

  wantedNode = lib.removePrefix ">=" manifest.engines.node;
  nodejs =
    if lib.versionAtLeast nodejs_24.version wantedNode then
      nodejs_24
    else
      throw "narrow needs Node ${wantedNode} or newer, this nixpkgs has ${nodejs_24.version}: take a newer nixpkgs";

  inherit (stdenv.hostPlatform) system;
  ourCpu =
    {
      x86_64-linux = "x64";
      aarch64-linux = "arm64";
    }
    .${system} or (throw "narrow is not packaged for ${system}");

  # Many packages are there once for each kind of machine, as optional dependencies of the one that picks from them.
  fits =
    { os ? [ "linux" ], cpu ? [ ourCpu ], libc ? [ "glibc" ], ... }:
    lib.elem "linux" os && lib.elem ourCpu cpu && lib.elem "glibc" libc;

  # The names of these packages and of all they depend on.
  closure =
    names:
    map (item: item.key) (
      builtins.genericClosure {
        startSet = map (key: { inherit key; }) names;
        operator =
          { key }:
          let
            package = locked."node_modules/${key}";
            needed = lib.attrNames (package.dependencies or { } // package.optionalDependencies or { });
          in
          map (key: { inherit key; }) (lib.filter (name: fits (locked."node_modules/${name}" or { os = [ ]; })) needed);
      }
    );
  toRun = closure (lib.attrNames manifest.dependencies);
  toBuild = closure (lib.attrNames manifest.dependencies ++ [ "@types/node" "esbuild" "typescript" ]);

  # npm knows where packages come from; the lock file's hash says that it is the right one.
  tarball =
    name:
    let
      inherit (locked."node_modules/${name}") version integrity;
    in
    runCommand "${baseNameOf name}-${version}.tgz"
      {
        nativeBuildInputs = [ nodejs ];
        outputHash = integrity;
        outputHashMode = "flat";
        impureEnvVars = lib.fetchers.proxyImpureEnvVars ++ [ "npm_config_registry" ];
        NODE_EXTRA_CA_CERTS = "${cacert}/etc/ssl/certs/ca-bundle.crt";
      }
      ''
        export HOME=$TMPDIR
        npm pack --no-progress --loglevel=error ${name}@${version}
        mv -- *.tgz $out
      '';

  install =
    name:
    if nodeModules != null then
      ''
        mkdir -p node_modules/${name}
        cp -rT --no-preserve=ownership ${nodeModules}/${name} node_modules/${name}
      ''
    else
      ''
        mkdir -p node_modules/${name}
        tar -xzf ${tarball name} --no-same-owner --strip-components=1 -C node_modules/${name}
      '';

  # What xz, bzip2, lz4 and zstd are done by: looked for here after the directories that the user names.
  libraries = lib.makeLibraryPath [
    bzip2
    lz4
    xz
    zstd
  ];
in
stdenv.mkDerivation {
  pname = "narrow";
  inherit (manifest) version;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../LICENSE
      ../bin.js
      ../package.json
      ../scripts/bundle.ts
      ../scripts/project.ts
      ../src
      ../tsconfig.build.json
      ../tsconfig.json
    ];
  };

  nativeBuildInputs = [
    makeBinaryWrapper
    nodejs
  ];

  configurePhase = ''
    runHook preConfigure
    ${lib.concatMapStrings install toBuild}
    chmod -R u+w node_modules
    runHook postConfigure
  '';

  buildPhase = ''
    runHook preBuild
    node node_modules/typescript/bin/tsc -p tsconfig.build.json
    node scripts/bundle.ts
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib/narrow
    cp -r LICENSE bin.js dist package.json $out/lib/narrow
    for name in ${toString toRun}; do
      mkdir -p $out/lib/narrow/node_modules/$name
      cp -rT node_modules/$name $out/lib/narrow/node_modules/$name
    done
    makeWrapper ${nodejs}/bin/node $out/bin/narrow \
      --add-flags "--disable-warning=ExperimentalWarning $out/lib/narrow/bin.js" \
      --suffix NARROW_LIBRARY_PATH : ${libraries}
    runHook postInstall
  '';

  # koffi comes built, for any glibc; it stays as its makers tested it.
  dontStrip = true;
  dontPatchELF = true;

  # A copy into a cache and back: locks, the database and a library by FFI work here.
  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    export HOME=$TMPDIR
    test "$($out/bin/narrow --version)" = ${manifest.version}
    path=$($out/bin/narrow add --store "local?root=$TMPDIR/a" LICENSE)
    $out/bin/narrow copy --from "local?root=$TMPDIR/a" --to "file://$TMPDIR/cache?compression=xz" $path
    $out/bin/narrow copy --no-check-sigs --from "file://$TMPDIR/cache" --to "local?root=$TMPDIR/b" $path
    cmp LICENSE $TMPDIR/b$path
    runHook postInstallCheck
  '';

  meta = {
    inherit (manifest) description;
    license = lib.licenses.mit;
    mainProgram = "narrow";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };
}
