//! `docs/knobs.md`: the reference of every knob, written from the catalogue.
//!
//! Does not know values on a host; `ironwright settings` shows those.

use std::fs;

use anyhow::{Result, bail};
use ironwright_core::profile::{Inputs, Profile};
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue::knobs;
use ironwright_core::settings::knob::{Class, Knob, Language};

use crate::{root, say};

pub(crate) fn run(check: bool) -> Result<()> {
    let path = root().join("docs/knobs.md");
    let wanted = reference();
    if check {
        if fs::read_to_string(&path).unwrap_or_default() != wanted {
            bail!("docs/knobs.md is out of date: run cargo xtask docs");
        }
        return Ok(());
    }
    fs::write(&path, wanted)?;
    say("docs/knobs.md: written");
    Ok(())
}

fn reference() -> String {
    let mut out = String::from(
        "# Knobs\n\n\
         Written by `cargo xtask docs` from the catalogue; do not edit. A *resource* knob changes how a build runs and is\n\
         applied as derived. An *output* knob changes what is built: it is a candidate until somebody sets or measures it.\n\
         The values are those of the universal profile (two threads, 4 GiB, nothing else known); `ironwright settings\n\
         --explain KNOB` shows yours and why.\n",
    );
    let (profile, _) = Profile::merge(&Inputs::default());
    let settings = Settings::resolve(&profile);
    for language in Language::ALL {
        out.push_str(&format!("\n## {}\n", language.name()));
        for knob in knobs().filter(|knob| knob.language == *language) {
            out.push_str(&entry(knob, &settings));
        }
    }
    out
}

fn entry(knob: &Knob, settings: &Settings) -> String {
    let Some(setting) = settings.get(knob.id) else { return String::new() };
    let class = match knob.class {
        Class::Resource => "resource",
        Class::Output => "output",
    };
    let targets: Vec<_> = knob
        .targets
        .iter()
        .map(|target| format!("`{}` ({})", target.key, target.place.name()))
        .collect();
    let reaches = if targets.is_empty() {
        "other knobs and the runner".to_owned()
    } else {
        targets.join(", ")
    };
    let unit = if knob.kind.unit().is_empty() {
        String::new()
    } else {
        format!(", in {}", knob.kind.unit())
    };
    let effect = &knob.effect;
    format!(
        "\n### `{}`\n\n{}. Class: {class}.\n\n\
         - range: {}{unit}; universal value: {}\n\
         - reaches: {reaches}\n\
         - build time: {}\n- memory: {}\n- run time: {}\n- source: {}\n",
        knob.id,
        knob.summary,
        setting.range.display(),
        setting.value.display(),
        effect.build_time,
        effect.memory,
        effect.run_time,
        effect.source
    )
}
