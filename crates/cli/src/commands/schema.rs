//! `ironwright schema`.
//!
//! Does not know the shapes; they stand beside the types.

use clap::{Args, ValueEnum};
use ironwright_core::decide::{Difference, Generation, Recommendation};
use ironwright_core::doctor::Finding;
use ironwright_core::emit::nix::NixSettings;
use ironwright_core::evidence::Bench;
use ironwright_core::evidence::workload::Workload;
use ironwright_core::facts::HostFacts;
use ironwright_core::observe::compare::Comparison;
use ironwright_core::observe::unit::UnitRecord;
use ironwright_core::profile::import::Imported;
use ironwright_core::profile::schema::profile_schema;
use ironwright_core::report::{Batch, Report};
use ironwright_core::settings::report::SettingsReport;
use ironwright_core::view::Note;
use ironwright_core::workspace::Discovered;

use crate::commands::generations::GenerationList;
use crate::commands::history::benches::BenchEntry;
use crate::commands::history::import_log::ImportedLog;
use crate::commands::history::list::HistoryEntry;
use crate::commands::history::prune::Pruning;
use crate::commands::history::show::RunDetail;
use crate::commands::impact::ImpactReport;
use crate::commands::inventory::InventoryReport;
use crate::commands::pgo::{PgoPlan, PgoReport};
use crate::commands::plan::PlanReport;
use crate::commands::simulate::SimulationReport;
use crate::commands::switch::SwitchReport;
use crate::commands::trial::{TrialPackage, TrialPlan, TrialReport};
use crate::commands::verify::VerifyReport;
use crate::error::CliError;
use crate::execute::Execution;
use crate::nix::plan::NixForecast;
use crate::summary::RunReport;
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
    /// `ironwright build --dry-run --json` and `ironwright run --dry-run --json`.
    Plan,
    /// `ironwright impact --json`.
    Impact,
    /// `ironwright switch --json`.
    Switch,
    /// What Nix builds, in `ironwright build --dry-run --json`.
    NixPlan,
    /// `ironwright run --json`, and each entry of `ironwright build --json`.
    Run,
    /// `ironwright history --json`.
    History,
    /// `ironwright history show --json`.
    HistoryShow,
    /// `ironwright history compare --json`.
    HistoryCompare,
    /// `ironwright history units --json`.
    HistoryUnits,
    /// `ironwright history benches --json`; of one it is that of `bench`.
    HistoryBenches,
    /// `ironwright history prune --json`.
    HistoryPrune,
    /// `ironwright history import-log --json`.
    HistoryImportLog,
    /// `ironwright doctor --json`.
    Doctor,
    /// `ironwright init --json`.
    Init,
    /// `ironwright inventory --json`.
    Inventory,
    /// `ironwright plan --json`.
    Forecast,
    /// `ironwright simulate --json`.
    Simulation,
    /// `ironwright advise --json`.
    Advice,
    /// `ironwright apply --json` and `ironwright generations show --json`.
    Generation,
    /// `ironwright generations --json`.
    Generations,
    /// `ironwright generations diff --json`.
    GenerationsDiff,
    /// `ironwright bench --json` and --export-json.
    Bench,
    /// `ironwright bench --list-workloads --json`.
    Workloads,
    /// `ironwright trial --json`.
    Trial,
    /// `ironwright trial --dry-run --json`.
    TrialPlan,
    /// `ironwright trial --list --json`.
    TrialList,
    /// `ironwright pgo --json`.
    Pgo,
    /// `ironwright pgo --dry-run --json`.
    PgoPlan,
    /// `ironwright report --json`.
    Report,
    /// The same after a `build` of several packages.
    ReportBatch,
    /// `settings.json`, what `ironwright emit nix` writes.
    NixSettings,
    /// `ironwright profile import --json`.
    ProfileImport,
    /// `ironwright verify --json`.
    Verify,
    /// Each line of `ironwright top --json` and `ironwright replay --json`.
    Note,
}

pub(crate) fn run(args: &SchemaArgs) -> Result<u8, CliError> {
    match args.of {
        Shape::Probe => ui::print_json(&schemars::schema_for!(HostFacts))?,
        Shape::Profile => ui::print_json(&profile_schema())?,
        Shape::Settings => ui::print_json(&schemars::schema_for!(SettingsReport))?,
        Shape::Plan => ui::print_json(&schemars::schema_for!(Vec<Execution>))?,
        Shape::Impact => ui::print_json(&schemars::schema_for!(ImpactReport))?,
        Shape::Switch => ui::print_json(&schemars::schema_for!(SwitchReport))?,
        Shape::NixPlan => ui::print_json(&schemars::schema_for!(NixForecast))?,
        Shape::Run => ui::print_json(&schemars::schema_for!(RunReport))?,
        Shape::History => ui::print_json(&schemars::schema_for!(Vec<HistoryEntry>))?,
        Shape::HistoryShow => ui::print_json(&schemars::schema_for!(RunDetail))?,
        Shape::HistoryCompare => ui::print_json(&schemars::schema_for!(Comparison))?,
        Shape::HistoryBenches => ui::print_json(&schemars::schema_for!(Vec<BenchEntry>))?,
        Shape::HistoryUnits => ui::print_json(&schemars::schema_for!(Vec<UnitRecord>))?,
        Shape::HistoryPrune => ui::print_json(&schemars::schema_for!(Pruning))?,
        Shape::HistoryImportLog => ui::print_json(&schemars::schema_for!(Vec<ImportedLog>))?,
        Shape::Doctor => ui::print_json(&schemars::schema_for!(Vec<Finding>))?,
        Shape::Init => ui::print_json(&schemars::schema_for!(Vec<Discovered>))?,
        Shape::Inventory => ui::print_json(&schemars::schema_for!(InventoryReport))?,
        Shape::Forecast => ui::print_json(&schemars::schema_for!(PlanReport))?,
        Shape::Simulation => ui::print_json(&schemars::schema_for!(SimulationReport))?,
        Shape::Advice => ui::print_json(&schemars::schema_for!(Vec<Recommendation>))?,
        Shape::Generation => ui::print_json(&schemars::schema_for!(Generation))?,
        Shape::Generations => ui::print_json(&schemars::schema_for!(GenerationList))?,
        Shape::GenerationsDiff => ui::print_json(&schemars::schema_for!(Difference))?,
        Shape::Bench => ui::print_json(&schemars::schema_for!(Bench))?,
        Shape::Workloads => ui::print_json(&schemars::schema_for!(Vec<Workload>))?,
        Shape::Trial => ui::print_json(&schemars::schema_for!(TrialReport))?,
        Shape::TrialPlan => ui::print_json(&schemars::schema_for!(TrialPlan))?,
        Shape::TrialList => ui::print_json(&schemars::schema_for!(Vec<TrialPackage>))?,
        Shape::Pgo => ui::print_json(&schemars::schema_for!(PgoReport))?,
        Shape::PgoPlan => ui::print_json(&schemars::schema_for!(PgoPlan))?,
        Shape::Report => ui::print_json(&schemars::schema_for!(Report))?,
        Shape::ReportBatch => ui::print_json(&schemars::schema_for!(Batch))?,
        Shape::NixSettings => ui::print_json(&schemars::schema_for!(NixSettings))?,
        Shape::ProfileImport => ui::print_json(&schemars::schema_for!(Imported))?,
        Shape::Verify => ui::print_json(&schemars::schema_for!(VerifyReport))?,
        Shape::Note => ui::print_json(&schemars::schema_for!(Note))?,
    }
    Ok(0)
}
