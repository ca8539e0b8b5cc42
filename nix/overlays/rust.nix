# rustc and cargo for the host's processor, and `mkRustOverrides name` for packages written in Rust:
# `codex.overrideAttrs (pkgs.mkRustOverrides "codex")`.
#
# Packages keep being built with the platform that nixpkgs builds them with. Does not know packages.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
in
final: prev:
let
  compiler = loaded.of "rustc";
  stdenv = prev.stdenv;
  compile =
    package:
    library.compileFlags {
      inherit loaded package stdenv;
      # LLVM brings its own switches for it.
      lto = false;
    };
  link =
    package: knob:
    library.linkFlags {
      inherit package knob;
      pkgs = prev;
    };
  allocator = package: if package.isChosen "allocator" then package.get "allocator" else null;

  # rustc's own build is told through its configuration; what it compiles in its last stages is for the
  # host's processor.
  configured =
    package: old:
    let
      lto = if package.isChosen "rust-lto" then package.get "rust-lto" else null;
      units = if package.isChosen "rust-codegen-units" then package.get "rust-codegen-units" else null;
      flags =
        (if allocator package == "jemalloc" then [ "--set=rust.jemalloc" ] else [ ])
        ++ (if lto == null then [ ] else [ "--set=rust.lto=${lto}" ])
        ++ (if units == null then [ ] else [ "--set=rust.codegen-units=${toString units}" ]);
    in
    if flags == [ ] then { } else { configureFlags = (old.configureFlags or [ ]) ++ flags; };

  tuned =
    name: package:
    let
      own = loaded.of name;
      cpu = library.processorFor {
        inherit loaded;
        package = own;
        knob = "rust-target-cpu";
        platform = stdenv.hostPlatform;
        compiler = {
          name = "rustc";
          version = package.version or "0";
        };
      };
      target = (if cpu == null then [ ] else [ "-Ctarget-cpu=${cpu}" ]) ++ linkArguments;
      linker = link own "linker";
      rustLinker = link own "rust-linker";
      inputsOf = linked: if linked == null then [ ] else linked.inputs;
      linkArguments = map (flag: "-Clink-arg=${flag}") (
        if rustLinker == null then [ ] else rustLinker.flags
      );
      isCompiler = name != "cargo";
      # What whoever sets it for the host may expect to hold here.
      expected = [
        "rust-pgo-level"
        "rust-linker"
        "allocator"
      ];
      applied =
        library.compileKnobs
        ++ [ "rust-target-cpu" ]
        ++ (if linker == null then [ ] else [ "linker" ])
        ++ (if rustLinker == null then [ ] else [ "rust-linker" ])
        ++ (
          if isCompiler then
            [
              "rust-lto"
              "rust-codegen-units"
            ]
          else
            [ ]
        )
        ++ (if isCompiler && allocator own == "jemalloc" then [ "allocator" ] else [ ]);
    in
    library.telling name (own.unused { inherit applied expected; }) (
      library.tune (
        {
          pkgs = prev;
          inherit package;
          append = {
            NIX_CFLAGS_COMPILE = compile own;
            NIX_CFLAGS_LINK = if linker == null then [ ] else linker.flags;
          }
          // (if isCompiler then { RUSTFLAGS_NOT_BOOTSTRAP = target; } else { RUSTFLAGS = target; });
          inputs = if linker == null then inputsOf rustLinker else linker.inputs;
        }
        // (if isCompiler && configured own { } != { } then { extra = configured own; } else { })
      )
    );

  # The wrapper is a script: what is changed is the compiler inside.
  rustc =
    let
      package = prev.rustc;
      inner = tuned "rustc" package.unwrapped;
    in
    if !(package ? unwrapped) then
      tuned "rustc" package
    else if inner == package.unwrapped || !(package ? override) then
      package
    else
      package.override { rustc-unwrapped = inner; };
in
(if prev ? rustc then { inherit rustc; } else { })
// (if prev ? cargo then { cargo = tuned "cargo" prev.cargo; } else { })
// {
  inherit
    (library.languages {
      inherit loaded;
      pkgs = final;
    })
    mkRustOverrides
    ;
}
