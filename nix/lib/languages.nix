# What a package's settings mean for Rust, Go, and C++ with CUDA: variables and what stands before the
# build.
#
# Does not know which language a package is written in; the caller does.
{ loaded, pkgs }:
let
  flags = import ./flags.nix;
  tuning = import ./tune.nix;

  platform = pkgs.stdenv.hostPlatform;
  mebibytes = bytes: "${toString (bytes / 1048576)}MiB";
  orNull = condition: value: if condition then value else null;
  lines = builtins.concatStringsSep "";

  # Only what somebody set for this very package.
  restricted = package: package // { isChosen = package.isOwn; };

  # The address space of each process, which the builder's shell passes on.
  limit =
    package:
    let
      bytes = package.get "address-space-limit";
    in
    if package.isChosen "address-space-limit" && bytes != null then
      "ulimit -v ${toString (bytes / 1024)}\n"
    else
      "";

  # Stands before the package's own preBuild.
  before = text: old: if text == "" then { } else { preBuild = text + (old.preBuild or ""); };

  linked = package: knob: flags.linkFlags { inherit package pkgs knob; };

  flagsOf = link: if link == null then [ ] else link.flags;
  inputsOf = link: if link == null then [ ] else link.inputs;

  # `derived` is false where only what was chosen for the package counts.
  rust =
    derived: package:
    let
      rustc = pkgs.rustc or { };
      cpu = flags.processorFor {
        inherit package platform;
        loaded = if derived then loaded else loaded // { processors = { }; };
        knob = "rust-target-cpu";
        compiler = {
          name = "rustc";
          version = rustc.version or (builtins.parseDrvName (rustc.name or "rustc-0")).version;
        };
      };
      link = linked package "rust-linker";
      wanted = id: derived || package.isChosen id;
      value = id: orNull (wanted id) (package.get id);
      chosen = id: orNull (package.isChosen id) (package.get id);
      incremental = chosen "cargo-incremental";
    in
    {
      append.RUSTFLAGS =
        (if cpu == null then [ ] else [ "-Ctarget-cpu=${cpu}" ])
        ++ map (flag: "-Clink-arg=${flag}") (flagsOf link);
      set = {
        CARGO_BUILD_JOBS = value "cargo-build-jobs";
        RAYON_NUM_THREADS = value "rayon-threads";
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS = chosen "rust-codegen-units";
        CARGO_PROFILE_RELEASE_LTO = chosen "rust-lto";
        CARGO_INCREMENTAL =
          if incremental == null then
            null
          else if incremental then
            "1"
          else
            "0";
      };
      inputs = inputsOf link;
      # nixpkgs' hook passes NIX_BUILD_CORES to cargo as -j, which outranks CARGO_BUILD_JOBS.
      jobs = tuning.clampJobs (value "cargo-build-jobs");
    };

  go =
    derived: package:
    let
      wanted = id: derived || package.isChosen id;
      value = id: orNull (wanted id) (package.get id);
      memory = value "go-memory-limit";
      chosenFlags = flags.compileFlags {
        inherit package;
        inherit (pkgs) stdenv;
        loaded = loaded // {
          processors = { };
        };
      };
      link = linked package "linker";
    in
    {
      append = {
        # cgo compiles C with these.
        NIX_CFLAGS_COMPILE = chosenFlags;
        NIX_CFLAGS_LINK = flagsOf link;
      };
      set = {
        GOAMD64 = orNull (platform.isx86_64 or false) (value "go-amd64");
        GOARM64 = orNull (platform.isAarch64 or false) (value "go-arm64");
        GOMAXPROCS = value "go-max-procs";
        GOMEMLIMIT = if memory == null then null else mebibytes memory;
        GODEBUG = orNull (package.isChosen "go-debug") (package.get "go-debug");
      };
      inputs = inputsOf link;
      jobs = tuning.clampJobs (value "go-build-jobs");
    };

  # "52" -> "5.2", "90a" -> "9.0a", "70-virtual" -> "7.0+PTX".
  dotted =
    architecture:
    let
      parts = builtins.match "([0-9]+)([0-9])([a-z]?)(-virtual|-real)?" architecture;
      part = builtins.elemAt parts;
    in
    if parts == null then
      architecture
    else
      "${part 0}.${part 1}${part 2}${if part 3 == "-virtual" then "+PTX" else ""}";

  cuda =
    derived: package:
    let
      wanted = id: derived || package.isChosen id;
      list = if wanted "cuda-architectures" then package.get "cuda-architectures" else null;
      architectures = if list == null then [ ] else list;
      count =
        id: flag:
        if wanted id && package.get id != null then [ "${flag}${toString (package.get id)}" ] else [ ];
      fast = package.isChosen "cuda-fast-math" && package.get "cuda-fast-math" == true;
      options =
        count "nvcc-threads" "--threads="
        ++ (
          if package.isChosen "cuda-max-registers" then count "cuda-max-registers" "--maxrregcount=" else [ ]
        )
        ++ (if fast then [ "--use_fast_math" ] else [ ]);
      joined = builtins.concatStringsSep ";" architectures;
    in
    if architectures == [ ] && !derived && options == [ ] then
      {
        set = { };
        append = { };
        cmake = [ ];
      }
    else if architectures == [ ] && derived then
      # No GPU: the build falls back to the processor, and nothing about CUDA is said.
      {
        set = { };
        append = { };
        cmake = [ ];
      }
    else
      {
        set = {
          CUDAARCHS = joined;
          TORCH_CUDA_ARCH_LIST = builtins.concatStringsSep ";" (map dotted architectures);
        };
        append.NVCC_APPEND_FLAGS = options;
        cmake = if architectures == [ ] then [ ] else [ "-DCMAKE_CUDA_ARCHITECTURES=${joined}" ];
      };

  cpp =
    derived: package:
    let
      wanted = id: derived || package.isChosen id;
      value = id: orNull (wanted id) (package.get id);
      library = (import ./libraries.nix).table.${package.name} or { };
      link = linked package "linker";
      gpu = cuda derived package;
      jobs = value "cmake-build-parallel-level";
      makeJobs = if package.isChosen "make-jobs" then package.get "make-jobs" else jobs;
    in
    {
      append = {
        NIX_CFLAGS_COMPILE = flags.compileFlags {
          inherit package;
          inherit (pkgs) stdenv;
          loaded = if derived then loaded else loaded // { processors = { }; };
          lto = library.lto or true;
        };
        NIX_CFLAGS_LINK = flagsOf link;
      }
      // gpu.append;
      set = {
        CMAKE_BUILD_PARALLEL_LEVEL = jobs;
      }
      // gpu.set;
      inputs = inputsOf link;
      jobs = tuning.clampJobs makeJobs;
      inherit (gpu) cmake;
    };

  # The overrideAttrs function of one language's part.
  attributes =
    package: part:
    tuning.changes {
      inherit pkgs;
      inherit (part) append set inputs;
      extra =
        old:
        before (limit package + part.jobs) old
        // (
          if (part.cmake or [ ]) != [ ] && builtins.isList (old.cmakeFlags or [ ]) then
            { cmakeFlags = (old.cmakeFlags or [ ]) ++ part.cmake; }
          else
            { }
        );
    };

  overrides =
    language: name:
    let
      package = loaded.of name;
    in
    attributes package (language true package);

  together = a: b: {
    append =
      a.append
      // builtins.mapAttrs (name: list: (a.append.${name} or [ ]) ++ list) (
        # C flags are the same in both.
        builtins.removeAttrs b.append (
          builtins.filter (name: (a.append.${name} or [ ]) != [ ]) (builtins.attrNames b.append)
        )
      );
    set = a.set // b.set;
    inputs = if a.inputs == [ ] then b.inputs else a.inputs;
    jobs = a.jobs + (if b.jobs == a.jobs then "" else b.jobs);
    cmake = (a.cmake or [ ]) ++ (b.cmake or [ ]);
  };

  # The knobs that change what is compiled and that some language applies.
  compiled = flags.compileKnobs ++ [
    "c-lto"
    "cuda-architectures"
    "cuda-fast-math"
    "cuda-max-registers"
    "go-amd64"
    "go-arm64"
    "rust-codegen-units"
    "rust-lto"
    "rust-target-cpu"
  ];
in
{
  mkRustOverrides = overrides rust;
  mkGoOverrides = overrides go;
  mkCppOverrides = overrides cpp;

  # What the profile says of this very package, whatever it is written in.
  ownOverrides =
    name:
    let
      package = restricted (loaded.of name);
      parts = map (language: language false package) [
        rust
        go
        cpp
      ];
      all = builtins.foldl' together (builtins.head parts) (builtins.tail parts);
      text = limit package + all.jobs;
      # A linker is refused to what much else is made of.
      links = knob: if linked package knob == null then [ ] else [ knob ];
      applied = compiled ++ links "linker" ++ links "rust-linker";
    in
    {
      inherit (all) append set inputs;
      unused = package.unused { inherit applied; };
      extra = (
        old:
        before text old
        // (
          if all.cmake != [ ] && builtins.isList (old.cmakeFlags or [ ]) then
            { cmakeFlags = (old.cmakeFlags or [ ]) ++ all.cmake; }
          else
            { }
        )
      );
      isIdle =
        text == ""
        && all.cmake == [ ]
        && all.inputs == [ ]
        && builtins.all (list: list == [ ]) (builtins.attrValues all.append)
        && builtins.all (value: value == null || value == "") (builtins.attrValues all.set);
    };
}
