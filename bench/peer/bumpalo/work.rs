// SPDX-License-Identifier: MIT
//! The workloads, loop for loop those of bench/load/w1.c to w8.c, which describe them. This file has what
//! they share.

use crate::cold::{w3, w6, w7};
use crate::herd::{Herd, Member};
use crate::load::{keep, Measured, Team};
use crate::share::{w4, w8};
use crate::warm::{w1, w1_table, w2, w5};

/// The options of the command line.
#[derive(Clone, Copy)]
pub struct Options {
    pub threads: usize,
    pub quick: bool,
    /// How often the measured part is repeated, if --rounds is given.
    pub rounds: Option<usize>,
}

impl Options {
    /// Returns `full`, or a tenth of it with --quick, or the number given with --rounds.
    pub fn rounds(self, full: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { full / 10 } else { full })
    }
}

type Extra = (String, f64);

/// The figures of one sample.
pub struct Sample {
    pub unit: &'static str,
    pub value: f64,
    pub items: usize,
    pub extra: Vec<Extra>,
}

impl Sample {
    pub fn new(unit: &'static str, measured: Measured, items: usize) -> Self {
        let each = |ns: f64| ns / items as f64;
        let extra = vec![("cpu_ns".into(), each(measured.cpu)), ("faults".into(), measured.faults)];
        Sample { unit, value: each(measured.wall), items, extra }
    }

    pub fn with(mut self, name: &str, value: f64) -> Self {
        self.extra.push((name.into(), value));
        self
    }
}

pub struct Workload {
    pub name: &'static str,
    pub run: fn(Options) -> Sample,
    /// Useful numbers of threads; empty if it is not listed.
    pub threads: &'static [usize],
    pub usual_threads: usize,
    pub any_threads: bool,
}

#[rustfmt::skip]
pub const WORKLOADS: [Workload; 9] = [
    Workload { name: "w1", run: w1, threads: &[1], usual_threads: 1, any_threads: false },
    Workload { name: "w1-table", run: w1_table, threads: &[], usual_threads: 1, any_threads: false },
    Workload { name: "w2", run: w2, threads: &[1, 2, 4], usual_threads: 1, any_threads: true },
    Workload { name: "w3", run: w3, threads: &[1, 2], usual_threads: 1, any_threads: true },
    Workload { name: "w4", run: w4, threads: &[1, 2, 4, 8, 16], usual_threads: 1, any_threads: true },
    Workload { name: "w5", run: w5, threads: &[1, 2, 4], usual_threads: 4, any_threads: true },
    Workload { name: "w6", run: w6, threads: &[1, 2], usual_threads: 1, any_threads: true },
    Workload { name: "w7", run: w7, threads: &[1], usual_threads: 1, any_threads: false },
    Workload { name: "w8", run: w8, threads: &[2], usual_threads: 2, any_threads: false },
];

/// Allocates, and writes the first word.
#[inline(always)]
pub fn allocate(member: &Member<'_>, size: usize, word: usize) -> *mut u8 {
    let memory = member.alloc(size);
    // SAFETY: aligned to 8, and no size is less than a word.
    unsafe { memory.cast::<usize>().write(word) };
    keep(memory)
}

/// Ends a phase: all threads come here when their arenas are back.
pub fn phase_end(team: &Team, number: usize, herd: &Herd) {
    team.meet();
    if number == 0 {
        herd.reset();
    }
    team.meet();
}
