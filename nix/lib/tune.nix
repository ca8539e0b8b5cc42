# Changes one package: variables appended where the package keeps its own, inputs added, and a mark
# that says so.
#
# The mark is passthru, which no derivation contains. Does not know settings.
let
  joined = old: new: if old == "" then new else "${old} ${new}";
  isEmpty = value: value == [ ] || value == null || value == "";
  present = set: builtins.filter (name: !(isEmpty set.${name})) (builtins.attrNames set);

  # `env` came with nixpkgs 23.05; with structured attributes nothing else reaches the builder.
  usesEnv = pkgs: old: old ? env || (old.__structuredAttrs or false) || hasEnv pkgs;
  hasEnv =
    pkgs:
    let
      release = (pkgs.lib.trivial or { }).release or "23.05";
    in
    builtins.compareVersions release "23.05" >= 0;

  # Puts a variable where its old value stands, else where this nixpkgs expects variables.
  place =
    pkgs: old: name: value:
    let
      env = old.env or { };
      after = value (toString (env.${name} or old.${name} or ""));
      inEnv = env ? ${name} || (!(old ? ${name}) && usesEnv pkgs old);
    in
    if inEnv then
      old
      // {
        env = env // {
          ${name} = after;
        };
      }
    else
      old // { ${name} = after; };

  # The attributes that a package gets, as a function of those that it has.
  changes =
    {
      pkgs,
      # Variable -> flags that come after the package's own.
      append ? { },
      # Variable -> value.
      set ? { },
      # Programs that the build needs.
      inputs ? [ ],
      # Libraries that the result is linked with.
      libraries ? [ ],
      # Other attributes, as a function of the old ones.
      extra ? _: { },
    }:
    old:
    let
      # What an earlier overlay appended is there.
      earlier = ((old.passthru or { }).ironwright or { }).append or { };
      isNew = name: flag: !(builtins.elem flag (earlier.${name} or [ ]));
      added = builtins.mapAttrs (name: builtins.filter (isNew name)) append;
      flags = name: builtins.concatStringsSep " " added.${name};
      appended = builtins.foldl' (
        attrs: name: place pkgs attrs name (before: joined before (flags name))
      ) old (present added);
      all = builtins.foldl' (attrs: name: place pkgs attrs name (_: toString set.${name})) appended (
        present set
      );
      more = name: list: if list == [ ] then { } else { ${name} = (old.${name} or [ ]) ++ list; };
    in
    all
    // more "nativeBuildInputs" inputs
    // more "buildInputs" libraries
    // extra old
    // {
      passthru = (old.passthru or { }) // {
        ironwright = {
          append = builtins.mapAttrs (name: list: (earlier.${name} or [ ]) ++ list) (earlier // added);
          inherit set;
        };
      };
    };
in
{
  inherit changes;

  # A package changed, or the very package when there is nothing to do, nothing that could be done, or
  # an earlier overlay did it.
  tune =
    {
      package,
      append ? { },
      set ? { },
      inputs ? [ ],
      libraries ? [ ],
      ...
    }@arguments:
    let
      idle =
        present append == [ ]
        && present set == [ ]
        && inputs == [ ]
        && libraries == [ ]
        && !(arguments ? extra);
    in
    if idle || !(package ? overrideAttrs) || package ? ironwright then
      package
    else
      package.overrideAttrs (changes (removeAttrs arguments [ "package" ]));

  # A package that tells, once somebody looks at it, which of its own settings do nothing.
  telling =
    name: unused: package:
    let
      told = "ironwright: packages.${name}: nothing here applies ${builtins.concatStringsSep ", " unused}";
      warn = builtins.warn or (text: builtins.trace "warning: ${text}");
    in
    if unused == [ ] then package else warn told package;

  # Limits what a builder takes for NIX_BUILD_CORES; 0 there means all threads.
  clampJobs =
    jobs:
    let
      n = toString jobs;
    in
    if jobs == null then
      ""
    else
      ''
        if [ "''${NIX_BUILD_CORES:-0}" -eq 0 ] || [ "''${NIX_BUILD_CORES:-0}" -gt ${n} ]; then
          export NIX_BUILD_CORES=${n}
        fi
      '';
}
