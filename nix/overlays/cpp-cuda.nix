# `mkCppOverrides name` for packages written in C, C++ and CUDA.
#
# Changes no package by itself. Does not know packages; a host without a GPU gets no word about CUDA.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
in
final: _: {
  inherit
    (library.languages {
      inherit loaded;
      pkgs = final;
    })
    mkCppOverrides
    ;
}
