//! Training and judging commands: that a profile is not judged by what it was made with.
//!
//! A program that is measured on its own training shows what it can gain at best, not what a user gets.
//! Does not know files; whoever reads them says which inputs commands have in common.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

/// How a judging command relates to a training command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// They do the same.
    Same,
    /// They do the same to different amounts, or differ in one word of many.
    Similar,
    /// They differ.
    Different,
}

/// A file that a command names, and what tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As the command writes it.
    pub written: String,
    /// Where it is, without links.
    pub path: String,
    /// Hash of its contents; absent of a directory.
    pub contents: Option<String>,
}

/// Words in common, of all words, from which on two commands are alike.
const ALIKE: f64 = 0.8;

/// Compares two commands after both were brought into one form.
pub fn relation(training: &str, judging: &str) -> Relation {
    let (a, b) = (normalised(training), normalised(judging));
    if a == b {
        return Relation::Same;
    }
    let numberless = |words: &[String]| words.iter().map(|w| without_digits(w)).collect::<Vec<_>>();
    let (words_a, words_b) = (set(&a), set(&b));
    let common = words_a.intersection(&words_b).count() as f64;
    let all = words_a.union(&words_b).count().max(1) as f64;
    if numberless(&a) == numberless(&b) || common / all >= ALIKE {
        return Relation::Similar;
    }
    Relation::Different
}

fn set(words: &[String]) -> BTreeSet<&str> {
    words.iter().map(String::as_str).collect()
}

fn without_digits(word: &str) -> String {
    word.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// The words of a command without quotes, where its output goes, and `./` in front of paths.
pub fn normalised(command: &str) -> Vec<String> {
    let plain = |word: String| word.strip_prefix("./").map_or(word.clone(), str::to_owned);
    words(command).into_iter().map(plain).collect()
}

/// All words of a command line, of each command in it, with what parts them (`|`, `;`, `&`). Files that
/// are read by `<` are words; those that output goes to are none.
pub fn words(line: &str) -> Vec<String> {
    let mut found = Found::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => found.word().extend(rest.next()),
            '\'' | '"' => found.word().extend(rest.by_ref().take_while(|other| *other != c)),
            c if c.is_whitespace() => found.end(),
            '<' => found.end(),
            '>' => {
                found.redirect();
                while rest.next_if(|c| matches!(c, '>' | '&')).is_some() {}
            }
            '|' | ';' | '&' => {
                found.end();
                // `&>` sends output somewhere, as `>` does.
                if rest.peek() != Some(&'>') {
                    found.words.push(c.to_string());
                }
            }
            c => found.word().push(c),
        }
    }
    found.end();
    found.words
}

#[derive(Default)]
struct Found {
    words: Vec<String>,
    open: Option<String>,
    /// The next word is where output goes.
    redirected: bool,
}

impl Found {
    fn word(&mut self) -> &mut String {
        self.open.get_or_insert_default()
    }

    fn end(&mut self) {
        let Some(word) = self.open.take() else { return };
        if !std::mem::take(&mut self.redirected) {
            self.words.push(word);
        }
    }

    /// A number right in front says which stream, and is no word.
    fn redirect(&mut self) {
        if self.open.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.open = None;
        }
        self.end();
        self.redirected = true;
    }
}

/// Inputs that both have: the same file, one inside the other's directory, or equal contents. Given as
/// the judging command writes it.
pub fn shared<'a>(training: &[Input], judging: &'a [Input]) -> Vec<&'a Input> {
    let inside = |path: &str, directory: &str| {
        path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let same = |a: &Input, b: &Input| {
        inside(&a.path, &b.path)
            || inside(&b.path, &a.path)
            || (a.contents.is_some() && a.contents == b.contents)
    };
    judging.iter().filter(|b| training.iter().any(|a| same(a, b))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_command_is_seen_through_its_dress() {
        for (a, b) in [
            ("{program} -c a.txt", "{program}  -c 'a.txt'"),
            ("{program} -c a.txt", "{program} -c ./a.txt > /dev/null"),
            ("{program} -c a.txt >/dev/null 2>&1", "{program} -c a.txt >> out"),
            ("{program} < a.txt | wc -l &> /dev/null", "{program} <'a.txt'  |  wc -l"),
        ] {
            assert_eq!(relation(a, b), Relation::Same, "{a} | {b}");
        }
    }

    #[test]
    fn another_amount_is_similar_and_another_task_differs() {
        assert_eq!(relation("{program} 1000", "{program} 2000"), Relation::Similar);
        assert_eq!(relation("{program} -9 a.txt", "{program} -d b.z"), Relation::Different);
        assert_eq!(relation("{program} a > b", "{program} c > b"), Relation::Different);
        assert_eq!(relation("cat a | {program}", "cat a | {program} | wc"), Relation::Similar);
        let long = "{program} -a -b -c -d -e -f -g";
        assert_eq!(relation(&format!("{long} x"), &format!("{long} -h x")), Relation::Similar);
    }

    #[test]
    fn inputs_are_shared_by_place_or_contents() {
        let input = |path: &str, contents: Option<&str>| Input {
            written: path.to_owned(),
            path: path.to_owned(),
            contents: contents.map(str::to_owned),
        };
        let training = [input("/data/train", None), input("/a", Some("x"))];
        let judging = [
            input("/data/train/1", Some("1")),
            input("/data/trainer", Some("2")),
            input("/b", Some("x")),
        ];
        let found: Vec<_> = shared(&training, &judging).iter().map(|i| i.path.as_str()).collect();
        assert_eq!(found, ["/data/train/1", "/b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(a in "\\PC{0,80}", b in "\\PC{0,80}") {
            let _ = relation(&a, &b);
            prop_assert_eq!(relation(&a, &a), Relation::Same);
        }
    }
}
