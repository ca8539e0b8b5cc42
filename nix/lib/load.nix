# Settings as data: read, checked, and filled with universal values where they have holes.
#
# Every mistake is one sentence. Does not know nixpkgs, and derives nothing: the program did.
let
  data = builtins.fromJSON (builtins.readFile ../data/knobs.json);
  inherit (data) knobs;
  names = builtins.attrNames knobs;

  fail = text: throw "ironwright: ${text}";
  refresh = "`ironwright emit nix --write` makes one";

  # With its article.
  typeOf =
    value:
    {
      int = "an integer";
      bool = "true or false";
      string = "a text";
      list = "a list";
      lambda = "a function";
      float = "a number";
      null = "null";
      path = "a path";
      set = "an attribute set";
    }
    .${builtins.typeOf value};

  # A value in a sentence: what Nix writes as JSON, unless that is long or holds a function.
  show =
    value:
    let
      holdsFunction =
        it:
        builtins.isFunction it
        || (builtins.isList it && builtins.any holdsFunction it)
        || (builtins.isAttrs it && builtins.any holdsFunction (builtins.attrValues it));
      text = builtins.toJSON value;
    in
    if holdsFunction value then
      typeOf value
    else if builtins.stringLength text > 80 then
      "${builtins.substring 0 80 text} …"
    else
      text;

  isEmptyText = text: builtins.match "[[:space:]]*" text != null;

  mistakeIn = import ./json.nix;
  parse =
    shown: text:
    let
      mistake = mistakeIn text;
    in
    if isEmptyText text then
      { }
    else if mistake != null then
      fail "${shown} is no JSON, ${mistake}; ${refresh}"
    else
      builtins.addErrorContext "while reading ${shown}" (builtins.fromJSON text);

  isCount = value: builtins.isInt value && value >= 0;

  # A value's kind as knobs.json names it; null is always allowed and means unset.
  fits = {
    count = isCount;
    bytes = isCount;
    seconds = isCount;
    ratio = value: (builtins.isFloat value || builtins.isInt value) && value >= 0;
    flag = builtins.isBool;
    text = builtins.isString;
    choice = builtins.isString;
    list = value: builtins.isList value && builtins.all builtins.isString value;
  };
  wanted = {
    count = "a whole number of at least 0";
    bytes = "a size as a number of bytes";
    seconds = "a duration as a number of seconds";
    ratio = "a number";
    flag = "true or false";
    text = "a text";
    choice = "a text";
    list = "a list of texts";
  };

  checkKnob =
    place: id: value:
    let
      knob = knobs.${id} or (fail "${place} has no knob \"${id}\"; `ironwright settings` lists them all");
      inherit (knob) choices;
      allowed = item: choices == [ ] || builtins.elem item choices;
      listed = builtins.concatStringsSep ", " choices;
      isLow = knob.least != null && value < knob.least;
      isHigh = knob.most != null && value > knob.most;
      isName = builtins.match "[A-Za-z0-9][A-Za-z0-9._+-]*" value != null;
    in
    # Even where nothing is set the name must be one.
    if builtins.seq knob value == null then
      value
    else if !(fits.${knob.kind} value) then
      fail "${place}.${id} must be ${wanted.${knob.kind}}, found ${show value}"
    else if builtins.isInt value && (isLow || isHigh) then
      fail "${place}.${id} is ${
        if knob.most == null then
          "at least ${toString knob.least}"
        else
          "${toString knob.least} to ${toString knob.most}"
      }, found ${show value}"
    else if builtins.isString value && knob.name && !isName then
      fail "${place}.${id} is a name, found ${show value}"
    else if builtins.isString value && !(allowed value) then
      fail "${place}.${id} is one of ${listed}, found \"${value}\""
    else if builtins.isList value && !(builtins.all allowed value) then
      fail "${place}.${id} holds only ${listed}, found ${show value}"
    else
      value;

  checkSet =
    place: set:
    if builtins.isAttrs set then
      builtins.mapAttrs (checkKnob place) set
    else
      fail "${place} must be an attribute set, found ${typeOf set}";

  checkNames =
    place: list:
    if !(builtins.isList list) then
      fail "${place} must be a list of knobs, found ${typeOf list}"
    else
      map (
        id:
        if builtins.isString id && knobs ? ${id} then
          id
        else
          fail "${place} holds names of knobs, found ${show id}; `ironwright settings` lists them all"
      ) list;

  attrsOr =
    place: fallback: value:
    if value == null then
      fallback
    else if builtins.isAttrs value then
      value
    else
      fail "${place} must be an attribute set, found ${typeOf value}";

  # A set whose values are of a kind.
  checkValues =
    place: is: wanted: set:
    builtins.mapAttrs (
      name: value:
      if is value then value else fail "${place}.${name} must be ${wanted}, found ${show value}"
    ) set;

  isScalar = value: !(builtins.isAttrs value || builtins.isList value || builtins.isFunction value);
  isFact = value: isScalar value || (builtins.isList value && builtins.all isScalar value);
  isText = value: builtins.isString value;
  # Names of a processor, the best first, each with the version of a compiler that first knows it.
  isNamed =
    value:
    builtins.isList value
    && builtins.all (
      it: builtins.isAttrs it && isText (it.name or null) && isText (it.from or null)
    ) value;

  factsOf =
    value:
    checkValues "facts" isFact "a text, a number, true, false or a list of them" (
      attrsOr "facts" { } value
    );
  processorsOf =
    value: checkValues "processors" isNamed "a list of { name, from }" (attrsOr "processors" { } value);
  environmentOf =
    value:
    checkValues "environment" isText "a text" (attrsOr "environment" data.universal.environment value);
  nixConfOf =
    value:
    checkValues "nix-conf" isScalar "a text, a number, true or false" (
      attrsOr "nix-conf" data.universal."nix-conf" value
    );
  hostOf =
    value:
    if value == null || isText value then value else fail "host must be a text, found ${typeOf value}";

  # Reads whatever was given into an attribute set, and says where it came from.
  raw =
    given: host:
    if builtins.isAttrs given && !(given ? outPath) then
      {
        from = "settings";
        value = given;
      }
    else if builtins.isPath given || builtins.isString given || given ? outPath then
      file (if builtins.isAttrs given then given.outPath else given) host
    else
      fail "settings must be a file, a directory or an attribute set, found ${typeOf given}";

  file =
    path: host:
    let
      text = builtins.readFile path;
      shown = baseNameOf (toString path);
    in
    if builtins.isString path && builtins.substring 0 1 path != "/" then
      fail "settings is a text that is no path, ${show path}: write a path without quotes or from the root, or what `builtins.fromJSON` makes of a text"
    else if builtins.match ".*\\.toml" (toString path) != null then
      fail "${shown} is a profile, and the library reads resolved settings; ${refresh}"
    else if !(builtins.pathExists path) then
      fail "there is no ${toString path}; ${refresh}"
    else if isDirectory path then
      ofHost path host
    else
      {
        from = shown;
        value = parse shown text;
      };

  isDirectory = path: builtins.pathExists (toString path + "/.");

  # A host without a file gets the universal values: the same configuration serves any machine.
  ofHost =
    path: host:
    if host == null then
      fail "${toString path} is a directory: name the host whose settings are meant"
    else if builtins.pathExists (path + "/${host}.json") then
      file (path + "/${host}.json") host
    else
      {
        from = "the universal profile (there is no ${host}.json)";
        value = { };
      };

  known = [
    "kind"
    "schema"
    "program"
    "host"
    "facts"
    "settings"
    "chosen"
    "processors"
    "environment"
    "nix-conf"
    "packages"
  ];

  checkShape =
    from: value:
    let
      strangers = builtins.filter (name: !(builtins.elem name known)) (builtins.attrNames value);
      schema = value.schema or data.schema;
      looksLikeProfile = builtins.any (name: value ? ${name}) [
        "cpu"
        "memory"
        "build"
        "tools"
      ];
    in
    if !(builtins.isAttrs value) then
      fail "${from} must hold an attribute set, found ${typeOf value}"
    else if value.kind or data.kind != data.kind || looksLikeProfile then
      fail "${from} is not what `ironwright emit nix` writes; ${refresh}"
    else if !(builtins.isInt schema) || schema < 1 || schema > data.schema then
      fail "${from} has schema ${show schema}, and this library reads up to ${toString data.schema}: `ironwright emit nix --vendor --write` brings the one that fits"
    else if strangers != [ ] then
      fail "${from} has an unknown attribute \"${builtins.head strangers}\""
    else
      value;

  universal = builtins.mapAttrs (_: knob: knob.universal) knobs;

  levels = [
    "home"
    "system"
  ];

  package =
    settings: chosen: name: own:
    let
      place = "packages.${name}";
      strangers = builtins.attrNames (
        builtins.removeAttrs own [
          "settings"
          "chosen"
        ]
      );
      checkedOwn =
        if !(builtins.isAttrs own) then
          fail "${place} must be an attribute set, found ${typeOf own}"
        else if strangers != [ ] then
          fail "${place} has an unknown attribute \"${builtins.head strangers}\"; knobs stand in ${place}.settings"
        else
          own;
      set = checkSet place (checkedOwn.settings or { });
    in
    {
      settings = settings // set;
      own = checkNames "${place}.chosen" (checkedOwn.chosen or (builtins.attrNames set));
      chosen = chosen ++ checkNames "${place}.chosen" (checkedOwn.chosen or (builtins.attrNames set));
    };

  # { settings, host, level } -> what the overlays and modules take. Loading twice is loading once.
  load =
    {
      settings ? { },
      host ? null,
      level ? "home",
    }:
    let
      read = raw settings (hostOf host);
      value = checkShape read.from read.value;
      set = checkSet "settings" (attrsOr "settings" { } (value.settings or null));
      chosen = checkNames "chosen" (value.chosen or (builtins.attrNames set));
      all = universal // set;
      packages = builtins.mapAttrs (package all chosen) (attrsOr "packages" { } (value.packages or null));
      facts = factsOf (value.facts or null);
      processors = processorsOf (value.processors or null);
      environment = environmentOf (value.environment or null);
      nixConf = nixConfOf (value."nix-conf" or null);
      name = hostOf (value.host or host);
    in
    if !(builtins.elem level levels) then
      fail "level is \"home\" or \"system\", found ${show level}"
    else if builtins.isAttrs settings && settings ? ironwrightLoaded then
      settings // { inherit level; }
    else
      # A mistake in a knob that nobody asks for is a mistake as well.
      builtins.deepSeq
        [
          set
          chosen
          packages
          facts
          processors
          environment
          nixConf
          name
        ]
        {
          ironwrightLoaded = true;
          inherit level chosen packages;
          inherit
            facts
            processors
            environment
            nixConf
            ;
          inherit (read) from;
          host = name;
          settings = all;
          overlays = if all.nix-overlays == null then [ ] else all.nix-overlays;

          # The settings of one package: `get` a value, ask whether somebody chose it, for the host or
          # (`own`) for this very package.
          of =
            name:
            let
              mine =
                packages.${name} or {
                  settings = all;
                  inherit chosen;
                  own = [ ];
                };
            in
            {
              inherit name;
              get = id: mine.settings.${id};
              isChosen = id: builtins.elem id mine.chosen;
              isOwn = id: builtins.elem id mine.own;
              # What was chosen to change the result, for this very package or, of some knobs, for the host, and is
              # none of those that are applied.
              unused =
                {
                  applied,
                  expected ? [ ],
                }:
                builtins.filter (
                  id:
                  builtins.elem id mine.chosen
                  && knobs.${id}.class == "output"
                  && (builtins.elem id mine.own || builtins.elem id expected)
                  && !(builtins.elem id applied)
                  && mine.settings.${id} != knobs.${id}.universal
                ) names;
            };
        };
in
{
  inherit load universal names;

  # What an overlay was given: something loaded, or anything that `load` takes as settings.
  ensure =
    given:
    if builtins.isAttrs given && given ? ironwrightLoaded then given else load { settings = given; };
}
