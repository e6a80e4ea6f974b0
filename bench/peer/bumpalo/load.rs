// SPDX-License-Identifier: MIT
//! What a workload may use: clocks, page faults, memory held, pinned threads that go in rounds, random
//! sizes. The same as bench/load/load.h, in Rust.

use std::arch::asm;
use std::mem::{size_of, zeroed};
use std::os::raw::{c_int, c_long};
use std::sync::Barrier;

const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
const RUSAGE_SELF: c_int = 0;
const CPU_WORDS: usize = 1024 / 64;

#[repr(C)]
struct Timespec {
    seconds: c_long,
    nanoseconds: c_long,
}

/// struct rusage of 64-bit Linux.
#[repr(C)]
struct Rusage {
    times: [c_long; 4],
    max_rss: c_long,
    shared_sizes: [c_long; 3],
    minor_faults: c_long,
    major_faults: c_long,
    rest: [c_long; 8],
}

extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn getrusage(who: c_int, usage: *mut Rusage) -> c_int;
    fn sched_getaffinity(pid: c_int, size: usize, mask: *mut u64) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const u64) -> c_int;
}

fn clock(which: c_int) -> f64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the structure is the system's.
    unsafe { clock_gettime(which, &mut time) };
    time.seconds as f64 * 1e9 + time.nanoseconds as f64
}

fn usage() -> Rusage {
    // SAFETY: all members are integers, and the structure is the system's.
    unsafe {
        let mut usage: Rusage = zeroed();
        getrusage(RUSAGE_SELF, &mut usage);
        usage
    }
}

/// The most memory that the process ever held, in KiB.
pub fn peak_rss_kib() -> f64 {
    usage().max_rss as f64
}

/// A point in time: what happened since an earlier one is their difference.
#[derive(Clone, Copy)]
pub struct Moment {
    pub wall_ns: f64,
    pub cpu_ns: f64,
    pub faults: f64,
}

impl Moment {
    pub fn now() -> Self {
        let usage = usage();
        Moment {
            faults: (usage.minor_faults + usage.major_faults) as f64,
            cpu_ns: clock(CLOCK_PROCESS_CPUTIME_ID),
            wall_ns: clock(CLOCK_MONOTONIC),
        }
    }

    pub fn elapsed(self) -> Self {
        let wall_ns = clock(CLOCK_MONOTONIC);
        let now = Moment::now();
        Moment {
            wall_ns: wall_ns - self.wall_ns,
            cpu_ns: now.cpu_ns - self.cpu_ns,
            faults: now.faults - self.faults,
        }
    }
}

/// Keeps the calling thread on the n-th processor that the process may use, round and round.
pub fn pin(number: usize) {
    let mut allowed = [0u64; CPU_WORDS];
    let mut one = [0u64; CPU_WORDS];
    let size = size_of::<[u64; CPU_WORDS]>();
    // SAFETY: the mask has the size that is said.
    if unsafe { sched_getaffinity(0, size, allowed.as_mut_ptr()) } < 0 {
        return;
    }
    let cpus: Vec<usize> =
        (0..CPU_WORDS * 64).filter(|cpu| allowed[cpu / 64] >> (cpu % 64) & 1 == 1).collect();
    let cpu = cpus[number % cpus.len()];
    one[cpu / 64] = 1 << (cpu % 64);
    // SAFETY: as above.
    unsafe { sched_setaffinity(0, size, one.as_ptr()) };
}

/// Keeps the compiler from removing what was written behind `pointer`, at no instruction's cost. (The
/// standard library's black_box is younger than Debian 12's compiler, and goes through the stack.)
#[inline(always)]
pub fn keep<T>(pointer: *mut T) -> *mut T {
    // SAFETY: nothing is executed.
    unsafe { asm!("/* {0} */", in(reg) pointer, options(nostack, preserves_flags)) };
    pointer
}

/// A fast generator (xorshift with a multiplication) that gives the same numbers on every machine.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }
}

/// Threads that go in rounds: all begin a round together, and `between` follows when all are done.
pub struct Rounds {
    pub threads: usize,
    /// Rounds before the measured ones.
    pub warm: usize,
    pub measured: usize,
}

impl Rounds {
    /// Runs `work(thread, round)` on pinned threads, and `between(round)` on the caller's after each
    /// round; returns what the measured rounds took.
    pub fn run(
        &self,
        work: impl Fn(usize, usize) + Sync,
        mut between: impl FnMut(usize),
    ) -> Moment {
        let barrier = Barrier::new(self.threads + 1);
        let rounds = self.warm + self.measured;
        std::thread::scope(|scope| {
            for thread in 0..self.threads {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    pin(thread);
                    barrier.wait();
                    for round in 0..rounds {
                        barrier.wait();
                        work(thread, round);
                        barrier.wait();
                    }
                    barrier.wait();
                });
            }
            barrier.wait();
            let mut start = Moment::now();
            for round in 0..rounds {
                if round == self.warm {
                    start = Moment::now();
                }
                barrier.wait();
                barrier.wait();
                between(round);
            }
            let took = start.elapsed();
            barrier.wait(); // a thread's end takes faults and time of its own
            took
        })
    }
}
