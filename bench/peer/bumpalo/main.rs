// SPDX-License-Identifier: MIT
//! The workloads of bench/load over bumpalo and a mutex-and-vector herd of it. The command line is that
//! of every peer, described in bench/load/main.c:
//!
//!     bench_bumpalo WORKLOAD [--threads N] [--quick] [--rounds N]
//!     bench_bumpalo --list

mod cold;
mod herd;
mod load;
mod ring;
mod share;
mod warm;
mod work;

use std::process::exit;
use work::{Options, Sample, Workload, WORKLOADS};

const USAGE: &str = "usage: bench_bumpalo WORKLOAD [--threads N] [--quick] [--rounds N] | --list";

fn refuse(problem: &str) -> ! {
    eprintln!("{problem}\n{USAGE}");
    exit(2)
}

fn list() {
    for workload in WORKLOADS.iter().filter(|workload| !workload.threads.is_empty()) {
        let threads: Vec<String> = workload.threads.iter().map(usize::to_string).collect();
        println!("{} {}", workload.name, threads.join(","));
    }
}

fn number(arguments: &mut impl Iterator<Item = String>, option: &str) -> usize {
    match arguments.next().and_then(|text| text.parse().ok()) {
        Some(number) if number > 0 => number,
        _ => refuse(&format!("{option} needs a number")),
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> (&'static Workload, Options) {
    let name = arguments.next().unwrap_or_else(|| refuse("which workload?"));
    let workload = WORKLOADS
        .iter()
        .find(|workload| workload.name == name)
        .unwrap_or_else(|| refuse(&format!("{name}: no such workload")));
    let mut options = Options { threads: workload.usual_threads, quick: false, rounds: None };
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--threads" => options.threads = number(&mut arguments, &option),
            "--rounds" => options.rounds = Some(number(&mut arguments, &option)),
            "--quick" => options.quick = true,
            _ => refuse(&format!("{option}: unknown")),
        }
    }
    if options.threads != workload.usual_threads && !workload.any_threads {
        refuse(&format!("{name}: with {} threads only", workload.usual_threads));
    }
    (workload, options)
}

fn print(workload: &Workload, threads: usize, sample: &Sample) {
    let extra: Vec<String> =
        sample.extra.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    println!(
        "{{\"workload\":\"{}\",\"peer\":\"bumpalo\",\"threads\":{},\"unit\":\"{}\",\
         \"value\":{},\"items\":{},\"extra\":{{{}}}}}",
        workload.name,
        threads,
        sample.unit,
        sample.value,
        sample.items,
        extra.join(",")
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().map(String::as_str) == Some("--list") {
        return list();
    }
    let (workload, options) = parse(arguments);
    print(workload, options.threads, &(workload.run)(options));
}
