// SPDX-License-Identifier: MIT
//! The workloads, loop for loop those of bench/load/w1.c to w8.c; what they are for stands there.

use crate::herd::{Herd, Member};
use crate::load::{self, keep, Measured, Random, Team};
use crate::ring::{Ring, Side};
use std::mem::size_of;
use std::sync::Mutex;

/// What the command line asks for.
#[derive(Clone, Copy)]
pub struct Options {
    pub threads: usize,
    pub quick: bool,
    /// How often the measured part is repeated, where --rounds says so.
    pub rounds: Option<usize>,
}

impl Options {
    /// `full`, or a tenth of it with --quick; or what --rounds says.
    fn rounds(self, full: usize) -> usize {
        self.rounds.unwrap_or(if self.quick { full / 10 } else { full })
    }
}

type Extra = (String, f64);

/// What one sample found.
pub struct Sample {
    pub unit: &'static str,
    pub value: f64,
    pub items: usize,
    pub extra: Vec<Extra>,
}

impl Sample {
    fn new(unit: &'static str, measured: Measured, items: usize) -> Self {
        let each = |ns: f64| ns / items as f64;
        let extra = vec![("cpu_ns".into(), each(measured.cpu)), ("faults".into(), measured.faults)];
        Sample { unit, value: each(measured.wall), items, extra }
    }

    fn with(mut self, name: &str, value: f64) -> Self {
        self.extra.push((name.into(), value));
        self
    }
}

