//! Figures of the last minutes, one point a second.
//!
//! Looks within one second make one point that keeps the largest of each, because peaks are what
//! matters. Does not know how they are drawn.

use std::collections::VecDeque;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Look;
use crate::units::Bytes;

/// Points that are kept: five minutes.
pub(super) const MOST_POINTS: usize = 300;

/// Points, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Trend {
    /// The points.
    pub points: VecDeque<Point>,
}

/// How everything stood in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Seconds since 1970.
    pub second: i64,
    /// Memory that units held.
    pub held: Bytes,
    /// Memory that they could hold together.
    pub available: Bytes,
    /// Part of the time in which some task waited for memory, 0 to 1.
    pub stall: f64,
    /// Memory of compressed swap that was filled, uncompressed.
    pub zram: Bytes,
    /// Threads that units kept busy.
    pub busy: f64,
}

impl Trend {
    /// Takes in a look.
    pub(super) fn add(&mut self, at_us: i64, look: &Look) {
        let point = Point {
            second: at_us.div_euclid(1_000_000),
            held: look.held,
            available: look.available,
            stall: look.stall_some,
            zram: look.zram_used,
            busy: look.busy,
        };
        match self.points.back_mut() {
            Some(last) if last.second >= point.second => last.join(&point),
            _ => self.points.push_back(point),
        }
        while self.points.len() > MOST_POINTS {
            self.points.pop_front();
        }
    }
}

impl Point {
    fn join(&mut self, other: &Self) {
        self.held = self.held.max(other.held);
        self.available = other.available;
        self.stall = self.stall.max(other.stall);
        self.zram = self.zram.max(other.zram);
        self.busy = self.busy.max(other.busy);
    }

    /// Part of the available memory that was held, 0 to 1.
    pub fn held_part(&self) -> f64 {
        if self.available.0 == 0 {
            return 0.0;
        }
        (self.held.0 as f64 / self.available.0 as f64).clamp(0.0, 1.0)
    }
}
