// SPDX-License-Identifier: MIT
//! W1, W2 and W5: memory that was used before.

use crate::herd::{Herd, Member};
use crate::load::{self, keep, Measured, Team};
use crate::work::{allocate, phase_end, Options, Sample};
use std::mem::size_of;
use std::sync::Mutex;

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

/// Returns wall and processor time per allocation.
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

pub fn w1(options: Options) -> Sample {
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
        let counted = options.rounds.is_some(); // instructions are being counted
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

/// Runs with the table alone, to count instructions.
pub fn w1_table(options: Options) -> Sample {
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

/// A round of one thread. In a warm one, all threads have their arenas at the same time, so that each
/// gets one.
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

pub fn w2(options: Options) -> Sample {
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

// --- W5: phases ------------------------------------------------------------------------------------

const W5_OBJECTS: usize = 100_000;
const W5_WARM_PHASES: usize = 2;

#[inline(never)]
fn w5_fill(member: &Member<'_>, sizes: &[u32]) {
    for (i, size) in sizes.iter().enumerate() {
        allocate(member, *size as usize, i);
    }
}

/// A phase of one thread. In a warm one, all threads have their arenas at the same time, so that each
/// gets one.
fn w5_phase(team: &Team, number: usize, herd: &Herd, sizes: &[u32], warm: bool) {
    let member = herd.get();
    if warm {
        team.meet();
    }
    w5_fill(&member, sizes);
    drop(member);
    phase_end(team, number, herd);
}

pub fn w5(options: Options) -> Sample {
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
