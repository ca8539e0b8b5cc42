//! What frames look like.
//!
//! Does not know the fold; it feeds it notes.

use ironwright_core::govern::{Alarm, Waiting};
use ironwright_core::observe::unit::UnitOutcome;
use ironwright_core::units::Bytes;
use ironwright_core::view::{Asked, Happening, Look, Note, View};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;

use super::draw::{Scene, Sort, draw};
use super::palette::Palette;

/// A story that notes tell, second by second.
struct Story {
    view: View,
    at_us: i64,
}

impl Story {
    /// A governor with 20.6 GiB and 6 threads.
    fn begin() -> Self {
        let mut story = Self { view: View::default(), at_us: 1_700_000_000_000_000 };
        story.tell(Happening::GovernorBegan { pid: 4711 });
        story.tell(Happening::Budget { memory: Bytes::mib(21_094), threads: 6.0 });
        story
    }

    fn tell(&mut self, what: Happening) {
        self.view.apply(&Note { at_us: self.at_us, what });
    }

    fn pass(&mut self, seconds: i64) {
        self.at_us += seconds * 1_000_000;
    }

    fn run(&mut self, run: u64, source: &str, size: u32, free: u32) {
        let (label, source) = (source.to_owned(), Some(source.to_owned()));
        self.tell(Happening::RunBegan { run, recorded: None, pid: 100, label, source });
        self.tell(Happening::Pool { run, size, free });
    }

    fn ask(
        &mut self,
        unit: u64,
        run: u64,
        label: &str,
        tool: &str,
        mib: u64,
        seconds: Option<f64>,
    ) {
        let basis = match seconds {
            Some(_) => "measured 3 times",
            None => "size of the input",
        };
        self.tell(Happening::Asked(Asked {
            unit,
            run: Some(run),
            label: label.to_owned(),
            tool: tool.to_owned(),
            package: None,
            memory: Bytes::mib(mib),
            seconds,
            threads: 1.0,
            basis: basis.to_owned(),
        }));
    }

    fn start(&mut self, unit: u64) {
        self.tell(Happening::Granted { unit });
        self.tell(Happening::Started { unit, pid: 1000 });
    }

    fn end(&mut self, unit: u64, outcome: UnitOutcome, seconds: u64, mib: u64) {
        self.tell(Happening::Ended {
            unit,
            outcome,
            exit: (outcome == UnitOutcome::Failed).then_some(1),
            wall_us: seconds * 1_000_000,
            cpu_us: seconds * 900_000,
            peak: Bytes::mib(mib),
            message: None,
        });
    }

    /// Many small units that are done.
    fn past(&mut self, run: u64, count: u64) {
        for unit in 1000 * run..1000 * run + count {
            self.ask(unit, run, "itoa", "rustc", 200, Some(1.0));
            self.start(unit);
            self.end(unit, UnitOutcome::Succeeded, 1 + unit % 7, 90 + unit % 200);
        }
    }

    /// Looks that rise to what is given.
    fn looks(&mut self, held: u64, units: &[(u64, u64)], waiting: &[(u64, Waiting)]) {
        for step in 1..=40_u64 {
            self.pass(1);
            let wave = 60 + (step * 37) % 40;
            self.tell(Happening::Looked(Look {
                available: Bytes::mib(20_000),
                held: Bytes::mib(held * step / 40 * wave / 100),
                busy: 4.0 + wave as f64 / 60.0,
                ..Look::default()
            }));
        }
        self.tell(Happening::Looked(Look {
            available: Bytes::mib(20_000),
            held: Bytes::mib(held),
            busy: 5.8,
            units: units.iter().map(|(unit, mib)| (*unit, Bytes::mib(*mib))).collect(),
            waiting: waiting.to_vec(),
            ..Look::default()
        }));
    }

