//! What goes and what stays.
//!
//! Does not know where anything is stored.

use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_000 * DAY_US;

fn run(id: i64, package: &str, days_ago: i64) -> RunItem {
    RunItem {
        id,
        package: Some(package.into()),
        started_us: NOW - days_ago * DAY_US,
        running: false,
        size: Bytes(100),
        events: 4,
        events_size: Bytes(40),
    }
}

fn unit(id: i64, run: Option<i64>, key: u32, days_ago: i64) -> UnitItem {
    let started_us = NOW - days_ago * DAY_US;
    UnitItem { id, run, key, logged: false, started_us, size: Bytes(10) }
}

fn policy(keep_days: u32, keep_runs: u32, units_per_key: u32) -> Policy {
    Policy { keep_days, keep_runs, units_per_key, max_size: None }
}

fn ids(plan: &Plan) -> Vec<i64> {
    plan.runs.iter().map(|run| run.id).collect()
}

#[test]
fn old_runs_go_but_the_newest_of_each_package_stay() {
    let runs = vec![run(1, "a", 300), run(2, "a", 200), run(3, "b", 400), run(4, "a", 5)];
    let stored = Stored { runs, ..Stored::default() };
    assert_eq!(ids(&plan(&stored, &policy(100, 1, 1), NOW)), [1, 2]);
    assert_eq!(ids(&plan(&stored, &policy(250, 1, 1), NOW)), [1]);
    assert_eq!(ids(&plan(&stored, &policy(100, 3, 1), NOW)), [0; 0]);
    assert!(plan(&stored, &policy(100, 3, 1), NOW).is_empty());
}

#[test]
fn a_run_that_goes_on_stays_however_old() {
    let runs = vec![RunItem { running: true, ..run(1, "a", 300) }, run(2, "a", 1)];
    let stored = Stored { runs, ..Stored::default() };
    assert_eq!(ids(&plan(&stored, &policy(10, 0, 1), NOW)), [0; 0]);
}

#[test]
fn what_predictions_learn_from_outlives_its_run() {
    let units = vec![
        unit(1, Some(1), 7, 300),
        unit(2, Some(1), 7, 300),
        unit(3, Some(1), 8, 300),
        unit(4, None, 8, 300),
        unit(5, Some(99), 8, 300),
        unit(6, Some(2), 8, 1),
    ];
    let stored =
        Stored { runs: vec![run(1, "a", 300), run(2, "a", 1)], units, ..Stored::default() };
    let plan = plan(&stored, &policy(100, 1, 1), NOW);
    assert_eq!(plan.unit_ids, [1, 3, 4, 5]);
    assert_eq!(plan.units, [(Why::Old, 3), (Why::NoRun, 1)].into());
    assert_eq!((plan.runs[0].units, plan.runs[0].learned_from, plan.loose_units), (2, 1, 2));
    assert_eq!(plan.kept, Kept { runs: 1, units: 2, learned_from: 1 });
    assert_eq!((plan.freed, plan.left), (Bytes(140 + 40), Bytes(140 + 20)));
}

#[test]
fn what_was_logged_does_not_displace_what_was_measured() {
    let logged = UnitItem { logged: true, ..unit(2, None, 7, 300) };
    let stored = Stored { units: vec![unit(1, None, 7, 300), logged], ..Stored::default() };
    assert!(plan(&stored, &policy(1, 1, 1), NOW).is_empty());
}

#[test]
fn what_is_too_large_loses_its_oldest_runs() {
    let runs = vec![run(1, "a", 3), run(2, "a", 2), run(3, "a", 1)];
    let stored = Stored { runs, ..Stored::default() };
    let at_most = |size: u64| Policy { max_size: Some(Bytes(size)), ..policy(100, 1, 1) };
    let smaller = plan(&stored, &at_most(300), NOW);
    assert_eq!((ids(&smaller), smaller.above_size), (vec![1], false));
    assert_eq!(smaller.runs[0].why, Why::Size);
    let too_small = plan(&stored, &at_most(10), NOW);
    assert_eq!((ids(&too_small), too_small.above_size), (vec![1, 2], true));
}

#[test]
fn events_of_no_run_go_by_day() {
    let on = |day| LooseEvents { day, count: 5, size: Bytes(50) };
    let stored = Stored { loose_events: vec![on(100), on(950), on(999)], ..Stored::default() };
    let old = plan(&stored, &policy(100, 1, 1), NOW);
    assert_eq!((old.loose_events_before_day, old.events, old.left), (Some(900), 5, Bytes(100)));
    let small = Policy { max_size: Some(Bytes(50)), ..policy(100, 1, 1) };
    let small = plan(&stored, &small, NOW);
    assert_eq!((small.loose_events_before_day, small.events), (Some(951), 10));
}

prop_compose! {
    fn any_stored()(
        runs in prop::collection::vec((0_u8..3, 0_i64..400, any::<bool>()), 0..12),
        units in prop::collection::vec((0_i64..14, 0_u32..4, 0_i64..400, any::<bool>()), 0..60),
    ) -> Stored {
        let run_of = |(id, (package, days, running)): (usize, (u8, i64, bool))| RunItem {
            running,
            ..run(i64::try_from(id).unwrap(), &package.to_string(), days)
        };
        let unit_of = |(id, (of, key, days, logged)): (usize, (i64, u32, i64, bool))| UnitItem {
            logged,
            ..unit(i64::try_from(id).unwrap(), (of < 13).then_some(of), key, days)
        };
        Stored {
            runs: runs.into_iter().enumerate().map(run_of).collect(),
            units: units.into_iter().enumerate().map(unit_of).collect(),
            loose_events: Vec::new(),
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_that_should_stay(
        stored in any_stored(), days in 0_u32..400, keep in 0_u32..4, per_key in 0_u32..4,
        most in prop::option::of(0_u64..3000),
    ) {
        let policy = Policy { max_size: most.map(Bytes), ..policy(days, keep, per_key) };
        let plan = plan(&stored, &policy, NOW);
        let gone: BTreeSet<i64> = ids(&plan).into_iter().collect();
        for package in stored.runs.iter().map(|run| &run.package) {
            let all = stored.runs.iter().filter(|run| run.package == *package);
            let left = all.clone().filter(|run| !gone.contains(&run.id)).count();
            prop_assert!(left >= all.count().min(keep as usize));
        }
        for of in &stored.units {
            let all = stored.units.iter().filter(|u| (u.key, u.logged) == (of.key, of.logged));
            let left = all.clone().filter(|u| plan.unit_ids.binary_search(&u.id).is_err()).count();
            prop_assert!(left >= all.count().min(per_key as usize));
        }
        prop_assert_eq!(plan.freed.0 + plan.left.0, total(&stored));
        prop_assert_eq!(plan.units.values().sum::<u64>(), plan.unit_ids.len() as u64);
        if let Some(most) = most {
            prop_assert_eq!(plan.above_size, plan.left.0 > most);
        }
        // What was carried out needs no second time, unless the size cannot be reached.
        let kept = Stored {
            runs: stored.runs.iter().filter(|run| !gone.contains(&run.id)).cloned().collect(),
            units: stored.units.iter().filter(|u| plan.unit_ids.binary_search(&u.id).is_err())
                .map(|u| UnitItem { run: u.run.filter(|run| !gone.contains(run)), ..*u }).collect(),
            loose_events: Vec::new(),
        };
        if most.is_none() {
            prop_assert!(super::plan(&kept, &policy, NOW).is_empty());
        }
    }
}
