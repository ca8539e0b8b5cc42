//! `ironwright doctor`.
//!
//! Does not know what makes a machine complete; the core checks.

use clap::Args;
use ironwright_core::doctor::{Finding, Status, check};

use crate::args::HostArgs;
use crate::context::{probe_options, root};
use crate::error::{CliError, count};
use crate::ui::{self, DIM, GOOD, WARN, paint};

/// Say what is missing on this machine and how to get it.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright doctor\n  ironwright doctor --check   exit code 1 when something is missing\n  ironwright doctor --json"
)]
pub(crate) struct DoctorArgs {
    /// Exit with 1 when something is missing.
    #[arg(long)]
    check: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &DoctorArgs, host: &HostArgs) -> Result<u8, CliError> {
    let facts = ironwright_host::probe::probe(&root(host)?, &probe_options());
    let findings = check(&facts);
    let missing = findings.iter().filter(|f| f.status == Status::Missing).count();
    if args.json {
        ui::print_json(&findings)?;
    } else {
        let mut text: String = findings.iter().map(show).collect();
        text.push_str(&match missing {
            0 => "nothing is missing\n".to_owned(),
            n => format!(
                "{} missing for a full result; everything works without\n",
                count(n, "thing")
            ),
        });
        ui::print(&text)?;
    }
    Ok(u8::from(args.check && missing > 0))
}

fn show(finding: &Finding) -> String {
    let mark = match finding.status {
        Status::Good => paint(GOOD, "ok     "),
        Status::Missing => paint(WARN, "missing"),
        Status::NotApplicable => paint(DIM, "n/a    "),
    };
    let mut out = format!("{mark} {:<14} {}\n", finding.id, finding.state);
    if finding.status == Status::Missing {
        out.push_str(&format!("        {:<14} {}\n", "", paint(DIM, &finding.benefit)));
        for fix in &finding.fix {
            out.push_str(&format!("        {:<14} {fix}\n", ""));
        }
    }
    out
}
