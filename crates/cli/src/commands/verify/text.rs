//! How binaries are shown: one in full, several as a table.
//!
//! Does not decide anything.

use ironwright_verify::claims::Verdict;
use ironwright_verify::report::{Claim, Instructions, Report};

use super::Verified;
use crate::error::count;
use crate::table::table;
use crate::ui::{BAD, DIM, GOOD, HEADING, WARN, paint};

/// Everything that was found.
pub(super) fn shown(verified: &[Verified], explain: bool) -> String {
    let mut out = String::new();
    if verified.len() == 1 || explain {
        for one in verified {
            out.push_str(&full(one, explain));
        }
    } else {
        out.push_str(&overview(verified));
        out.push_str(&broken(verified));
    }
    out.push_str(&summary(verified));
    out
}

fn full(one: &Verified, explain: bool) -> String {
    let mut out = format!("{}\n", paint(HEADING, &one.path.display().to_string()));
    let Some(report) = &one.report else {
        out.push_str(&format!("  {}\n", one.error.as_deref().unwrap_or_default()));
        return out;
    };
    let mut rows = vec![row("format", format!("{}, {}", report.format, report.architecture), "")];
    rows.extend(report.instructions.iter().flat_map(instructions));
    if let Some(host) = &one.host {
        let runs = match host.runs {
            Some(true) => "runs",
            Some(false) => "does not run",
            None => "unknown",
        };
        rows.push(row("this host", runs, &host.reason));
    }
    rows.extend(making(report));
    rows.extend(protection(report));
    if !explain {
        for row in &mut rows {
            row.truncate(2);
        }
    }
    out.push_str(&table(&[], rows));
    if !one.claims.is_empty() {
        out.push_str(&format!("  {}\n", paint(HEADING, "claims")));
        out.push_str(&claims(one));
    }
    if explain {
        out.push_str(&report.instructions.as_ref().map(uses).unwrap_or_default());
    }
    out
}

fn row(name: &str, value: impl Into<String>, evidence: &str) -> Vec<String> {
    vec![name.to_owned(), value.into(), evidence.to_owned()]
}

fn claim(name: &str, claim: &Claim) -> Vec<String> {
    row(name, claim.shown(), &claim.evidence)
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn instructions(code: &Instructions) -> Vec<Vec<String>> {
    let level = code.level.as_deref().unwrap_or("unknown");
    let read = format!(
        "{} functions, {:.1} of {:.1} MB read as code",
        code.functions,
        code.decoded_bytes as f64 / 1e6,
        code.code_bytes as f64 / 1e6
    );
    let asks = if code.asks {
        "it asks what the processor is"
    } else {
        "it never asks what the processor is"
    };
    let mut rows = vec![
        row("level", level, &read),
        row("needs", list(&code.needs), "beyond baseline x86-64"),
        row("dispatched", list(&code.dispatched), asks),
    ];
    if !code.undecided.is_empty() {
        rows.push(row("undecided", list(&code.undecided), "--explain names the functions"));
    }
    rows
}

fn making(report: &Report) -> Vec<Vec<String>> {
    let mut rows: Vec<_> = report
        .compilers
        .iter()
        .take(6)
        .map(|compiler| {
            let mut text = format!("{} {}", compiler.name, compiler.version);
            if let Some(language) = &compiler.language {
                text.push_str(&format!(", {language}"));
            }
            if let Some(units) = compiler.units {
                text.push_str(&format!(", {}", count(units, "unit")));
            }
            row("compiler", text, &compiler.flags.join(" "))
        })
        .collect();
    rows.push(claim("target", &report.target));
    rows.push(claim("linker", &report.linker));
    rows.push(claim("LTO", &report.lto));
    rows.push(claim("PGO", &report.pgo));
    rows.push(claim("BOLT", &report.bolt));
    rows.push(claim("allocator", &report.allocator));
    for code in &report.cuda {
        rows.push(row(
            "CUDA",
            format!("{} {}", code.architecture, code.kind),
            &count(code.pieces, "piece"),
        ));
    }
    rows
}

fn protection(report: &Report) -> Vec<Vec<String>> {
    let hardening = &report.hardening;
    let mut rows = vec![
        claim("RELRO", &hardening.relro),
        claim("PIE", &hardening.pie),
        claim("NX stack", &hardening.nx),
        claim("stack protector", &hardening.canary),
        claim("FORTIFY", &hardening.fortify),
        claim("CET", &hardening.cet),
    ];
    if !report.properties.is_empty() {
        rows.push(row("GNU properties", report.properties.join(", "), ""));
    }
    rows
}

fn claims(one: &Verified) -> String {
    let rows = one.claims.iter().map(|claim| {
        let mark = match claim.verdict {
            Verdict::Kept => paint(GOOD, "kept"),
            Verdict::Broken => paint(BAD, "broken"),
            Verdict::Unknown => paint(WARN, "unknown"),
        };
        vec![
            mark,
            format!("{} = {}", claim.key, claim.claimed),
            claim.found.clone(),
            claim.evidence.clone(),
        ]
    });
    table(&["", "claimed", "found", ""], rows)
}

fn uses(code: &Instructions) -> String {
    if code.uses.is_empty() {
        return String::new();
    }
    let rows = code.uses.iter().map(|one| {
        let way = if one.reached_from.is_empty() {
            String::new()
        } else {
            format!("from {}", one.reached_from.join(", "))
        };
        vec![
            one.standing.clone(),
            one.function.clone(),
            one.extensions.join(" "),
            one.reason.clone(),
            way,
        ]
    });
    format!("  {}\n{}", paint(HEADING, "functions"), table(&[], rows))
}

fn overview(verified: &[Verified]) -> String {
    let rows = verified.iter().map(|one| {
        let path = one.path.display().to_string();
        let Some(report) = &one.report else {
            return vec![path, paint(DIM, one.error.as_deref().unwrap_or_default())];
        };
        let level = report.instructions.as_ref().and_then(|code| code.level.clone());
        let above =
            report.instructions.as_ref().map(|code| list(&code.dispatched)).unwrap_or_default();
        let compiler = report.compilers.first().map(|c| format!("{} {}", c.name, c.version));
        vec![
            path,
            level.unwrap_or_else(|| "unknown".to_owned()),
            if above == "none" { String::new() } else { above },
            compiler.unwrap_or_else(|| "unknown".to_owned()),
            report.linker.shown().to_owned(),
            report.lto.shown().to_owned(),
            report.pgo.shown().to_owned(),
        ]
    });
    table(&["", "level", "dispatched", "compiler", "linker", "LTO", "PGO"], rows)
}

/// Among several files, those whose claims are not kept are shown in full.
fn broken(verified: &[Verified]) -> String {
    let mut out = String::new();
    for one in verified {
        if one.claims.iter().any(|claim| claim.verdict != Verdict::Kept) {
            out.push_str(&format!(
                "{}\n{}",
                paint(HEADING, &one.path.display().to_string()),
                claims(one)
            ));
        }
    }
    out
}

fn summary(verified: &[Verified]) -> String {
    let verdicts: Vec<Verdict> =
        verified.iter().flat_map(|one| &one.claims).map(|claim| claim.verdict).collect();
    if verdicts.is_empty() {
        return String::new();
    }
    let of = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    format!(
        "{}: {} kept, {} broken, {} unknown\n",
        count(verdicts.len(), "claim"),
        of(Verdict::Kept),
        of(Verdict::Broken),
        of(Verdict::Unknown)
    )
}
