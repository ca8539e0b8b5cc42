//! A report as a page: one file with everything in it, which needs no network.
//!
//! All of it is readable without its script, which adds zooming, hints and sorting. Does not know how
//! a report is derived.

mod batch;
mod chart;
mod data;
mod estimates;
mod parts;
mod units;
mod waits;

use ironwright_core::report::{Report, Standing};
use ironwright_core::units::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use self::batch::batch_page;
use self::parts::{escape, plural, section};
use super::phrases::{cache, ending, percent, seconds, time, took};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is loaded from anywhere, whatever a label says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page.
pub(crate) fn page(report: &Report) -> Result<String, serde_json::Error> {
    let title = format!("run {}: {}", report.run, report.what);
    let body = [
        head(report),
        tiles(report),
        chart::chart(report),
        estimates::estimates(report),
        waits::waits(report),
        units::extremes(report),
        units::table(report),
        foot(report),
    ];
    let data = format!(
        "<div id=\"hint\" role=\"status\" hidden></div>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n",
        data::data(report)?
    );
    Ok(document(&title, &body.concat(), &data))
}

/// A page of a body, with what its script needs behind it.
fn document(title: &str, body: &str, behind: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n{behind}</body>\n</html>\n",
        escape(title),
    )
}

fn head(report: &Report) -> String {
    let kind = match (report.standing, report.summary.exit_code) {
        (Standing::Finished, Some(0)) => "good",
        (Standing::Running, _) => "now",
        _ => "bad",
    };
    let mut about = vec![started(report.started_unix_us)];
    about.extend(report.host.clone().map(|host| format!("on {host}")));
    about.push(format!("{} threads", report.threads));
    about.push(format!("{} for builds", report.budget));
    let about: Vec<_> =
        about.iter().filter(|part| !part.is_empty()).map(|part| escape(part)).collect();
    format!(
        "<header>\n<p class=\"kicker\">run {} <span class=\"chip {kind}\">{}</span></p>\n<h1>{}</h1>\n<p class=\"about\">{}</p>\n</header>\n",
        report.run,
        escape(&ending(report)),
        escape(&report.what),
        about.join(" <span class=\"dot\">·</span> "),
    )
}

fn started(unix_us: i64) -> String {
    let Ok(timestamp) = Timestamp::from_microsecond(unix_us) else { return String::new() };
    timestamp.to_zoned(TimeZone::system()).strftime("%-d %B %Y, %H:%M").to_string()
}

fn tile(name: &str, value: &str, more: &str) -> String {
    format!(
        "<div class=\"tile\"><dt>{}</dt><dd>{}<small>{}</small></dd></div>\n",
        escape(name),
        escape(value),
        escape(more)
    )
}

fn tiles(report: &Report) -> String {
    let (summary, counts) = (&report.summary, &report.counts);
    let held_back = summary.held_back.first().map_or_else(String::new, |h| h.because.clone());
    let part = summary.peak_tree.0 as f64 / report.budget.0.max(1) as f64;
    let mut out = tile("time", &took(report), &held_back);
    out += &tile(
        "processor",
        &percent(summary.cpu_use),
        &format!(
            "{} CPU time, {:.1} of {} threads",
            seconds(summary.cpu.as_secs_f64()),
            summary.busy_threads,
            report.threads
        ),
    );
    out += &tile(
        "peak memory",
        &summary.peak_tree.to_string(),
        &format!("{} of the budget of {}", percent(part), report.budget),
    );
    if let Some(disk) = report.disk.filter(|disk| disk.written > Bytes::ZERO) {
        out +=
            &tile("disk", &disk.written.to_string(), &format!("written, {} of it left", disk.left));
    }
    let failed = match (counts.failed, counts.open) {
        (0, 0) => "all ended well".to_owned(),
        (failed, 0) => format!("{failed} failed"),
        (0, open) => format!("{open} not ended"),
        (failed, open) => format!("{failed} failed, {open} not ended"),
    };
    if counts.units > 0 {
        let most = format!("{failed}; at most {} at a time", counts.slots);
        out += &tile("units", &counts.units.to_string(), &most);
        out += &tile("made to wait", &time(counts.waited_us), "summed over units");
        out += &tile(
            "interrupted",
            &(counts.pauses + counts.evictions + counts.kernel_kills).to_string(),
            &format!(
                "{}, {}, {}",
                plural(counts.pauses, "pause"),
                plural(counts.evictions, "eviction"),
                plural(counts.kernel_kills, "kernel kill")
            ),
        );
    }
    let (rate, more) = cache(report);
    out += &tile("compiler cache", &rate, &more);
    format!("<dl class=\"tiles\">\n{out}</dl>\n")
}

fn foot(report: &Report) -> String {
    let text = format!(
        "<p>A unit is a compiler, a linker or another heavy process. It asks before it starts, and waits until \
         there is memory and a thread for it. Its reservation is what it was expected to need at most; one that \
         outgrows it may be paused, or evicted and run again. A range is what <code>ironwright plan</code> \
         predicted from the runs before: nineteen of twenty lie inside.</p>\n\
         <p>The part of a wait that is put down to a unit is its share of what ran meanwhile: by memory where \
         the wait was for memory, else by time.</p>\n\
         <p>ironwright {} recorded this run.</p>\n",
        escape(&report.ironwright)
    );
    section("notes", "How to read this", &text)
}
