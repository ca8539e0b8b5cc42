# Whether a text is JSON, and if not, in one sentence what is wrong with it and in which line: what Nix's
# own parser finds cannot be caught, and names no file.
#
# Does not know what the text means, and reads nothing from it.
let
  # A text in quotes, a mark, or a word; what lies between them is blank.
  tokens = builtins.split "(\"([^\"\\\\]|\\\\.)*\"|[][{}:,]|[^][{}:,\" \t\r\n]+)";
  marks = [
    "{"
    "}"
    "["
    "]"
    ":"
    ","
  ];
  kindOf =
    token:
    if builtins.substring 0 1 token == "\"" then
      "text"
    else if builtins.elem token marks then
      token
    else
      "word";

  isWord =
    token:
    builtins.match "true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?" token != null;
  # More than the numbers of Nix hold: an integer of 64 bits, or one of these with an exponent of three digits.
  isHuge =
    token:
    let
      digits = builtins.match "-?([0-9]{19,})" token;
      whole = builtins.head digits;
      isLong = builtins.stringLength whole > 19 || whole > "9223372036854775807";
    in
    (digits != null && isLong)
    || builtins.match ".*[eE][+-]?[0-9]{3,}" token != null
    || (digits == null && builtins.stringLength token > 40);
  # What may stand in a text; halves of a pair of surrogates only together.
  isText =
    token:
    let
      hex = "[0-9a-fA-F]";
      pair = "u[dD][89abAB]${hex}{2}\\\\u[dD][c-fC-F]${hex}{2}";
      single = "u([0-9a-ce-fA-CE-F]${hex}{3}|[dD][0-7]${hex}{2})";
    in
    builtins.match "\"([^\"\\\\[:cntrl:]]|\\\\([\"/bfnrt\\\\]|${single}|${pair}))*\"" token != null
    && builtins.match ".*\\\\u0000.*" token == null;
  isBlank = text: builtins.match "[ \t\r\n]*" text != null;
  # Enough of it to be found.
  shown =
    token:
    let
      line = builtins.replaceStrings [ "\n" "\r" ] [ " " " " ] token;
    in
    if builtins.stringLength line > 40 then "${builtins.substring 0 40 line} …" else line;
  byteOrderMark = builtins.fromJSON "\"\\ufeff\"";
  newlines = text: builtins.length (builtins.split "\n" text) / 2;

  top = state: if state.within == [ ] then null else builtins.head state.within;
  settled = within: if within == [ ] then "end" else "next";
  opened = mark: want: state: {
    inherit want;
    within = [ mark ] ++ state.within;
  };
  closed =
    state:
    let
      within = builtins.tail state.within;
    in
    {
      inherit within;
      want = settled within;
    };
  ended = state: { want = settled state.within; };
  to = want: _: { inherit want; };

  # What may follow, and what follows it.
  value = {
    text = ended;
    word = ended;
    "{" = opened "{" "key or end";
    "[" = opened "[" "value or end";
  };
  key.text = to "colon";
  moves = {
    inherit value key;
    "value or end" = value // {
      "]" = closed;
    };
    "key or end" = key // {
      "}" = closed;
    };
    colon.":" = to "value";
    end = { };
  };
  after = {
    "{" = {
      "," = to "key";
      "}" = closed;
    };
    "[" = {
      "," = to "value";
      "]" = closed;
    };
  };
  movesOf = state: if state.want == "next" then after.${top state} else moves.${state.want};

  wants =
    state:
    {
      value = "only a value";
      key = "only a name in quotes";
      "value or end" = "only a value or ]";
      "key or end" = "only a name in quotes or }";
      colon = "only a colon";
      end = "nothing";
      next = if top state == "{" then "only a comma or }" else "only a comma or ]";
    }
    .${state.want};

  begin = {
    want = "value";
    within = [ ];
    line = 1;
    wrong = null;
  };

  step =
    state: part:
    if state.wrong != null then
      state
    else if builtins.isString part then
      skip state part
    else
      take state (builtins.head part);

  skip =
    state: text:
    let
      line = state.line + newlines text;
    in
    # Only a quote that none follows is neither blank nor a token.
    if isBlank text then
      builtins.seq line (state // { inherit line; })
    else
      state // { wrong = "a quote is never closed"; };

  take =
    state: token:
    let
      kind = kindOf token;
      move = (movesOf state).${kind} or null;
    in
    if move == null then
      state // { wrong = "${wants state} may stand where ${shown token} does"; }
    else if kind == "text" && !(isText token) then
      state // { wrong = "${shown token} has a character or an escape that no text may have"; }
    else if kind == "word" && !(isWord token) then
      state // { wrong = "${shown token} is no value"; }
    else if kind == "word" && isHuge token then
      state // { wrong = "${shown token} is more than Nix can count"; }
    else
      state // move state;
in
# The mistake, or null.
text:
let
  last = builtins.foldl' step begin (tokens text);
in
if builtins.substring 0 (builtins.stringLength byteOrderMark) text == byteOrderMark then
  "it begins with a byte order mark; save it without one"
else if last.wrong != null then
  "line ${toString last.line}: ${last.wrong}"
else if last.want != "end" then
  "it is cut off where ${wants last} may follow"
else
  null
