# Every Node.js that nixpkgs has: processor, link-time and profile-guided optimisation, allocator.
#
# Does not know packages of npm; they run on it unchanged.
given:
let
  library = import ../lib;
  loaded = library.ensure given;

  # What an instrumented Node.js does between the two builds.
  training = builtins.toFile "training.js" (builtins.readFile ./nodejs-training.js);
  rounds = {
    LIGHT = 1;
    FULL = 8;
  };
in
final: prev:
let
  isNode = name: builtins.match "nodejs(-slim)?(_[0-9]+)?" name != null;
  names = builtins.filter isNode (builtins.attrNames prev);
  isGcc = (library.compilerOf prev.stdenv).name == "gcc";

  # Builds once with instruments, trains, and lets the normal build use what was learned: gcc finds the
  # counts beside the objects, so the directory stays the same.
  trained = level: old: {
    preBuild = ''
      ironwrightFlags="$(printf '%s ' "''${configureFlags:-}" "''${configureFlagsArray[@]:-}")"
      ./configure --prefix="$prefix" $ironwrightFlags --enable-pgo-generate
      make -j"''${NIX_BUILD_CORES:-1}"
      ./out/Release/node ${training} ${toString rounds.${level}}
      find out -name '*.o' -delete -o -name '*.a' -delete
      ./configure --prefix="$prefix" $ironwrightFlags --enable-pgo-use
    ''
    + (old.preBuild or "");
  };

  tuned =
    name:
    let
      package = loaded.of name;
      level = package.get "node-pgo-level";
      lto = if package.isChosen "c-lto" then package.get "c-lto" else null;
      allocator = if package.isChosen "allocator" then package.get "allocator" else null;
      allocatorPackage =
        if allocator == null || allocator == "system" then null else prev.${allocator} or null;
      link = library.linkFlags {
        inherit package;
        pkgs = prev;
      };
      hasTraining = isGcc && rounds ? ${toString level};
      wantsLto = lto != null && lto != "off";
      # What whoever sets it for the host may expect to hold here.
      expected = [
        "node-pgo-level"
        "c-lto"
        "allocator"
        "linker"
      ];
      applied =
        library.compileKnobs
        ++ [ "c-lto" ]
        ++ (if isGcc then [ "node-pgo-level" ] else [ ])
        ++ (if allocatorPackage == null then [ ] else [ "allocator" ])
        ++ (if link == null then [ ] else [ "linker" ]);
      extra =
        old:
        (if hasTraining then trained level old else { })
        // (
          if wantsLto then { configureFlags = (old.configureFlags or [ ]) ++ [ "--enable-lto" ]; } else { }
        );
    in
    library.telling name (package.unused { inherit applied expected; }) (
      library.tune (
        {
          pkgs = prev;
          package = prev.${name};
          append = {
            NIX_CFLAGS_COMPILE = library.compileFlags {
              inherit loaded package;
              inherit (prev) stdenv;
              # configure has a switch of its own.
              lto = false;
            };
            NIX_CFLAGS_LINK = if link == null then [ ] else link.flags;
            NIX_LDFLAGS = if allocatorPackage == null then [ ] else [ "-l${allocator}" ];
          };
          inputs = if link == null then [ ] else link.inputs;
          libraries = if allocatorPackage == null then [ ] else [ allocatorPackage ];
        }
        // (if hasTraining || wantsLto then { inherit extra; } else { })
      )
    );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = tuned name;
  }) names
)
