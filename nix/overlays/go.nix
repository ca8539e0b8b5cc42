# Every Go that nixpkgs has, with the host's GOAMD64 as the default of what it compiles, and
# `mkGoOverrides name` for packages written in Go.
#
# Does not know packages.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
in
final: prev:
let
  isGo = name: name == "go" || builtins.match "go_1_[0-9]+" name != null;
  names = builtins.filter isGo (builtins.attrNames prev);
  inherit (prev.stdenv) hostPlatform;

  tuned =
    name:
    let
      package = loaded.of name;
      link = library.linkFlags {
        inherit package;
        pkgs = prev;
      };
      # What whoever sets it for the host may expect to hold here.
      expected = [
        "go-pgo-level"
        "linker"
      ];
      applied =
        library.compileKnobs
        ++ [
          "go-amd64"
          "go-arm64"
        ]
        ++ (if link == null then [ ] else [ "linker" ]);
      only = condition: value: if condition then value else null;
    in
    library.telling name (package.unused { inherit applied expected; }) (
      library.tune {
        pkgs = prev;
        package = prev.${name};
        append = {
          NIX_CFLAGS_COMPILE = library.compileFlags {
            inherit loaded package;
            inherit (prev) stdenv;
            lto = false;
          };
          NIX_CFLAGS_LINK = if link == null then [ ] else link.flags;
        };
        set = {
          GOAMD64 = only (hostPlatform.isx86_64 or false) (package.get "go-amd64");
          GOARM64 = only (hostPlatform.isAarch64 or false) (package.get "go-arm64");
        };
        inputs = if link == null then [ ] else link.inputs;
      }
    );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = tuned name;
  }) names
)
// {
  inherit
    (library.languages {
      inherit loaded;
      pkgs = final;
    })
    mkGoOverrides
    ;
}
