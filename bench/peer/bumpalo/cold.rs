// SPDX-License-Identifier: MIT
//! W3, W6 and W7: fresh memory, and freeing much of it.

use crate::herd::{Herd, Member};
use crate::load::{self, keep, Random, Team};
use crate::work::{allocate, Options, Sample};
use std::mem::size_of;
use std::sync::Mutex;

// --- W3: cold --------------------------------------------------------------------------------------

const W3_BYTES: usize = 1 << 30;
const W3_OBJECT: usize = 64;

#[inline(never)]
fn w3_fill(member: &Member<'_>, objects: usize) {
    for i in 0..objects {
        allocate(member, W3_OBJECT, i);
    }
}

pub fn w3(options: Options) -> Sample {
    let objects = options.rounds(W3_BYTES / W3_OBJECT) / options.threads;
    let bytes = options.threads * objects * W3_OBJECT;
    let rss = Mutex::new(0.0);
    load::touch(bytes * 2);
    let herd = Herd::new();
    let measured = Team::run(options.threads, |team, number| {
        team.begin(number);
        w3_fill(&herd.get(), objects);
        team.end(number);
        if number == 0 {
            *rss.lock().expect("one thread") = load::rss_kib() - team.measured().rss_before;
        }
    });
    Sample::new("ns/object", measured, objects * options.threads)
        .with("rss_kib", rss.into_inner().expect("one thread"))
        .with("requested_kib", (bytes / 1024) as f64)
}

// --- W6: mixed and cold ----------------------------------------------------------------------------

const W6_TABLE: usize = 1_000_000;
const PAGE: usize = 4096;

fn w6_size(random: &mut Random) -> u32 {
    let kind = random.next() % 100;
    let number = (random.next() >> 32) as u32;
    match kind {
        0..=89 => 16 + number % (64 - 16 + 1),
        90..=98 => 65 + number % (1024 - 65 + 1),
        _ => 4096 + number % (65536 - 4096 + 1),
    }
}

#[inline(never)]
fn w6_fill(member: &Member<'_>, sizes: &[u32], objects: usize) {
    for (i, size) in sizes.iter().cycle().take(objects).enumerate() {
        let size = *size as usize;
        let object = allocate(member, size, i);
        let last = size.saturating_sub(size_of::<usize>());
        for at in (PAGE..=last).step_by(PAGE) {
            // SAFETY: a word at `at` ends within the object.
            keep(unsafe {
                let word = object.add(at).cast::<usize>();
                word.write(i);
                word
            });
        }
    }
}

pub fn w6(options: Options) -> Sample {
    let mut random = Random::new();
    let sizes: Vec<u32> = (0..W6_TABLE).map(|_| w6_size(&mut random)).collect();
    let objects = options.rounds(5_000_000);
    let requested: usize = sizes.iter().cycle().take(objects).map(|size| *size as usize).sum();
    let requested = requested * options.threads;
    let rss = Mutex::new(0.0);
    load::touch(requested * 2);
    let herd = Herd::new();
    let measured = Team::run(options.threads, |team, number| {
        team.begin(number);
        w6_fill(&herd.get(), &sizes, objects);
        team.end(number);
        if number == 0 {
            *rss.lock().expect("one thread") = load::rss_highest_kib() - team.measured().rss_before;
        }
    });
    let rss = rss.into_inner().expect("one thread");
    Sample::new("ns/object", measured, objects * options.threads)
        .with("peak_rss_kib", rss)
        .with("requested_kib", (requested / 1024) as f64)
        .with("rss_ratio", rss * 1024.0 / requested as f64)
}

// --- W7: bulk free ---------------------------------------------------------------------------------

const W7_OBJECT: usize = 32;
const W7_REPEATS: usize = 5;

#[inline(never)]
fn w7_fill(member: &Member<'_>, objects: usize) {
    for i in 0..objects {
        allocate(member, W7_OBJECT, i);
    }
}

/// Returns microseconds for one reset.
fn w7_reset(herd: &Herd, objects: usize) -> f64 {
    let member = herd.get();
    w7_fill(&member, objects);
    drop(member);
    let before = load::now();
    herd.reset();
    (load::now() - before) / 1e3
}

/// The first of several resets, and their median.
fn w7_measure(herd: &Herd, objects: usize) -> (f64, f64) {
    let mut times: Vec<f64> = (0..W7_REPEATS).map(|_| w7_reset(herd, objects)).collect();
    let first = times[0];
    times.sort_by(f64::total_cmp);
    (first, times[W7_REPEATS / 2])
}

pub fn w7(options: Options) -> Sample {
    let herd = Herd::new();
    let few = if options.quick { 100_000 } else { 1_000_000 };
    let found = Mutex::new(((0.0, 0.0), (0.0, 0.0)));
    let measured = Team::run(1, |team, _| {
        team.begin(0);
        let times = (w7_measure(&herd, few), w7_measure(&herd, 10 * few));
        team.end(0);
        *found.lock().expect("one thread") = times;
    });
    let ((first_few, median_few), (first, median)) = found.into_inner().expect("one thread");
    Sample { unit: "us/reset", value: median, items: 10 * few, extra: Vec::new() }
        .with("first_us_1m", first_few)
        .with("reset_us_1m", median_few)
        .with("first_us_10m", first)
        .with("reset_us_10m", median)
        .with("faults", measured.faults)
}
