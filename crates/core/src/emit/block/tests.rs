//! Tests of the managed block: whose keys win, what is restored, and any text at all.
//! Does not read or write files: texts go in and come out.

use proptest::prelude::*;

use super::*;

const ALL: [Syntax; 5] =
    [Syntax::NixConf, Syntax::Npmrc, Syntax::GoEnv, Syntax::Shell, Syntax::Dotenv];

fn emit(syntax: Syntax, before: &str, entries: &[Entry]) -> Edited {
    block(syntax, "test", Some(before), entries).expect("emits")
}

/// Emits, checks that a second time changes nothing and that taking the entries out again restores
/// the text.
fn emit_and_restore(syntax: Syntax, before: &str, entries: &[Entry]) -> Edited {
    let once = emit(syntax, before, entries);
    assert_eq!(emit(syntax, &once.text, entries), once, "idempotent");
    assert_eq!(emit(syntax, &once.text, &[]).text, before, "restored from\n{}", once.text);
    once
}

fn nix() -> Vec<Entry> {
    vec![
        Entry::new("max-jobs", "2").because("2 builds x 4 cores"),
        Entry::new("cores", "4"),
        Entry::new("extra-experimental-features", "nix-command flakes"),
    ]
}

#[test]
fn nix_conf() {
    let before =
        "# mine\nsubstituters = https://cache.example\nexperimental-features = nix-command\n";
    insta::assert_snapshot!(emit_and_restore(Syntax::NixConf, before, &nix()).text, @"
        # mine
        substituters = https://cache.example
        experimental-features = nix-command

        # >>> ironwright: written by `ironwright emit test`, changes in here are replaced
        # 2 builds x 4 cores
        max-jobs = 2
        cores = 4
        extra-experimental-features = nix-command flakes
        # <<< ironwright
        ");
}

#[test]
fn npmrc_block_stands_in_front_of_a_section() {
    let entries = [Entry::new("maxsockets", "8"), Entry::new("cache", "/a b;c")];
    let before = "; mine\nregistry=https://r.example/\n\n[other]\nmaxsockets=1\n";
    insta::assert_snapshot!(emit_and_restore(Syntax::Npmrc, before, &entries).text, @r#"
        ; mine
        registry=https://r.example/


        # >>> ironwright: written by `ironwright emit test`, changes in here are replaced
        maxsockets=8
        cache="/a b;c"
        # <<< ironwright
        [other]
        maxsockets=1
        "#);
}

#[test]
fn go_env_lines_never_end_in_a_carriage_return() {
    let entries =
        [Entry::new("GOAMD64", "v3").because("psABI level 3"), Entry::new("GOFLAGS", "-p=6")];
    let edited = emit_and_restore(Syntax::GoEnv, "GOPROXY=direct\n", &entries);
    insta::assert_snapshot!(edited.text, @"
        GOPROXY=direct

        # >>> ironwright: written by `ironwright emit test`, changes in here are replaced
        # psABI level 3
        GOAMD64=v3
        GOFLAGS=-p=6
        # <<< ironwright
        ");
    let crlf = emit_and_restore(Syntax::GoEnv, "GOPROXY=direct\r\nGOFLAGS=-p=6\r\n", &entries);
    assert!(crlf.text.contains("GOAMD64=v3\n"), "{}", crlf.text);
    assert_eq!(crlf.kept.len(), 1, "`-p=6\\r` is another value than `-p=6`");
}

#[test]
fn shell_files() {
    let entries = [Entry::new("A", "it's $HOME"), Entry::new("B", "2"), Entry::new("C", "x")];
    let before = "export B=\"2\" # mine\n  C='y'\necho A=1";
    let shell = emit_and_restore(Syntax::Shell, before, &entries);
    insta::assert_snapshot!(shell.text, @r#"
        export B="2" # mine
          C='y'
        echo A=1

        # >>> ironwright: written by `ironwright emit test`, changes in here are replaced
        export A='it'\''s $HOME'
        # <<< ironwright
        "#);
    let kept = Kept { key: "C".into(), line: 2, theirs: "y".into(), ours: "x".into() };
    assert_eq!(shell.kept, [kept]);
    let dotenv = emit_and_restore(Syntax::Dotenv, "", &entries);
    assert!(dotenv.text.contains("\nA=\"it's \\$HOME\"\n"), "{}", dotenv.text);
}

#[test]
fn an_absent_file_without_entries_stays_absent() {
    let change = block(Syntax::Npmrc, "node", None, &[]).expect("emits").for_file(".npmrc", None);
    assert!(change.is_current());
}

#[test]
fn keys_of_the_user_win_wherever_they_stand() {
    let text = emit(Syntax::NixConf, "", &nix()).text;
    let with_own = format!("{text}\nmax-jobs = 1\nbuild-cores = 4 # alias\n");
    let edited = emit(Syntax::NixConf, &with_own, &nix());
    let kept = Kept { key: "max-jobs".into(), line: 5, theirs: "1".into(), ours: "2".into() };
    assert_eq!(edited.kept, [kept]);
    assert!(!edited.text.contains("\ncores = 4") && !edited.text.contains("max-jobs = 2"));
    assert_eq!(edited.text.lines().nth(4), Some("max-jobs = 1"), "{}", edited.text);
}

#[test]
fn later_lines_win_in_nix_conf() {
    let two = [Entry::new("cores", "4")];
    assert_eq!(emit(Syntax::NixConf, "cores = 2\ncores = 4\n", &two).kept, []);
    let kept = emit(Syntax::NixConf, "cores = 4\ncores = 2\n", &two).kept;
    assert_eq!((kept[0].line, kept[0].theirs.as_str()), (2, "2"));
}

#[test]
fn extra_keys_add_up_in_nix_conf() {
    let features = |key: &str| [Entry::new(key, "flakes nix-command")];
    let extra = features("extra-experimental-features");
    let plain = features("experimental-features");
    let both = "experimental-features = flakes\nextra-experimental-features = nix-command\n";
    assert_eq!(emit(Syntax::NixConf, both, &extra).text, both, "already there");
    assert_eq!(emit(Syntax::NixConf, both, &plain), Edited { text: both.into(), kept: Vec::new() });
    let one = "extra-experimental-features = flakes\n";
    assert!(
        emit(Syntax::NixConf, one, &extra)
            .text
            .contains("\nextra-experimental-features = flakes nix")
    );
    let edited = emit(Syntax::NixConf, one, &plain);
    assert_eq!(edited.text, one, "a plain line would take the user's word back");
    assert_eq!(edited.kept[0].key, "extra-experimental-features");
}

#[test]
fn npmrc_comments_lists_and_quotes_are_read() {
    let read = |line| Syntax::Npmrc.parse(line);
    let pair = |key: &str, value: &str| Some((key.to_owned(), value.to_owned()));
    assert_eq!(read("; a=1"), None);
    assert_eq!(read(" a = b ; c"), pair("a", "b"));
    assert_eq!(read(r"a=b\;c\x"), pair("a", r"b;c\x"));
    assert_eq!(read("a=\" b;\\\"\""), pair("a", " b;\""));
    assert_eq!(read("offline"), pair("offline", "true"));
    let kept = emit(Syntax::Npmrc, "omit[]=dev\n", &[Entry::new("omit", "optional")]).kept;
    assert_eq!((kept[0].key.as_str(), kept[0].theirs.as_str()), ("omit[]", "dev"));
}

#[test]
fn go_ignores_lines_that_do_not_start_with_a_capital() {
    let text = emit(Syntax::GoEnv, " GOFLAGS=1\ngOFLAGS=1\n", &[Entry::new("GOFLAGS", "2")]).text;
    assert!(text.contains("\nGOFLAGS=2\n"), "{text}");
}

#[test]
fn broken_marks_are_never_guessed_about() {
    let begin = "# >>> ironwright: written by `ironwright emit x`, changes in here are replaced";
    for (text, line) in [
        (format!("a=1\n{begin}\nb=2\n"), 2),
        ("a=1\n\n# <<< ironwright\n".to_owned(), 3),
        (format!("# <<< ironwright\n{begin}\n"), 1),
        (format!("{begin}\n{begin}\n# <<< ironwright\n"), 2),
        (format!("{begin}\n# <<< ironwright\n{begin}\n# <<< ironwright\n"), 3),
        (format!("{begin}\n# <<< ironwright and more\n"), 1),
    ] {
        let error = block(Syntax::Npmrc, "x", Some(&text), &[]).expect_err(&text);
        assert_eq!(error.line(), Some(line), "{text}");
    }
}

#[test]
fn what_has_no_spelling_is_refused() {
    for (syntax, key, value) in [
        (Syntax::NixConf, "a b", "1"),
        (Syntax::NixConf, "a", "b # c"),
        (Syntax::NixConf, "a", "b\nc"),
        (Syntax::Npmrc, "a\n# <<< ironwright", "1"),
        (Syntax::Npmrc, "#a", "1"),
        (Syntax::GoEnv, "a", "1"),
        (Syntax::Shell, "A-B", "1"),
        (Syntax::Dotenv, "", "1"),
    ] {
        let error = block(syntax, "x", None, &[Entry::new(key, value)]).expect_err(key);
        assert!(matches!(error, EmitError::Unwritable { .. }), "{error}");
    }
}

#[test]
fn an_explanation_cannot_end_the_block() {
    for why in [">>> ironwright", "<<< ironwright", "x\n# <<< ironwright"] {
        let entries = [Entry::new("A", "1").because(why)];
        for syntax in ALL {
            emit_and_restore(syntax, "# x\n", &entries);
        }
    }
}

fn file() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "",
        "# c",
        "; c",
        "A=1",
        "A = 2",
        "export A='1'",
        "[s]",
        "extra-A = 3",
        "A[]=1",
        "B=x y",
        " B=z",
        "C",
        "é = ü",
        "A=\"1\"",
        "# >>> other",
        "=",
    ]);
    let lines = prop::collection::vec(line, 0..7);
    (lines, any::<bool>(), any::<bool>()).prop_map(|(lines, crlf, newline)| {
        let text = lines.join("\n") + if newline { "\n" } else { "" };
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

fn some_entries() -> Vec<Entry> {
    vec![Entry::new("A", "1").because("why"), Entry::new("D", "4")]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_never_panics(text in any::<String>(), key in any::<String>(), value in any::<String>()) {
        for syntax in ALL {
            let _ = block(syntax, "x", Some(&text), &[Entry::new(key.clone(), value.clone())]);
        }
    }

    #[test]
    fn files_survive_and_come_back(before in file()) {
        for syntax in ALL {
            let edited = emit_and_restore(syntax, &before, &some_entries());
            for line in before.lines() {
                prop_assert!(edited.text.lines().any(|l| l == line));
            }
        }
    }

    #[test]
    fn any_one_line_value_is_written_where_there_are_quotes(value in "[^\n\r\0]{0,12}") {
        for syntax in [Syntax::Shell, Syntax::Dotenv, Syntax::Npmrc, Syntax::GoEnv] {
            let entry = Entry::new("A", value.clone());
            prop_assert!(syntax.render(&entry).is_ok(), "{:?} {:?}", syntax, value);
        }
    }

    #[test]
    fn a_block_is_replaced_in_place(before in file(), after in file()) {
        for syntax in ALL {
            let text = emit(syntax, "", &some_entries()).text;
            let inside = format!("{before}\n{text}{after}");
            let other = emit(syntax, &inside, &[Entry::new("D", "5")]).text;
            prop_assert!(other.starts_with(&before) && other.ends_with(&after), "{}", other);
            let none = emit(syntax, &inside, &[]).text;
            prop_assert!(none.starts_with(before.trim_end()) && none.ends_with(after.trim_start()));
        }
    }
}
