# As much of nixpkgs as nix/package.nix asks for, made of the programs of this machine: builds are real, and need no network.
# `programs` is what there is instead of packages: { nodejs_24, bzip2, lz4, xz, zstd, cacert }.
{ system, programs }:
let
  inherit (builtins) attrNames concatStringsSep elem filter listToAttrs stringLength substring;

  lib = rec {
    inherit attrNames elem filter;
    importJSON = path: builtins.fromJSON (builtins.readFile path);
    genAttrs = names: make: listToAttrs (map (name: { inherit name; value = make name; }) names);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    removePrefix =
      prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    versionAtLeast = a: b: builtins.compareVersions a b >= 0;
    concatMapStrings = make: list: concatStringsSep "" (map make list);
    makeLibraryPath = packages: concatStringsSep ":" (map (package: "${package}/lib") packages);
    fetchers.proxyImpureEnvVars = [ "http_proxy" "https_proxy" "no_proxy" ];
    licenses.mit = { spdxId = "MIT"; };
    fileset = {
      unions = sets: sets;
      toSource =
        { root, fileset }:
        let
          wanted = path: one: path == one || hasPrefix "${one}/" path || hasPrefix "${path}/" one;
        in
        {
          outPath = builtins.path {
            name = "source";
            path = root;
            filter = path: _: builtins.any (one: wanted path (toString one)) fileset;
          };
        };
    };
  };

  # Everything else of the arguments goes into the environment; meta stays outside, as in nixpkgs.
  mkDerivation =
    arguments:
    derivation (
      {
        inherit system;
        name = arguments.name or "${arguments.pname}-${arguments.version}";
        builder = "/bin/bash";
        args = [ "-e" ./builder.sh ];
      }
      // removeAttrs arguments [ "meta" ]
    )
    // {
      inherit (arguments) meta;
      inherit arguments;
    };

  pkgs = programs // {
    inherit lib;
    stdenv = {
      inherit mkDerivation;
      hostPlatform = { inherit system; };
    };
    runCommand = name: environment: buildCommand: mkDerivation ({ meta = { }; inherit name buildCommand; } // environment);
    makeBinaryWrapper = "/usr";
  };

  callPackage =
    file: overrides:
    let
      package = import file;
    in
    package (builtins.intersectAttrs (builtins.functionArgs package) pkgs // overrides);
in
pkgs // { inherit callPackage; }
