# The value of a profile, with a mark where something is no data, so that one attribute does not take the others
# with it. `at` names a part by its path. A profile that is a function is called with what it asks for, as far
# as that is known here.
{
  path,
  at ? "[]",
}:
let
  mark.ironwright-opaque = true;
  value = import (/. + path);

  # What profiles use of nixpkgs' lib; all of it where nixpkgs is on the search path.
  few = {
    mkDefault = it: it;
    mkForce = it: it;
    mkOverride = _: it: it;
    min = a: b: if a < b then a else b;
    max = a: b: if a > b then a else b;
    optional = condition: it: if condition then [ it ] else [ ];
    optionals = condition: list: if condition then list else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";
    recursiveUpdate = a: b: a // b;
  };
  found = builtins.tryEval (import <nixpkgs/lib>);
  lib = if found.success then found.value else few;
  known = {
    inherit lib;
    pkgs = { inherit lib; };
    config = { };
  };
  called =
    if builtins.isFunction value then
      value (builtins.intersectAttrs (builtins.functionArgs value) known)
    else
      value;
  part = builtins.foldl' (set: name: set.${name}) called (builtins.fromJSON at);

  # mkDefault and its like wrap what is meant.
  isWrapped = it: it ? _type && it ? content;
  isPackage = it: it ? outPath || (it.type or null) == "derivation";
  deepest = 16;
  data =
    depth: it:
    let
      tried = builtins.tryEval it;
      known = tried.value;
    in
    if !tried.success || depth > deepest || builtins.isFunction known then
      mark
    else if builtins.isAttrs known then
      if isWrapped known then
        data depth known.content
      else if isPackage known then
        mark
      else
        builtins.mapAttrs (_: data (depth + 1)) known
    else if builtins.isList known then
      map (data (depth + 1)) known
    else if builtins.isPath known then
      toString known
    else
      known;
in
data 0 part
