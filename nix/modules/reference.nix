# The options as data, for the reference page: nothing of nixpkgs is needed.
#
# Does not know the page's form.
let
  types = {
    bool = "true or false";
    str = "text";
    path = "path";
    attrs = "attribute set";
    package = "package";
    ints = {
      unsigned = "whole number";
      positive = "whole number above 0";
    };
    nullOr = type: "${type} or null";
    either = first: second: "${first} or ${second}";
    listOf = type: "list of ${type}";
    attrsOf = type: "attribute set of ${type}";
    enum = words: builtins.concatStringsSep " | " words;
  };
  lib = {
    inherit types;
    mkOption = option: option // { isOption = true; };
  };
  loaded = (import ../lib).load { };
  options =
    level:
    import ./options.nix {
      inherit lib loaded level;
    };

  # Names sort as they are read.
  flat =
    prefix: set:
    builtins.concatLists (
      map (
        name:
        let
          value = set.${name};
          path = "${prefix}.${name}";
        in
        if value.isOption or false then
          [
            {
              name = path;
              inherit (value) type description;
              default =
                if value ? defaultText then
                  value.defaultText
                else if builtins.isAttrs value.default then
                  "{ }"
                else
                  "`${builtins.toJSON value.default}`";
            }
          ]
        else
          flat path value
      ) (builtins.attrNames set)
    );
in
{
  home-manager = flat "ironwright" (options "home");
  nixos = flat "ironwright" (options "system");
}
