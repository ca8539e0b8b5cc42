//! `ironwright schema`.
//!
//! Does not know the shapes; they stand beside the types.

use clap::{Args, ValueEnum};
use ironwright_core::build::BuildPlan;
use ironwright_core::facts::HostFacts;
use ironwright_core::observe::RunFacts;
use ironwright_core::profile::schema::profile_schema;
use ironwright_core::settings::report::SettingsReport;

use crate::error::CliError;
use crate::ui;

/// Print the JSON schema of an output.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright schema\n  ironwright schema settings > settings.schema.json"
)]
pub(crate) struct SchemaArgs {
    /// The output that the schema describes.
    #[arg(value_enum, default_value = "probe")]
    of: Shape,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// `ironwright probe --json`.
    Probe,
    /// `hosts/<name>.toml`.
    Profile,
    /// `ironwright settings --json`.
    Settings,
    /// `ironwright build --dry-run --json`.
    Plan,
    /// `ironwright run --json` and each `facts` of `ironwright history --json`.
    Run,
}

pub(crate) fn run(args: &SchemaArgs) -> Result<u8, CliError> {
    match args.of {
        Shape::Probe => ui::print_json(&schemars::schema_for!(HostFacts))?,
        Shape::Profile => ui::print_json(&profile_schema())?,
        Shape::Settings => ui::print_json(&schemars::schema_for!(SettingsReport))?,
        Shape::Plan => ui::print_json(&schemars::schema_for!(BuildPlan))?,
        Shape::Run => ui::print_json(&schemars::schema_for!(RunFacts))?,
    }
    Ok(0)
}