pub struct Workload {
    pub name: &'static str,
    pub run: fn(Options) -> Sample,
    /// To run it with; empty: it is not listed.
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
fn allocate(member: &Member<'_>, size: usize, word: usize) -> *mut u8 {
    let memory = member.alloc(size);
    // SAFETY: aligned to 8, and no size is less than a word.
    unsafe { memory.cast::<usize>().write(word) };
    keep(memory)
}

/// A phase is over: all threads come here when their arenas are back.
fn phase_end(team: &Team, number: usize, herd: &Herd) {
    team.meet();
    if number == 0 {
        herd.reset();
    }
    team.meet();
}

// --- W1: hot ---------------------------------------------------------------------------------------

const W1_ALLOCATIONS: usize = 10_000;
const W1_WARM_ROUNDS: usize = 3;
const W1_LOOPS: [(&str, fn(&Member<'_>)); 6] = [
    ("ns_8", w1_loop::<8>),
    ("ns_16", w1_loop::<16>),
    ("ns_32", w1_loop::<32>),
    ("ns_64", w1_loop::<64>),
    ("ns_128", w1_loop::<128>),
    ("ns_256", w1_loop::<256>),
];

#[inline(never)]
fn w1_loop<const SIZE: usize>(member: &Member<'_>) {
    for i in 0..W1_ALLOCATIONS {
        allocate(member, SIZE, i);
    }
}

#[inline(never)]
fn w1_loop_table(member: &Member<'_>, table: &[u32; W1_ALLOCATIONS]) {
    for (i, size) in table.iter().enumerate() {
        allocate(member, *size as usize, i);
    }
}

fn w1_repeat(team: &Team, herd: &Herd, rounds: usize, body: &dyn Fn(&Member<'_>)) {
    for _ in 0..rounds {
        let member = herd.get();
        body(&member);
        drop(member);
        phase_end(team, 0, herd);
    }
}

/// Wall and processor time of an allocation.
struct Cost {
    wall: f64,
    cpu: f64,
}

fn w1_measure(team: &Team, herd: &Herd, rounds: usize, body: &dyn Fn(&Member<'_>)) -> Cost {
    let each = |ns: f64| ns / (rounds * W1_ALLOCATIONS) as f64;
    w1_repeat(team, herd, W1_WARM_ROUNDS, body);
    let cpu = load::cpu_now();
    let wall = load::now();
    w1_repeat(team, herd, rounds, body);
    Cost { wall: each(load::now() - wall), cpu: each(load::cpu_now() - cpu) }
}

fn w1_sizes() -> Box<[u32; W1_ALLOCATIONS]> {
    let sizes = load::sizes(W1_ALLOCATIONS, 8, 256).into_boxed_slice();
    sizes.try_into().expect("as many as were asked for")
}

/// The mean of `costs`, whose wall times become figures of their own.
fn w1_sample(costs: Vec<(&str, Cost)>, measured: Measured, rounds: usize) -> Sample {
    let items = costs.len() * W1_ALLOCATIONS * rounds;
    let mean = |sum: f64| sum / costs.len() as f64;
    let value = mean(costs.iter().map(|(_, cost)| cost.wall).sum());
    let cpu = mean(costs.iter().map(|(_, cost)| cost.cpu).sum());
    let extra = costs.iter().map(|(name, cost)| (name.to_string(), cost.wall)).collect();
    Sample { unit: "ns/allocation", value, items, extra }
        .with("cpu_ns", cpu)
        .with("faults", measured.faults)
}

fn w1(options: Options) -> Sample {
    let herd = Herd::new();
    let table = w1_sizes();
    let rounds = options.rounds(1000);
    let found = Mutex::new((Vec::new(), None));
    let measured = Team::run(1, |team, _| {
        team.begin(0);
        let costs = W1_LOOPS
            .iter()
            .map(|(name, body)| (*name, w1_measure(team, &herd, rounds, body)))
            .collect();
        team.end(0);
        let from_table = |member: &Member<'_>| w1_loop_table(member, &table);
        let counted = options.rounds.is_some(); // someone counts instructions
        let table_cost = (!counted).then(|| w1_measure(team, &herd, rounds, &from_table));
        *found.lock().expect("one thread") = (costs, table_cost);
    });
    let (costs, table_cost) = found.into_inner().expect("one thread");
    let sample = w1_sample(costs, measured, rounds);
    match table_cost {
        Some(cost) => sample.with("table_ns", cost.wall).with("table_cpu_ns", cost.cpu),
        None => sample,
    }
}

/// With the table alone: for whoever counts instructions.
fn w1_table(options: Options) -> Sample {
    let herd = Herd::new();
    let table = w1_sizes();
    let rounds = options.rounds(1000);
    let found = Mutex::new(Vec::new());
    let measured = Team::run(1, |team, _| {
        team.begin(0);
        let from_table = |member: &Member<'_>| w1_loop_table(member, &table);
        let cost = w1_measure(team, &herd, rounds, &from_table);
        team.end(0);
        found.lock().expect("one thread").push(("ns_table", cost));
    });
    w1_sample(found.into_inner().expect("one thread"), measured, rounds)
}

// --- W2: list --------------------------------------------------------------------------------------

const W2_NODES: usize = 1_000_000;
const W2_WARM_ROUNDS: usize = 3;

#[repr(C)]
struct Node {
    next: *mut Node,
    value: usize,
}

#[inline(never)]
fn w2_list(member: &Member<'_>, nodes: usize) -> *mut Node {
    let mut list = std::ptr::null_mut();
    for value in 0..nodes {
        let node = member.alloc(size_of::<Node>()).cast::<Node>();
        // SAFETY: room for a node, aligned to 8.
        unsafe { node.write(Node { next: list, value }) };
        list = keep(node);
    }
    list
}

/// A round of one thread; in a warm one all have their arenas at the same time, so that there is one for
/// each.
fn w2_round(team: &Team, number: usize, herd: &Herd, nodes: usize, warm: bool) {
    let member = herd.get();
    if warm {
        team.meet();
    }
    let list = w2_list(&member, nodes);
    // SAFETY: the list has nodes, and the herd was not reset.
    assert_eq!(unsafe { (*list).value }, nodes - 1);
    drop(member);
    phase_end(team, number, herd);
}

fn w2(options: Options) -> Sample {
    let herd = Herd::new();
    let nodes = W2_NODES / options.threads;
    let rounds = options.rounds(100);
    let measured = Team::run(options.threads, |team, number| {
        (0..W2_WARM_ROUNDS).for_each(|_| w2_round(team, number, &herd, nodes, true));
        team.begin(number);
        (0..rounds).for_each(|_| w2_round(team, number, &herd, nodes, false));
        team.end(number);
    });
    Sample::new("ns/node", measured, nodes * options.threads * rounds)
}

// --- W3: cold --------------------------------------------------------------------------------------

const W3_BYTES: usize = 1 << 30;
const W3_OBJECT: usize = 64;

#[inline(never)]
fn w3_fill(member: &Member<'_>, objects: usize) {
    for i in 0..objects {
        allocate(member, W3_OBJECT, i);
    }
}

fn w3(options: Options) -> Sample {
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

// --- W4: checkout ----------------------------------------------------------------------------------

const W4_SIZE: usize = 32;

#[inline(never)]
fn w4_pairs(herd: &Herd, pairs: usize) {
    for i in 0..pairs {
        allocate(&herd.get(), W4_SIZE, i);
    }
}

fn w4(options: Options) -> Sample {
    let herd = Herd::new();
    let pairs = options.rounds(4_000_000) / options.threads;
    let measured = Team::run(options.threads, |team, number| {
        w4_pairs(&herd, pairs);
        phase_end(team, number, &herd);
        team.begin(number);
        w4_pairs(&herd, pairs);
        team.end(number);
    });
    Sample::new("ns/pair", measured, pairs * options.threads)
}

// --- W5: phases ------------------------------------------------------------------------------------

const W5_OBJECTS: usize = 100_000;
const W5_WARM_PHASES: usize = 2;

#[inline(never)]
fn w5_fill(member: &Member<'_>, sizes: &[u32]) {
    for (i, size) in sizes.iter().enumerate() {
        allocate(member, *size as usize, i);
    }
}

/// A phase of one thread; in a warm one all have their arenas at the same time, so that there is one for
/// each.
fn w5_phase(team: &Team, number: usize, herd: &Herd, sizes: &[u32], warm: bool) {
    let member = herd.get();
    if warm {
        team.meet();
    }
    w5_fill(&member, sizes);
    drop(member);
    phase_end(team, number, herd);
}

fn w5(options: Options) -> Sample {
    let herd = Herd::new();
    let sizes = load::sizes(W5_OBJECTS, 8, 256);
    let warm_in_rounds = if options.rounds.is_none() { W5_WARM_PHASES } else { 0 };
    let phases = options.rounds(200) - warm_in_rounds;
    let measured = Team::run(options.threads, |team, number| {
        (0..W5_WARM_PHASES).for_each(|_| w5_phase(team, number, &herd, &sizes, true));
        team.begin(number);
        (0..phases).for_each(|_| w5_phase(team, number, &herd, &sizes, false));
        team.end(number);
    });
    Sample::new("ns/object", measured, W5_OBJECTS * phases * options.threads)
        .with("steady_faults", measured.faults)
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

fn w6(options: Options) -> Sample {
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

/// Microseconds for one reset.
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

fn w7(options: Options) -> Sample {
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

// --- W8: hand-over ---------------------------------------------------------------------------------

const W8_TEXTS: usize = 1024;
const W8_TEXT: usize = 24; // the NUL included

type Texts = [[u8; W8_TEXT]; W8_TEXTS];

fn w8_texts() -> Texts {
    let mut random = Random::new();
    let mut texts = [[0; W8_TEXT]; W8_TEXTS];
    for text in &mut texts {
        for byte in &mut text[..W8_TEXT - 1] {
            *byte = b'a' + (random.next() % 26) as u8;
        }
    }
    texts
}

#[inline(never)]
fn w8_produce(ring: &Ring, mut side: Side, member: &Member<'_>, texts: &Texts, messages: usize) {
    for i in 0..messages {
        ring.put(&mut side, member.string(&texts[i % W8_TEXTS][..W8_TEXT - 1]));
    }
}

/// # Safety
/// The text ends in a NUL.
unsafe fn w8_sum(text: *const u8) -> usize {
    let mut at = text;
    let mut sum = 0;
    while *at != 0 {
        sum += usize::from(*at);
        at = at.add(1);
    }
    sum
}

#[inline(never)]
fn w8_consume(ring: &Ring, mut side: Side, sums: &[usize; W8_TEXTS], messages: usize) {
    for i in 0..messages {
        // SAFETY: what was put is a text, and the herd was not reset.
        let sum = unsafe { w8_sum(ring.take(&mut side, messages - i)) };
        assert_eq!(sum, sums[i % W8_TEXTS], "a message is not what was sent");
    }
}

fn w8(options: Options) -> Sample {
    let herd = Herd::new();
    let ring = Ring::new();
    let texts = w8_texts();
    // SAFETY: the last byte of each is a NUL.
    let sums = texts.map(|text| unsafe { w8_sum(text.as_ptr()) });
    let messages = options.rounds(5_000_000);
    let hand_over = |team: &Team, number| {
        let side = ring.side();
        team.meet(); // both have seen how far the ring is
        if number == 0 {
            w8_produce(&ring, side, &herd.get(), &texts, messages);
        } else {
            w8_consume(&ring, side, &sums, messages);
        }
    };
    let measured = Team::run(2, |team, number| {
        hand_over(team, number);
        phase_end(team, number, &herd);
        team.begin(number);
        hand_over(team, number);
        team.end(number);
    });
    Sample::new("ns/message", measured, messages)
}
