{
  description = "Moves Nix store closures to the machines that need them, moving only what really changed";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      each =
        make:
        nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: make system nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (
        system: pkgs: {
          narrow = pkgs.callPackage ./nix/package.nix { };
          default = self.packages.${system}.narrow;
        }
      );

      apps = each (
        system: _: {
          default = {
            type = "app";
            program = "${self.packages.${system}.narrow}/bin/narrow";
            meta = { inherit (self.packages.${system}.narrow.meta) description; };
          };
        }
      );
    };
}
