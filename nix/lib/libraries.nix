# System libraries, and how far each may be changed.
#
#   bootstrap  everything is built with or linked to it: one change rebuilds the whole set, and inputs of
#              its own would close a circle. Only for NixOS, which rebuilds the whole set anyway.
#   fetch      what fetchurl is made of: flags are safe, inputs of its own close a circle.
#   free       flags and inputs.
#
# `lto = false` where link-time optimisation is known to break the library. Does not know flags.
let
  bootstrap = reason: {
    kind = "bootstrap";
    inherit reason;
    lto = false;
  };
  fetch = {
    kind = "fetch";
    lto = true;
  };
  free = {
    kind = "free";
    lto = true;
  };
in
rec {
  table = {
    glibc = bootstrap "every program and the compiler itself are linked with it";
    zlib = bootstrap "the compiler, binutils and fetchurl are linked with it";

    brotli = fetch;
    bzip2 = fetch;
    c-ares = fetch;
    curl = fetch;
    expat = fetch;
    libidn2 = fetch;
    libssh2 = fetch;
    libunistring = fetch;
    nghttp2 = fetch;
    openssl = fetch // {
      # Assembly and symbol versions do not survive it.
      lto = false;
    };
    pcre2 = fetch;
    sqlite = fetch;
    xz = fetch;
    zstd = fetch;

    freetype = free;
    harfbuzz = free;
    lame = free;
    libaom = free;
    libdeflate = free;
    libgcrypt = free // {
      lto = false;
    };
    libjpeg_turbo = free;
    libjpeg = free;
    libopus = free;
    libpng = free;
    libsodium = free;
    libvorbis = free;
    libvpx = free;
    libwebp = free;
    libxml2 = free;
    lz4 = free;
    nettle = free // {
      lto = false;
    };
    snappy = free;
    zlib-ng = free;
  };

  names = builtins.attrNames table;

  # Why a package may not be changed at a level, or null.
  refusal =
    level: name:
    let
      library = table.${name} or free;
    in
    if library.kind == "bootstrap" && level != "system" then
      "${name} is part of what everything is bootstrapped from: ${library.reason}; changing it is for NixOS, not for one home"
    else
      null;

  # What home-manager would change and may not.
  refusedAt = level: builtins.filter (name: refusal level name != null) names;
}
