# The functions behind the overlays; builtins only, so that any nixpkgs will do.
#
# Does not know packages, except for the table of libraries.
let
  checked = import ./load.nix;
  flags = import ./flags.nix;
  tuning = import ./tune.nix;
in
{
  inherit (checked)
    ensure
    load
    names
    universal
    ;
  inherit (flags)
    compileFlags
    compileKnobs
    compilerOf
    linkFlags
    processorFor
    ;
  inherit (tuning)
    changes
    clampJobs
    telling
    tune
    ;
  libraries = import ./libraries.nix;
  languages = import ./languages.nix;
  stages = import ./stages.nix;
}
