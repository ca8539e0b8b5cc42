# What a package set makes of some attributes when overlays are applied to it.
#
# The request is data (JSON); `arguments` are those that a user gave for functions. Returns the paths of
# derivations, or with `names` the attributes that an overlay overrides.
{
  request,
  arguments ? { },
}:
let
  asked = builtins.fromJSON request;
  inherit (asked) base;

  fail = text: throw "ironwright: ${text}";
  flake = builtins.getFlake base.place;

  # The overlay of a file, of a flake, or of the library; a single override of it where `only` names one.
  overlay =
    it:
    let
      whole =
        if it.kind == "file" then
          import (/. + it.place)
        else if it.kind == "flake" then
          (builtins.getFlake it.place).overlays.${it.attribute}
        else if it.kind == "own" then
          builtins.elemAt host.config.nixpkgs.overlays (builtins.fromJSON it.attribute - 1)
        else
          (import (/. + it.place) { }).overlays.${it.attribute};
    in
    if it.only == null then
      checked it whole
    else
      final: prev: { ${it.only} = (checked it whole final prev).${it.only}; };

  # An overlay that says what is wrong with it: without that Nix would name a line of the package set.
  checked =
    it: whole: final: prev:
    let
      half = call it "gives" whole final;
      result = call it "gives, for its first argument alone," half prev;
    in
    if builtins.isAttrs result then result else wrong it "gives ${builtins.typeOf result}, not a set";
  call =
    it: verb: value:
    if builtins.isFunction value || value ? __functor then
      value
    else
      wrong it "${verb} ${builtins.typeOf value}, not a function of final and prev";
  wrong = it: text: fail "the overlay ${it.name} ${text}";

  # What a configuration is built as; it takes overlays as a module.
  results = {
    nixosConfigurations = it: it.config.system.build.toplevel;
    homeConfigurations = it: it.activationPackage;
  };
  isConfiguration = path: base.kind == "flake" && results ? ${builtins.head path};
  configuration =
    path:
    find flake [
      (builtins.head path)
      (builtins.elemAt path 1)
    ];
  # The one whose own overlays are looked at.
  host = configuration (builtins.head asked.wanted);

  # The set as it is.
  plain =
    if isConfiguration (builtins.head asked.wanted) then
      host.pkgs
    else if base.kind == "file" then
      let
        value = import (/. + base.place);
      in
      if builtins.isFunction value then value arguments else value
    else
      flake.legacyPackages.${base.system} or flake.inputs.nixpkgs.legacyPackages.${base.system}
        or (fail "${base.place} has neither legacyPackages nor an input nixpkgs: overlays have nothing to apply to");

  takesOverlays =
    base.kind == "file"
    && (
      let
        value = import (/. + base.place);
      in
      builtins.isFunction value && (builtins.functionArgs value) ? overlays
    );

  extended =
    overlays:
    if overlays == [ ] then
      plain
    else if plain ? appendOverlays then
      plain.appendOverlays overlays
    else if plain ? extend then
      builtins.foldl' (set: it: set.extend it) plain overlays
    else if takesOverlays then
      # A user's own stay, and come first.
      import (/. + base.place) (arguments // { overlays = arguments.overlays or [ ] ++ overlays; })
    else
      fail "the package set takes no overlays: it has neither appendOverlays nor extend";

  overlays = map overlay asked.overlays;
  set = extended overlays;

  find =
    root: path:
    builtins.foldl' (
      at: name:
      if builtins.isAttrs at && at ? ${name} then
        at.${name}
      else
        fail "there is no attribute ${builtins.concatStringsSep "." path}"
    ) root path;

  configured =
    path:
    let
      alone = configuration path;
      # As `lib.mkForce` writes it: in place of the overlays that the configuration has.
      instead = {
        _type = "override";
        priority = 50;
        content = overlays;
      };
      more.nixpkgs.overlays = if base.own then instead else overlays;
      name = builtins.concatStringsSep "." path;
      changed =
        if more.nixpkgs.overlays == [ ] then
          alone
        else if alone ? extendModules then
          alone.extendModules { modules = [ more ]; }
        else
          fail "${name} takes no overlays: it has no extendModules";
    in
    results.${builtins.head path} changed;

  one =
    path:
    let
      value = if isConfiguration path then configured path else find set path;
    in
    value.drvPath or (fail "${builtins.concatStringsSep "." path} is no derivation");
in
if asked.names then
  builtins.attrNames (builtins.head overlays plain plain)
else
  map one asked.wanted
