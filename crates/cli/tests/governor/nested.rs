//! Units inside of units: what a unit starts holds no memory of its own, and waits for nobody.
//!
//! Does not know how the inner ones are recognised.

use crate::home::{Home, LAUNCHER, good, run};

/// The only unit that fits starts others that ask, in every way to forget that it is one.
#[test]
fn what_a_unit_starts_does_not_wait_for_it() {
    let home = Home::new();
    let _governor = home.govern("300MiB");
    let socket = home.socket();
    let inner = format!("\"{LAUNCHER}\" --unit --memory 268435456 -- echo inner");
    let runtime = home.path().join("run");
    let socket =
        format!("IRONWRIGHT_SOCKET={} XDG_RUNTIME_DIR={}", socket.display(), runtime.display());
    let cases = [
        inner.clone(),
        format!("env -u IRONWRIGHT_UNIT {inner}"),
        format!("env -i {socket} {inner}"),
        format!("setsid -w env -i {socket} {inner}"),
        format!("sh -c 'env -u IRONWRIGHT_UNIT {inner} & wait'"),
    ];
    for case in cases {
        let output = run(home.unit("outer", &["--memory", "250MiB"], &case));
        assert_eq!(good(&output), "inner\n", "{case}");
    }
}

/// A build below a unit, with a jobserver of its own.
#[test]
fn a_whole_build_inside_a_unit_is_one_unit() {
    let home = Home::new();
    let _governor = home.govern("300MiB");
    std::fs::write(home.work().join("a.c"), "int main(void) { return 0; }\n").unwrap();
    let inner = "\"$0\" run -q -- sh -c 'cc -c a.c && echo built'";
    let mut unit = home.ironwright(&["unit", "--memory", "250MiB", "--", "sh", "-c", inner]);
    unit.arg(crate::home::IRONWRIGHT);
    assert_eq!(good(&run(unit)), "built\n");
    home.end_governor();
    assert!(home.units_of_last_run().is_empty());
}
