# Whether a text is JSON, and if not, in one sentence what is wrong with it and in which line: what Nix's
# own parser finds cannot be caught, and names no file.
#
# Does not know what the text means, and reads nothing from it.
let
  # A text in quotes, a mark, or a word; what lies between them is blank.
  tokens = builtins.split "(\"([^\"\\\\]|\\\\.)*\"|[][{}:,]|[^][{}:,\"[:space:]]+)";
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
    token: builtins.match "true|false|null|-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?" token != null;
  # More digits than the integers of Nix have.
  isHuge = token: builtins.match "-?[0-9]{19,}" token != null;
  isBlank = text: builtins.match "[[:space:]]*" text != null;
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
      state // { wrong = "${wants state} may stand where ${token} does"; }
    else if kind == "word" && !(isWord token) then
      state // { wrong = "${token} is no value"; }
    else if kind == "word" && isHuge token then
      state // { wrong = "${token} is more than Nix can count"; }
    else
      state // move state;
in
# The mistake, or null.
text:
let
  last = builtins.foldl' step begin (tokens text);
in
if last.wrong != null then
  "line ${toString last.line}: ${last.wrong}"
else if last.want != "end" then
  "it is cut off where ${wants last} may follow"
else
  null
