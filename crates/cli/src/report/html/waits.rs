//! What waited for what.
//!
//! Does not know how waiting is put down to units.

use ironwright_core::govern::Waiting;
use ironwright_core::report::{Report, WaitSum};

use super::parts::{escape, plural, section, share};
use crate::report::phrases::{percent, reason, size, time};

/// The section.
pub(super) fn waits(report: &Report) -> String {
    let all = report.counts.waited_us;
    if report.units.is_empty() {
        return String::new();
    }
    if all < 1000 {
        return section("waits", "What waited for what", "<p class=\"lead\">Nothing waited.</p>\n");
    }
    let text = format!(
        "<p class=\"lead\">Units waited {} together.</p>\n{}{}",
        time(all),
        reasons(report),
        held_up(report)
    );
    section("waits", "What waited for what", &text)
}

const fn class(why: Option<Waiting>) -> &'static str {
    match why {
        Some(Waiting::Memory) => "w-memory",
        Some(Waiting::Thread) => "w-thread",
        Some(Waiting::Alone) => "w-alone",
        Some(Waiting::Another) => "w-another",
        Some(Waiting::Pressure) => "w-pressure",
        None => "w-none",
    }
}

fn reasons(report: &Report) -> String {
    let all = report.counts.waited_us;
    let parts = report
        .waits
        .iter()
        .map(|sum| {
            format!("<i class=\"{}\" style=\"width:{}\"></i>", class(sum.why), share(sum.us, all))
        })
        .collect::<Vec<_>>()
        .concat();
    let item = |sum: &WaitSum| {
        format!(
            "<li><i class=\"{}\"></i>{}: <b>{}</b> <span>{}, {}</span></li>",
            class(sum.why),
            reason(sum.why),
            escape(&time(sum.us)),
            percent(sum.us as f64 / all.max(1) as f64),
            plural(sum.units, "unit"),
        )
    };
    let items: String = report.waits.iter().map(item).collect();
    format!(
        "<div class=\"stack\" aria-hidden=\"true\">{parts}</div>\n<ul class=\"legend\">{items}</ul>\n"
    )
}

fn held_up(report: &Report) -> String {
    let Some(most) = report.held_up.first() else { return String::new() };
    let rows: String = report
        .held_up
        .iter()
        .filter_map(|held| {
            let unit = report.units.get(held.unit)?;
            Some(format!(
                "<tr><td class=\"name\"><a href=\"#u{}\">{}</a> <small>{}</small></td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"wide\"><span class=\"meter\"><i class=\"w-memory\" style=\"width:{}\"></i></span></td></tr>\n",
                held.unit,
                escape(&unit.label),
                escape(&unit.tool),
                escape(&size(unit.peak)),
                held.others,
                escape(&time(held.us)),
                share(held.us, most.us),
            ))
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"waits-h\" tabindex=\"0\"><table class=\"plain\"><thead><tr><th>while this ran</th><th class=\"n\">its peak</th><th class=\"n\">units waited</th><th class=\"n\">for its part</th><th class=\"wide\"><span class=\"sr\">part</span></th></tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}
