# Every CPython that nixpkgs has: processor, link-time and profile-guided optimisation.
#
# Does not know packages of Python; they are rebuilt because their interpreter is.
given:
let
  library = import ../lib;
  loaded = library.ensure given;

  # A part of the test suite that takes a tenth of the time: parsing, numbers, containers and text.
  lightTraining = builtins.concatStringsSep " " [
    "-m test --pgo"
    "test_array test_base64 test_binascii test_bytes test_cmath test_collections test_dataclasses"
    "test_difflib test_float test_functools test_generators test_hashlib test_itertools test_json"
    "test_re test_set test_struct test_unicode"
  ];
in
final: prev:
let
  isPython = name: builtins.match "python3([0-9]+)?" name != null;
  names = builtins.filter isPython (builtins.attrNames prev);

  # `python313` may have settings of its own; `python3` is whatever nixpkgs says it is.
  tuned =
    name:
    let
      package = loaded.of name;
      python = prev.${name};
      level = package.get "python-pgo-level";
      lto = if package.isChosen "c-lto" then package.get "c-lto" else null;
      allocator = if package.isChosen "allocator" then package.get "allocator" else null;
      allocatorPackage =
        if allocator == null || allocator == "system" then null else prev.${allocator} or null;
      link = library.linkFlags {
        inherit package;
        pkgs = prev;
      };

      isTrained = level == "FULL" || level == "LIGHT";
      takes = python.override.__functionArgs or { };
      wanted = {
        enableOptimizations = if level == null then null else isTrained;
        enableLTO = if lto == null then null else lto != "off";
        # Whoever trains does without bit-for-bit repetition.
        reproducibleBuild = if isTrained then false else null;
      };
      # What whoever sets it for the host may expect to hold here.
      expected = [
        "python-pgo-level"
        "c-lto"
        "allocator"
        "linker"
      ];
      applied =
        library.compileKnobs
        ++ [ "python-pgo-level" ]
        ++ (if takes ? enableLTO then [ "c-lto" ] else [ ])
        ++ (if allocatorPackage == null then [ ] else [ "allocator" ])
        ++ (if link == null then [ ] else [ "linker" ]);
      usable = builtins.filter (argument: takes ? ${argument} && wanted.${argument} != null) (
        builtins.attrNames wanted
      );
      arguments = builtins.listToAttrs (
        map (argument: {
          name = argument;
          value = wanted.${argument};
        }) usable
      );
      configured = if arguments == { } then python else python.override arguments;

      # Where the package has no argument for it, its configure script does.
      byFlag = isTrained && !(takes ? enableOptimizations);
    in
    if python ? ironwright || !(python ? overrideAttrs) then
      python
    else
      library.telling name (package.unused { inherit applied expected; }) (
        library.tune (
          {
            pkgs = prev;
            package = configured;
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
            set.PROFILE_TASK = if level == "LIGHT" then lightTraining else null;
            inputs = if link == null then [ ] else link.inputs;
            libraries = if allocatorPackage == null then [ ] else [ allocatorPackage ];
          }
          // (
            if byFlag then
              {
                extra = old: {
                  configureFlags = (old.configureFlags or [ ]) ++ [ "--enable-optimizations" ];
                };
              }
            else
              { }
          )
        )
      );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value = tuned name;
  }) names
)
