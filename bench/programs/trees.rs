// SPDX-License-Identifier: MIT
//! P6, binary-trees, over bumpalo: the same as trees.c, with the command line of main.c. Each thread has an
//! arena, which is reset after each tree.

#[allow(dead_code)] // shared with the workloads
#[path = "../peer/bumpalo/load.rs"]
mod load;

use bumpalo::Bump;
use std::process::exit;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

const LEAST_DEPTH: u32 = 4;
const DEPTH: u32 = 21;
const QUICK_DEPTH: u32 = 17;
const FIRST_DEPTH: u32 = 8;
const TOUCHED_BYTES: usize = 512 << 20;

struct Tree<'a> {
    children: Option<(&'a Tree<'a>, &'a Tree<'a>)>,
}

fn make_tree(arena: &Bump, depth: u32) -> &Tree<'_> {
    let children =
        (depth > 0).then(|| (make_tree(arena, depth - 1), make_tree(arena, depth - 1)));
    arena.alloc(Tree { children })
}

fn count_nodes(tree: &Tree) -> u32 {
    match tree.children {
        Some((left, right)) => 1 + count_nodes(left) + count_nodes(right),
        None => 1,
    }
}

fn short_lived(arena: &mut Bump, depth: u32) -> u32 {
    let count = count_nodes(make_tree(arena, depth));
    arena.reset();
    count
}

/// The thread's part of the many trees.
fn many(arena: &mut Bump, of_all: u32, number: usize, threads: usize) -> u32 {
    (LEAST_DEPTH..=of_all).step_by(2).fold(0, |sum: u32, depth| {
        let trees = 1usize << (of_all - depth + LEAST_DEPTH);
        (number..trees)
            .step_by(threads)
            .fold(sum, |sum, _| sum.wrapping_add(short_lived(arena, depth)))
    })
}

fn all(team: &load::Team, depth: u32, number: usize, threads: usize) -> u32 {
    let mut arena = Bump::new();
    let kept = Bump::new();
    let mut check = 0u32;
    let long_lived = (number == 0).then(|| {
        check = short_lived(&mut arena, depth + 1);
        make_tree(&kept, depth)
    });
    team.meet();
    check = check.wrapping_add(many(&mut arena, depth, number, threads));
    check.wrapping_add(long_lived.map_or(0, count_nodes))
}

fn run(threads: usize, quick: bool, batches: usize) {
    let depth = if quick { QUICK_DEPTH } else { DEPTH };
    let check = AtomicU32::new(0);
    load::touch(if quick { TOUCHED_BYTES / 10 } else { TOUCHED_BYTES });
    let measured = load::Team::run(threads, |team, number| {
        check.fetch_add(all(team, FIRST_DEPTH, number, threads), Relaxed);
        team.begin(number);
        for _ in 0..batches {
            check.fetch_add(all(team, depth, number, threads), Relaxed);
            team.meet();
        }
        team.end(number);
    });
    let cpu = measured.cpu / 1e9 / batches as f64;
    println!(
        "{{\"workload\":\"p6\",\"peer\":\"bumpalo\",\"threads\":{threads},\"unit\":\"CPU s\",\
         \"value\":{cpu},\"items\":{batches},\"extra\":{{\"cpu\":{cpu},\"wall\":{},\"faults\":{},\
         \"rss_mib\":{},\"check\":{}}}}}",
        measured.wall / 1e9 / batches as f64,
        measured.faults,
        load::rss_highest_kib() / 1024.0,
        check.into_inner()
    );
}

fn refuse() -> ! {
    eprintln!("usage: bench_trees_bumpalo p6 [--threads N] [--quick] [--rounds N] | --list");
    exit(2)
}

fn number(text: Option<String>) -> usize {
    text.and_then(|text| text.parse().ok()).filter(|&number| number > 0).unwrap_or_else(|| refuse())
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut threads, mut quick, mut batches) = (1, false, 1);
    match arguments.next().as_deref() {
        Some("--list") => return println!("p6 1,2"),
        Some("p6") => {}
        _ => refuse(),
    }
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--threads" => threads = number(arguments.next()),
            "--rounds" => batches = number(arguments.next()),
            "--quick" => quick = true,
            _ => refuse(),
        }
    }
    run(threads, quick, batches);
}
