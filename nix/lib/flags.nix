# Values become compiler flags.
#
# A processor's name is taken from the host's data for the version of the compiler that builds, unless
# somebody chose one. Everything else is passed only when somebody chose it: a package's own -O3 is
# better informed than a default. Does not know packages.
let
  last = list: builtins.elemAt list (builtins.length list - 1);
  isNewEnough = version: entry: builtins.compareVersions version entry.from >= 0;

  # The name in the newest entry that the version reaches; entries are newest first.
  accepted =
    entries: version:
    let
      fitting = builtins.filter (isNewEnough version) entries;
    in
    if entries == [ ] then
      null
    else if fitting == [ ] then
      (last entries).name
    else
      (builtins.head fitting).name;

  # x86_64 and aarch64 are the architectures that profiles name.
  runsOn =
    loaded: platform:
    let
      profiled = loaded.facts."cpu.architecture" or null;
      isThat =
        {
          x86_64 = platform.isx86_64 or false;
          aarch64 = platform.isAarch64 or false;
        }
        .${toString profiled} or false;
    in
    # Chosen names without facts are taken at their word, on the architecture that has levels.
    if profiled == null then platform.isx86_64 or false else isThat;

  withDefault = fallback: value: if value == null then fallback else value;
in
rec {
  # The knobs that `compileFlags` reads; `lto` beside them where it can work.
  compileKnobs = [
    "c-march"
    "c-opt-level"
    "c-split-dwarf"
  ];

  # gcc or clang with its version, of a stdenv.
  compilerOf =
    stdenv:
    let
      cc = stdenv.cc or { };
      own = cc.cc or cc;
    in
    {
      name = if cc.isClang or false then "clang" else "gcc";
      version = own.version or cc.version or (builtins.parseDrvName (own.name or "gcc-0")).version;
    };

  # The processor to generate code for, or null.
  processorFor =
    {
      loaded,
      package,
      knob,
      compiler,
      platform,
    }:
    let
      entries = loaded.processors.${compiler.name} or [ ];
    in
    if !(runsOn loaded platform) then
      null
    else if package.isChosen knob then
      package.get knob
    else
      accepted entries compiler.version;

  # Flags of C and C++ for one package. `lto = false` where it cannot work.
  compileFlags =
    {
      loaded,
      package,
      stdenv,
      lto ? true,
    }:
    let
      compiler = compilerOf stdenv;
      march = processorFor {
        inherit loaded package compiler;
        knob = "c-march";
        platform = stdenv.hostPlatform;
      };
      level = package.get "c-opt-level";
      kind = withDefault "off" (package.get "c-lto");
      ltoFlag =
        if compiler.name == "clang" then
          {
            thin = [ "-flto=thin" ];
            fat = [ "-flto" ];
          }
          .${kind} or [ ]
        else if kind == "off" then
          [ ]
        else
          [ "-flto=auto" ];
      chosen = id: flags: if package.isChosen id then flags else [ ];
    in
    chosen "c-opt-level" (if level == null then [ ] else [ "-O${level}" ])
    ++ (if march == null then [ ] else [ "-march=${march}" ])
    ++ (if lto then chosen "c-lto" ltoFlag else [ ])
    ++ chosen "c-split-dwarf" (
      if package.get "c-split-dwarf" == true then [ "-gsplit-dwarf" ] else [ ]
    );

  # A linker that was chosen and that this nixpkgs has in a wrapped form: without the wrapper no run
  # path would be written. It comes from a set without overlays, because what it is built from may be what
  # it links. `null` keeps the default linker; libraries that much else is made of get no other.
  linkFlags =
    {
      package,
      pkgs,
      knob ? "linker",
    }:
    let
      linker = package.get knob;
      library = (import ./libraries.nix).table.${package.name or ""} or { };
      plain =
        if pkgs ? path then
          import pkgs.path {
            inherit (pkgs.stdenv.hostPlatform) system;
            config = pkgs.config or { };
            overlays = [ ];
          }
        else
          pkgs;
      input =
        {
          mold = plain.mold-wrapped or null;
          lld = (plain.llvmPackages or { }).bintools or null;
        }
        .${toString linker} or null;
    in
    if (library.kind or "free") != "free" || !(package.isChosen knob) || linker == null then
      null
    else if
      builtins.elem linker [
        "bfd"
        "gold"
      ]
    then
      {
        flags = [ "-fuse-ld=${linker}" ];
        inputs = [ ];
      }
    else if input == null then
      null
    else
      {
        flags = [ "-fuse-ld=${linker}" ];
        inputs = [ input ];
      };
}
