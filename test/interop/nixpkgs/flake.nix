{
  outputs =
    { self }:
    let
      pkgs = system: import ./. { inherit system; programs = import ./programs.nix; };
    in
    {
      inherit (pkgs "x86_64-linux") lib;
      legacyPackages.x86_64-linux = pkgs "x86_64-linux";
      legacyPackages.aarch64-linux = pkgs "aarch64-linux";
    };
}
