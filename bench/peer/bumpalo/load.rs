// SPDX-License-Identifier: MIT
//! The harness of the workloads, as in bench/load/load.h: threads that are pinned and meet at
//! barriers, clocks, page faults, resident memory, and random numbers.

use std::arch::asm;
use std::mem::{size_of, zeroed};
use std::os::raw::{c_int, c_long};
use std::sync::{Barrier, Mutex};

const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
const RUSAGE_SELF: c_int = 0;
const PROT_READ_WRITE: c_int = 1 | 2;
const MAP_PRIVATE_ANONYMOUS_NORESERVE: c_int = 0x02 | 0x20 | 0x4000;
const MADV_HUGEPAGE: c_int = 14;
const PAGE: usize = 4096;
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
    sizes: [c_long; 4],
    minor_faults: c_long,
    major_faults: c_long,
    rest: [c_long; 8],
}

extern "C" {
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
    fn getrusage(who: c_int, usage: *mut Rusage) -> c_int;
    fn fork() -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn _exit(status: c_int) -> !;
    fn mmap(
        at: *mut u8,
        size: usize,
        access: c_int,
        flags: c_int,
        file: c_int,
        offset: c_long,
    ) -> *mut u8;
    fn madvise(start: *mut u8, size: usize, advice: c_int) -> c_int;
    fn sched_getaffinity(pid: c_int, size: usize, mask: *mut u64) -> c_int;
    fn sched_setaffinity(pid: c_int, size: usize, mask: *const u64) -> c_int;
}

fn clock(which: c_int) -> f64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    // SAFETY: the structure is the system's.
    unsafe { clock_gettime(which, &mut time) };
    time.seconds as f64 * 1e9 + time.nanoseconds as f64
}

fn faults_now() -> f64 {
    // SAFETY: all members are integers, and the structure is the system's.
    let usage = unsafe {
        let mut usage: Rusage = zeroed();
        getrusage(RUSAGE_SELF, &mut usage);
        usage
    };
    (usage.minor_faults + usage.major_faults) as f64
}

/// Returns nanoseconds.
pub fn now() -> f64 {
    clock(CLOCK_MONOTONIC)
}

/// Returns nanoseconds of all threads.
pub fn cpu_now() -> f64 {
    clock(CLOCK_PROCESS_CPUTIME_ID)
}

fn status_kib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

pub fn rss_kib() -> f64 {
    status_kib("VmRSS")
}

pub fn rss_highest_kib() -> f64 {
    status_kib("VmHWM")
}

/// Makes sure that the machine has `bytes` of free memory that was touched recently: on a virtual
/// machine, the first touch of each page costs the host much more than the page fault. Runs in a child,
/// so that the highest resident size of this process does not include it.
pub fn touch(bytes: usize) {
    // SAFETY: no thread was started yet; the child only maps memory, writes to it and ends.
    unsafe {
        let child = fork();
        if child == 0 {
            let flags = MAP_PRIVATE_ANONYMOUS_NORESERVE;
            let memory = mmap(std::ptr::null_mut(), bytes, PROT_READ_WRITE, flags, -1, 0);
            if memory as isize == -1 {
                _exit(1);
            }
            madvise(memory, bytes, MADV_HUGEPAGE);
            for at in (0..bytes).step_by(PAGE) {
                memory.add(at).write_volatile(1);
            }
            _exit(0);
        }
        if child > 0 {
            waitpid(child, std::ptr::null_mut(), 0);
        }
    }
}

/// Pins the calling thread number n to one of the processors that the process may use, cyclically.
fn pin(number: usize) {
    let mut allowed = [0u64; CPU_WORDS];
    let mut one = [0u64; CPU_WORDS];
    let size = size_of::<[u64; CPU_WORDS]>();
    // SAFETY: the mask has the size that is passed.
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

/// The measured part: times in ns, of all threads together where it is processor time.
#[derive(Clone, Copy, Default)]
pub struct Measured {
    pub wall: f64,
    pub cpu: f64,
    pub faults: f64,
    pub rss_before: f64,
}

/// The threads of a run.
pub struct Team {
    barrier: Barrier,
    measured: Mutex<Measured>,
}

impl Team {
    /// Runs `work(team, number)` in new threads that are pinned to the allowed processors, cyclically;
    /// returns what they measured between begin() and end().
    pub fn run(threads: usize, work: impl Fn(&Team, usize) + Sync) -> Measured {
        let team =
            Team { barrier: Barrier::new(threads), measured: Mutex::new(Measured::default()) };
        std::thread::scope(|scope| {
            for number in 0..threads {
                let (team, work) = (&team, &work);
                scope.spawn(move || {
                    pin(number);
                    team.meet();
                    work(team, number);
                    team.meet(); // no thread ends while another one measures
                });
            }
        });
        team.measured()
    }

    /// Waits for all threads.
    pub fn meet(&self) {
        self.barrier.wait();
    }

    pub fn measured(&self) -> Measured {
        *self.measured.lock().expect("no thread ends early")
    }

    /// Every thread calls this where the measured part begins, and end() where it ends.
    pub fn begin(&self, number: usize) {
        self.meet();
        if number == 0 {
            let mut measured = self.measured.lock().expect("no thread ends early");
            for _ in 0..2 {
                // The first call pages in what reading itself needs.
                measured.rss_before = rss_kib();
                measured.faults = faults_now();
                measured.cpu = cpu_now();
                measured.wall = now();
            }
        }
        self.meet();
    }

    pub fn end(&self, number: usize) {
        self.meet();
        if number == 0 {
            let mut measured = self.measured.lock().expect("no thread ends early");
            measured.wall = now() - measured.wall;
            measured.cpu = cpu_now() - measured.cpu;
            measured.faults = faults_now() - measured.faults;
        }
        self.meet();
    }
}

/// Keeps the compiler from removing what was written behind `pointer`; takes no instruction. (The
/// standard library's black_box is younger than Debian 12's compiler, and goes through the stack.)
#[inline(always)]
pub fn keep<T>(pointer: *mut T) -> *mut T {
    // SAFETY: nothing is executed.
    unsafe { asm!("/* {0} */", in(reg) pointer, options(nostack, preserves_flags)) };
    pointer
}

/// Random numbers, the same in every run and for every peer: splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Random(1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Returns a table of sizes from `least` to `most`, evenly distributed.
pub fn sizes(count: usize, least: u32, most: u32) -> Vec<u32> {
    let mut random = Random::new();
    let spread = u64::from(most - least + 1);
    (0..count).map(|_| least + (random.next() % spread) as u32).collect()
}
