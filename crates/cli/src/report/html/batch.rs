//! Several runs of one command as a page: what was predicted for each against what it took.
//!
//! Does not know how a report is derived.

use ironwright_core::report::{Batch, Judged, Report, Standing};

use super::estimates::strip;
use super::parts::{escape, section, share};
use super::{document, started, tile};
use crate::report::batch::{judgement, name};
use crate::report::phrases::{bytes, ending, seconds, took};

/// The page.
pub(crate) fn batch_page(batch: &Batch) -> String {
    let first = batch.runs.first().map_or(0, |run| run.started_unix_us);
    let title = format!("{} of {} packages built", batch.done, batch.runs.len());
    let about = batch.runs.first().and_then(|run| run.host.clone());
    let about = about.map_or_else(String::new, |host| format!(" on {}", escape(&host)));
    let head = format!(
        "<header>\n<p class=\"kicker\">{}{about}</p>\n<h1>{title}</h1>\n</header>\n",
        escape(&started(first))
    );
    let body = [head, tiles(batch), table(batch), notes()].concat();
    document(&title, &body, "")
}

fn tiles(batch: &Batch) -> String {
    let judged = match batch.judged {
        0 => ("–".to_owned(), "no earlier build of any of them ended well"),
        judged => (format!("{} of {judged}", batch.kept), "time and peak inside their ranges"),
    };
    let out = [
        tile("as predicted", &judged.0, judged.1),
        tile("time", &seconds(batch.seconds), "of all, one after the other"),
        tile("peak memory", &batch.peak.to_string(), "of the largest"),
        tile("packages", &batch.done.to_string(), "ended well"),
    ];
    format!("<dl class=\"tiles\">\n{}</dl>\n", out.concat())
}

fn table(batch: &Batch) -> String {
    let longest = batch.runs.iter().map(|run| run.summary.wall.as_secs_f64()).fold(0.0, f64::max);
    let rows: Vec<_> = batch.runs.iter().map(|run| row(run, longest)).collect();
    let head = "<tr><th class=\"num\">run</th><th>package</th><th>outcome</th><th class=\"num\">time</th><th>time in its range</th><th class=\"num\">peak</th><th>peak in its range</th><th class=\"num\">disk</th><th></th></tr>";
    let inner = format!(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"batch\">\n<thead>{head}</thead>\n<tbody>\n{}</tbody>\n</table></div>\n",
        rows.concat()
    );
    section("packages", "Packages", &inner)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds")]
fn row(run: &Report, longest: f64) -> String {
    let sizes = |value: f64| bytes(value).to_string();
    let kind = match (run.standing, run.summary.exit_code) {
        (Standing::Finished, Some(0)) => "good",
        (Standing::Running, _) => "now",
        _ => "bad",
    };
    let ranges = run.ranges.as_ref();
    let millis = |seconds: f64| (seconds * 1000.0) as u64;
    let bar = share(millis(run.summary.wall.as_secs_f64()), millis(longest));
    let verdict = judgement(run);
    let class = if verdict == "inside" { "inside" } else { "outside" };
    let chip = match verdict {
        "" => String::new(),
        text => format!("<span class=\"chip {class}\">{text}</span>"),
    };
    format!(
        "<tr><td class=\"num\">{}</td><td class=\"name\">{}<small>{}</small></td><td><span class=\"chip {kind}\">{}</span></td>\
         <td class=\"num\">{}<span class=\"length\" aria-hidden=\"true\"><i style=\"width:{bar}\"></i></span></td>\
         <td>{}</td><td class=\"num\">{}</td><td>{}</td><td class=\"num\">{}</td><td>{chip}</td></tr>\n",
        run.run,
        escape(name(run)),
        escape(&run.what),
        escape(&ending(run)),
        escape(&took(run)),
        range(ranges.map(|r| &r.wall), &seconds),
        escape(&run.summary.peak_tree.to_string()),
        range(ranges.map(|r| &r.peak), &sizes),
        escape(&run.disk.map_or_else(String::new, |disk| disk.written.to_string())),
    )
}

fn range(judged: Option<&Judged>, show: &dyn Fn(f64) -> String) -> String {
    let Some(judged) = judged else { return "<small>no earlier build</small>".to_owned() };
    format!(
        "{}<small>{} – {}</small>",
        strip(judged),
        escape(&show(judged.low)),
        escape(&show(judged.high))
    )
}

fn notes() -> String {
    let text = "<p>The ranges are those that <code>ironwright plan</code> gave before these builds: nineteen of \
        twenty lie inside. Ticks are earlier builds, the dot is this one. <code>ironwright report RUN --html FILE</code> \
        writes a page with the units of one build.</p>\n";
    section("notes", "How to read this", text)
}
