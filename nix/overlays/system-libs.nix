# System libraries for the host's processor: flags after what each package sets itself.
#
# Does not know which flags pay, nor in which stages of the bootstrap they hold.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
  inherit (library) libraries;
in
final: prev:
let
  stages = library.stages { inherit loaded prev; };
  inherit (stages) pick;

  present = builtins.filter (name: prev ? ${name}) libraries.names;
  isWanted = name: (loaded.libraries or null) == null || builtins.elem name loaded.libraries;
  allowed = builtins.filter (
    name: isWanted name && libraries.refusal loaded.level name == null
  ) present;

  changesOf =
    name:
    let
      package = loaded.of name;
      about = libraries.table.${name};
      link = library.linkFlags {
        inherit package;
        pkgs = prev;
      };
    in
    {
      pkgs = prev;
      append = {
        NIX_CFLAGS_COMPILE = library.compileFlags {
          inherit loaded package;
          inherit (prev) stdenv;
          inherit (about) lto;
        };
        NIX_CFLAGS_LINK = if link == null then [ ] else link.flags;
      };
      inputs = if link == null then [ ] else link.inputs;
    };
  unusedOf =
    name:
    (loaded.of name).unused {
      applied =
        library.compileKnobs
        ++ (if libraries.table.${name}.lto then [ "c-lto" ] else [ ])
        ++ (if (changesOf name).append.NIX_CFLAGS_LINK == [ ] then [ ] else [ "linker" ]);
    };
in
stages.changed allowed (
  name: package:
  library.telling name (unusedOf name) (library.tune (changesOf name // { inherit package; }))
)
// {
  # What was done, and what was refused and why.
  ironwrightReport = (prev.ironwrightReport or { }) // {
    system-libs = pick present (
      name:
      let
        reason =
          if isWanted name then libraries.refusal loaded.level name else "the host did not ask for it";
      in
      if reason == null then
        {
          applied = true;
          inherit (changesOf name) append;
        }
      else
        {
          applied = false;
          inherit reason;
        }
    );
  };
}
