//! Renderings of a report: the text as it is, the page as a browser takes it, the trace as Perfetto
//! does.
//!
//! Does not judge looks.

use std::collections::BTreeMap;

use ironwright_core::observe::cache::CacheUse;
use serde_json::Value;

use super::html::page;
use super::sample::{bare, report};
use super::text::text;

fn trace(report: &ironwright_core::report::Report) -> Value {
    super::trace::trace(std::slice::from_ref(report))
}

const HOSTILE: &str = "</script><b onload=\"x\">&amp;'\u{1}";

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_text_tells_all_that_is_known() {
    insta::assert_snapshot!(plain(&text(&report("src/parser.cpp"))));
}

#[test]
fn the_text_of_a_run_without_units_is_short() {
    insta::assert_snapshot!(plain(&text(&bare())));
}

#[test]
fn a_hit_rate_is_told_only_if_it_is_known() {
    let mut report = bare();
    let used = |hits, misses| Some(CacheUse { tool: "ccache".to_owned(), hits, misses });
    report.cache = used(3, 1);
    assert!(text(&report).contains("75 % (ccache answered 3 of 4)"));
    assert!(page(&report).unwrap().contains("ccache answered 3 of 4"));
    report.cache = used(0, 0);
    assert!(text(&report).contains("unused (ccache was not asked)"));
}

/// Elements that are never closed.
const VOID: [&str; 3] = ["meta", "input", "br"];

/// Checks that every element is closed where it should be, and gives their names. The text of
/// scripts and styles ends at their end tag, whatever it holds.
fn elements(page: &str) -> Vec<String> {
    let (mut open, mut all) = (Vec::<String>::new(), Vec::new());
    let mut rest = page.strip_prefix("<!doctype html>").unwrap();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in <{tag}>");
        if tag.starts_with('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name.as_str()),
                "before {}",
                &rest[..60.min(rest.len())]
            );
            continue;
        }
        all.push(name.clone());
        if VOID.contains(&name.as_str()) || tag.ends_with('/') {
            continue;
        }
        if ["script", "style"].contains(&name.as_str()) {
            let end = format!("</{name}>");
            rest = &rest[rest.find(&end).unwrap() + end.len()..];
            continue;
        }
        open.push(name);
    }
    assert_eq!(open, Vec::<String>::new());
    all
}

#[test]
fn the_page_is_well_formed_with_any_label() {
    for report in [report("src/parser.cpp"), report(HOSTILE), bare()] {
        let all = elements(&page(&report).unwrap());
        let count = |name: &str| all.iter().filter(|one| *one == name).count();
        assert_eq!((count("h1"), count("script"), count("style")), (1, 2, 1));
    }
}

#[test]
fn a_hostile_label_stays_text() {
    let page = page(&report(HOSTILE)).unwrap();
    assert!(!page.contains("<b onload") && !page.contains("</script><b"));
    assert!(page.contains("&lt;/script&gt;&lt;b onload=&quot;x&quot;&gt;"));
    assert!(page.contains("\\u003c/script\\u003e\\u003cb onload"));
    assert_eq!(elements(&page), elements(&super::html::page(&report("plain")).unwrap()));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = page(&report("src/parser.cpp")).unwrap();
    for outside in ["http:", "https:", "url(", "@import", " src=", "<link", "srcset", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_holds_what_its_script_reads() {
    let page = page(&report("src/parser.cpp")).unwrap();
    let data = page.split("id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["span"], 7_200_000);
    assert_eq!(
        data["points"][0],
        serde_json::json!([600_000, 314_572_800, 0, 629_145_600, 1.5, 1, 0, 1])
    );
    assert_eq!(data["units"][0][0], "src/parser.cpp");
    let mut ids: Vec<&str> =
        page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "ids are unique");
    for wanted in include_str!("html/page.js").split("at(\"").skip(1) {
        let id = wanted.split('"').next().unwrap();
        assert!(ids.contains(&id), "{id}");
    }
}

#[test]
fn a_trace_has_tracks_without_overlaps_in_the_order_of_time() {
    let trace = trace(&report(HOSTILE));
    let events = trace["traceEvents"].as_array().unwrap();
    let mut last = 0;
    let mut ends: BTreeMap<u64, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        let kind = event["ph"].as_str().unwrap();
        *kinds.entry(kind).or_default() += 1;
        assert!(event["pid"].is_u64() && event["tid"].is_u64());
        if kind == "M" {
            continue;
        }
        let at = event["ts"].as_u64().unwrap();
        assert!(at >= last);
        last = at;
        if kind == "X" {
            let end = ends.entry(event["tid"].as_u64().unwrap()).or_default();
            assert!(at >= *end, "{event}");
            *end = at + event["dur"].as_u64().unwrap();
        }
        if kind == "C" {
            assert!(event["args"].as_object().unwrap().values().all(Value::is_number));
        }
    }
    // One process and two slots; runs, a pause and runs again; a pause, an eviction, a kernel kill.
    assert_eq!((kinds["M"], kinds["X"], kinds["i"], kinds["C"]), (3, 6, 3, 16));
    let text = serde_json::to_string(&trace).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), trace);
}

#[test]
fn several_runs_are_one_table_and_one_trace() {
    use ironwright_core::report::Batch;
    let mut late = report(HOSTILE);
    (late.run, late.package) = (8, Some(HOSTILE.to_owned()));
    late.started_unix_us += 60_000_000;
    let batch = Batch::of(vec![report("a.c"), late, bare()]);
    assert_eq!((batch.done, batch.judged), (3, 2));
    let text = plain(&super::text::batch(&batch));
    assert!(text.starts_with("3 packages: 3 done"), "{text}");
    let verdict = format!("{} of 2 took the time and the memory", batch.kept);
    assert!(text.contains(&verdict), "{text}");
    let page = super::html::batch_page(&batch);
    let all = elements(&page);
    assert_eq!(all.iter().filter(|one| *one == "tr").count(), 4);
    assert!(!page.contains("<b onload") && page.contains("default-src 'none'"));
    let trace = super::trace::trace(&batch.runs);
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |pid: u64| events.iter().filter(move |e| e["pid"] == pid && e["ph"] == "X");
    assert_eq!((of(1).count(), of(2).count()), (6, 6));
    assert!(of(2).all(|event| event["ts"].as_u64().unwrap() >= 60_000_000));
}

#[test]
fn a_run_that_was_over_at_once_has_no_empty_chart() {
    let mut report = bare();
    report.span_us = 9000;
    report.memory.clear();
    let page = page(&report).unwrap();
    assert!(page.contains("over before anybody looked") && !page.contains("class=\"chart\""));
    elements(&page);
}

#[test]
fn a_trace_of_nothing_is_a_trace() {
    let trace = trace(&bare());
    assert_eq!(trace["traceEvents"].as_array().map(Vec::len), Some(1));
}
