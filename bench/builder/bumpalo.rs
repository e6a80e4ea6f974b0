// SPDX-License-Identifier: MIT
//! The tasks of tasks.c with bumpalo's collections, in one arena.

use bumpalo::collections::{String, Vec};
use bumpalo::Bump;
use std::fmt::Write;
use std::hint::black_box;

const TEXT: usize = 1 << 20;
const NAMES: i32 = 10000;
const NUMBERS: i32 = 500_000;
const LISTS: i64 = 10000;
const LIST: i64 = 10;
const ROUND: usize = 64;
const TURNS: i32 = 4000;

#[derive(Clone, Copy)]
struct Pair {
    _key: i64,
    _value: i64,
}

fn task_putc(bump: &Bump) -> usize {
    let mut s = String::new_in(bump);
    for i in 0..TEXT {
        s.push((b'a' + (i & 15) as u8) as char);
    }
    black_box(s.into_bump_str());
    TEXT
}

fn task_puts(bump: &Bump) -> usize {
    let mut s = String::new_in(bump);
    for _ in 0..TEXT / 12 {
        s.push_str("twelve bytes");
    }
    black_box(s.into_bump_str());
    TEXT / 12
}

fn task_printf(bump: &Bump) -> usize {
    let mut s = String::new_in(bump);
    for i in 0..TEXT / 16 {
        writeln!(s, "{}: {}", 1_000_000 + i, black_box("value")).unwrap();
    }
    black_box(s.into_bump_str());
    TEXT / 16
}

fn task_names(bump: &Bump) -> usize {
    for i in 0..NAMES {
        let mut s = String::new_in(bump);
        s.push_str("folder/item-");
        let mut n = i + 10000;
        while n > 0 {
            s.push((b'0' + (n % 10) as u8) as char);
            n /= 10;
        }
        s.push_str(".txt");
        black_box(s.into_bump_str());
    }
    NAMES as usize
}

fn task_push(bump: &Bump) -> usize {
    let mut v = Vec::new_in(bump);
    for i in 0..NUMBERS {
        v.push(i);
    }
    black_box(v.into_bump_slice());
    NUMBERS as usize
}

fn task_lists(bump: &Bump) -> usize {
    for i in 0..LISTS {
        let mut v = Vec::new_in(bump);
        for j in 0..LIST {
            v.push(Pair { _key: i, _value: j });
        }
        black_box(v.into_bump_slice());
    }
    LISTS as usize
}

fn task_turns(bump: &Bump) -> usize {
    let mut v: std::vec::Vec<Vec<i32>> = (0..ROUND).map(|_| Vec::new_in(bump)).collect();
    for turn in 0..TURNS {
        for one in v.iter_mut() {
            one.push(turn);
        }
    }
    for one in v {
        black_box(one.into_bump_slice());
    }
    ROUND * TURNS as usize
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, time: *mut Timespec) -> i32;
}

fn processor_ns() -> f64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: 2 is CLOCK_PROCESS_CPUTIME_ID, and the structure is the kernel's on 64-bit Linux.
    unsafe { clock_gettime(2, &mut time) };
    time.seconds as f64 * 1e9 + time.nanoseconds as f64
}

fn main() {
    let arguments: std::vec::Vec<std::string::String> = std::env::args().collect();
    let task: fn(&Bump) -> usize = match arguments[1].as_str() {
        "putc" => task_putc,
        "puts" => task_puts,
        "printf" => task_printf,
        "names" => task_names,
        "push" => task_push,
        "lists" => task_lists,
        "turns" => task_turns,
        _ => std::process::exit(2),
    };
    let ns = arguments[2].parse::<f64>().unwrap() * 1e6;
    let mut bump = Bump::new();
    for _ in 0..2 {
        task(&bump);
        bump.reset();
    }
    let start = processor_ns();
    let mut items = 0;
    let mut taken = 0.0;
    while taken < ns {
        items += task(&bump);
        bump.reset();
        taken = processor_ns() - start;
    }
    println!("{}", taken / items as f64);
}