    fn frame(&self, columns: u16, height: u16) -> String {
        let scene = Scene {
            view: &self.view,
            now_us: self.at_us,
            name: "ironwright top".to_owned(),
            notice: None,
            keys: &["q quit", "p freeze", "s sort", "↑↓ scroll"],
            sort: Sort::State,
            scroll: 0,
            palette: Palette::PLAIN,
        };
        let mut terminal = Terminal::new(TestBackend::new(columns, height)).unwrap();
        terminal
            .draw(|frame| {
                let area = frame.area();
                let lines = draw(&scene, area.width.into(), Some(area.height.into()));
                assert!(lines.len() <= usize::from(height));
                let fits = |line: &Line| columns < 40 || line.width() <= area.width.into();
                assert!(lines.iter().all(fits), "{lines:?}");
                frame.render_widget(Paragraph::new(Text::from(lines)), area);
            })
            .unwrap();
        terminal.backend().to_string()
    }
}

fn busy() -> Story {
    let mut story = Story::begin();
    story.pass(300);
    story.run(1, "crate:ripgrep@14.1.1", 5, 1);
    story.run(2, "path:/home/ada/llvm", 5, 0);
    story.past(1, 61);
    story.past(2, 12);
    story.ask(1, 1, "regex-automata", "rustc", 620, Some(9.0));
    story.ask(2, 1, "grep-searcher", "rustc", 310, None);
    story.ask(3, 2, "lib/Sema/SemaExpr.cpp", "cc1plus", 1900, Some(74.0));
    story.ask(4, 2, "lib/Sema/SemaTemplate.cpp", "cc1plus", 1650, Some(66.0));
    story.ask(5, 2, "lib/CodeGen/CGExpr.cpp", "cc1plus", 1100, Some(51.0));
    for unit in 1..=5 {
        story.start(unit);
    }
    story.ask(6, 2, "bin/clang-19", "lld", 9800, Some(31.0));
    story.ask(7, 2, "lib/AST/ExprConstant.cpp", "cc1plus", 1400, Some(60.0));
    story.ask(8, 1, "ripgrep", "rustc", 430, Some(14.0));
    story
}

fn busy_now() -> Story {
    let mut story = busy();
    let units = [(1, 512), (2, 140), (3, 1833), (4, 1210), (5, 790)];
    let waiting = [(6, Waiting::Memory), (7, Waiting::Thread), (8, Waiting::Another)];
    story.looks(4485, &units, &waiting);
    story
}

fn under_pressure() -> Story {
    let mut story = busy();
    story.looks(18_900, &[(3, 9100)], &[]);
    story.tell(Happening::Evicted { unit: 2 });
    story.end(2, UnitOutcome::Evicted, 12, 2900);
    story.tell(Happening::Retried { unit: 2, attempt: 2, by_kernel: false });
    story.end(1, UnitOutcome::Failed, 3, 600);
    story.tell(Happening::Paused { unit: 5 });
    story.pass(7);
    story.tell(Happening::Looked(Look {
        available: Bytes::mib(19_200),
        held: Bytes::mib(18_950),
        busy: 1.9,
        alarm: Alarm::Pause,
        stall_some: 0.31,
        stall_full: 0.08,
        zram_used: Bytes::mib(5200),
        zram_size: Bytes::mib(12_288),
        swap_used: Bytes::mib(5200),
        units: vec![(3, Bytes::mib(9100)), (4, Bytes::mib(1210)), (5, Bytes::mib(790))],
        waiting: vec![(2, Waiting::Pressure), (6, Waiting::Alone), (7, Waiting::Pressure)],
    }));
    story
}

#[test]
fn nothing_runs() {
    insta::assert_snapshot!(Story::begin().frame(100, 20));
}

#[test]
fn busy_on_a_wide_terminal() {
    insta::assert_snapshot!(busy_now().frame(120, 34));
}

#[test]
fn busy_on_a_usual_terminal() {
    insta::assert_snapshot!(busy_now().frame(80, 24));
}

#[test]
fn pressure_with_a_paused_unit() {
    insta::assert_snapshot!(under_pressure().frame(110, 32));
}

#[test]
fn pressure_on_a_narrow_terminal() {
    insta::assert_snapshot!(under_pressure().frame(60, 15));
}

#[test]
fn any_size_is_drawn_within_its_bounds() {
    let stories = [Story::begin(), busy_now(), under_pressure()];
    for story in &stories {
        for columns in (1..130).step_by(3) {
            for height in (1..40).step_by(3) {
                story.frame(columns, height);
            }
        }
    }
}
