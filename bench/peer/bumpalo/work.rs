// SPDX-License-Identifier: MIT
//! The workloads, loop for loop those of bench/load/w1.c to w8.c.

use crate::herd::{Herd, Member};
use crate::load::{keep, peak_rss_kib, Moment, Random, Rounds};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// What the command line asks for.
#[derive(Clone, Copy)]
pub struct Options {
    pub threads: usize,
    pub quick: bool,
    /// Items in all, where --items says so.
    pub items: Option<usize>,
}

impl Options {
    /// How often to do what takes `each` items, where a full sample does it `full` times.
    fn times(self, full: usize, each: usize) -> usize {
        match self.items {
            Some(items) => (items / each).max(1),
            None if self.quick => (full / 10).max(1),
            None => full,
        }
    }
}

/// What one sample found.
pub struct Sample {
    pub unit: &'static str,
    pub value: f64,
    pub items: usize,
    pub extra: Vec<(&'static str, f64)>,
}

impl Sample {
    fn new(unit: &'static str, took: Moment, items: usize) -> Self {
        let each = |ns: f64| ns / items as f64;
        let extra = vec![
            ("faults", took.faults),
            ("cpu_ns", each(took.cpu_ns)),
            ("peak_rss_kib", peak_rss_kib()),
        ];
        Sample { unit, value: each(took.wall_ns), items, extra }
    }

    fn with(mut self, name: &'static str, value: f64) -> Self {
        self.extra.push((name, value));
        self
    }
}

pub struct Workload {
    pub name: &'static str,
    pub threads: &'static [usize],
    pub run: fn(Options) -> Sample,
}

pub const WORKLOADS: [Workload; 8] = [
    Workload { name: "w1", threads: &[1], run: hot },
    Workload { name: "w2", threads: &[1, 2, 4], run: lists },
    Workload { name: "w3", threads: &[1, 2], run: cold },
    Workload { name: "w4", threads: &[1, 2, 4, 8, 16], run: checkouts },
    Workload { name: "w5", threads: &[4], run: phases },
    Workload { name: "w6", threads: &[1, 2], run: mixed },
    Workload { name: "w7", threads: &[1], run: bulk_free },
    Workload { name: "w8", threads: &[2], run: hand_over },
];

/// Allocates, and writes the first word where the compiler can't leave it out.
#[inline(always)]
fn touch(member: &Member<'_>, size: usize, word: usize) -> *mut usize {
    let memory = member.alloc(size).cast::<usize>();
    // SAFETY: aligned to 8, and no size is less than a word.
    unsafe { memory.write(word) };
    keep(memory)
}

fn table(count: usize, seed: u64, size: impl Fn(&mut Random) -> u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| size(&mut random) as u32).collect()
}

/// W1: sizes of 8 to 256 bytes in warm memory.
fn hot(options: Options) -> Sample {
    const PHASE: usize = 10_000;
    let sizes = table(PHASE, 1, |random| random.between(8, 256));
    let herd = Herd::new();
    let times = options.times(10_000, PHASE);
    let phases = |count: usize| {
        for _ in 0..count {
            let member = herd.get();
            for (i, size) in sizes.iter().enumerate() {
                touch(&member, *size as usize, i);
            }
            drop(member);
            herd.reset();
        }
    };
    let rounds = Rounds { threads: 1, warm: 1, measured: 1 };
    let took = rounds.run(|_, round| phases(if round == 0 { 10 } else { times }), |_| ());
    Sample::new("ns/allocation", took, times * PHASE)
}

#[repr(C)]
struct Node {
    next: *mut Node,
    value: usize,
}

/// W2: a list a thread, of a million nodes in all, reset each round.
fn lists(options: Options) -> Sample {
    const NODES: usize = 1_000_000;
    let herd = Herd::new();
    let share = NODES / options.threads;
    let rounds =
        Rounds { threads: options.threads, warm: 3, measured: options.times(100, NODES) };
    let build = |_, _| {
        let member = herd.get();
        let mut head: *mut Node = std::ptr::null_mut();
        for value in 0..share {
            let node = member.alloc(std::mem::size_of::<Node>()).cast::<Node>();
            // SAFETY: room for a node, aligned to 8.
            unsafe { node.write(Node { next: head, value }) };
            head = keep(node);
        }
    };
    let took = rounds.run(build, |_| herd.reset());
    Sample::new("ns/node", took, rounds.measured * share * options.threads)
}

/// W3: 1 GiB of objects of 64 bytes, from nothing.
fn cold(options: Options) -> Sample {
    const OBJECT: usize = 64;
    const UNIT: usize = (100 << 20) / OBJECT;
    let herd = Herd::new();
    let full = (1 << 30) / OBJECT;
    let share = options.items.unwrap_or(if options.quick { UNIT } else { full }) / options.threads;
    let rounds = Rounds { threads: options.threads, warm: 0, measured: 1 };
    let fill = |_, _| {
        let member = herd.get();
        for i in 0..share {
            touch(&member, OBJECT, i);
        }
    };
    let took = rounds.run(fill, |_| ());
    let items = share * options.threads;
    Sample::new("ns/object", took, items).with("requested_kib", (items * OBJECT / 1024) as f64)
}

/// W4: check out, allocate 32 bytes, put back.
fn checkouts(options: Options) -> Sample {
    let herd = Herd::new();
    let share = options.times(3_000_000, 1) / options.threads;
    let rounds = Rounds { threads: options.threads, warm: 1, measured: 1 };
    let pairs = |_, _| {
        for i in 0..share {
            touch(&herd.get(), 32, i);
        }
    };
    let took = rounds.run(pairs, |round| {
        if round == 0 {
            herd.reset();
        }
    });
    Sample::new("ns/pair", took, share * options.threads)
}

/// W5: phases of objects of 8 to 256 bytes, reset after each.
fn phases(options: Options) -> Sample {
    const OBJECTS: usize = 100_000;
    const FIRST: usize = 2; // phases in which memory may still be got
    let herd = Herd::new();
    let share = OBJECTS;
    let each = share * options.threads;
    let tables: Vec<Vec<u32>> = (0..options.threads)
        .map(|thread| table(share, 1 + thread as u64, |random| random.between(8, 256)))
        .collect();
    let count = options.times(200, each).max(FIRST + 1);
    let rounds = Rounds { threads: options.threads, warm: 0, measured: count };
    let mut steady = Moment::now();
    let mut steady_faults = 0.0;
    let took = rounds.run(
        |thread, _| {
            let member = herd.get();
            for (i, size) in tables[thread].iter().enumerate() {
                touch(&member, *size as usize, i);
            }
        },
        |round| {
            herd.reset();
            if round + 1 == FIRST {
                steady = Moment::now();
            }
            if round + 1 == count {
                steady_faults = steady.elapsed().faults;
            }
        },
    );
    Sample::new("ns/object", took, count * each).with("steady_faults", steady_faults)
}

fn mixed_size(random: &mut Random) -> u64 {
    match random.between(0, 99) {
        0..=89 => random.between(16, 64),
        90..=98 => random.between(65, 1024),
        _ => random.between(4096, 65536),
    }
}

/// W6: small, middle and large objects, from nothing.
fn mixed(options: Options) -> Sample {
    const SIZES: usize = 1 << 16;
    let herd = Herd::new();
    let sizes = table(SIZES, 1, mixed_size);
    let share = options.times(5_000_000, options.threads);
    let rounds = Rounds { threads: options.threads, warm: 0, measured: 1 };
    let fill = |_, _| {
        let member = herd.get();
        for i in 0..share {
            touch(&member, sizes[i % SIZES] as usize, i);
        }
    };
    let took = rounds.run(fill, |_| ());
    let bytes: u64 = (0..share).map(|i| u64::from(sizes[i % SIZES])).sum();
    let requested = (bytes as usize * options.threads / 1024) as f64;
    Sample::new("ns/object", took, share * options.threads).with("requested_kib", requested)
}

/// The microseconds of a reset after `count` objects of 32 bytes.
fn reset_us(count: usize) -> f64 {
    let herd = Herd::new();
    let member = herd.get();
    for i in 0..count {
        touch(&member, 32, i);
    }
    drop(member);
    let start = Moment::now();
    herd.reset();
    start.elapsed().wall_ns / 1000.0
}

/// W7: the reset after few and after many objects.
fn bulk_free(options: Options) -> Sample {
    let most = if options.quick { 1_000_000 } else { 10_000_000 };
    let start = Moment::now();
    let few = reset_us(most / 10);
    let many = reset_us(most);
    let took = start.elapsed();
    let mut sample = Sample::new("us/reset", took, most);
    sample.value = many;
    sample.with("reset_us_few", few).with("reset_us_many", many)
}

const RING: usize = 1024;
const TEXT: &[u8] = b"twenty-four bytes long.\0";

/// On a line of its own: each end of the ring is written by another thread.
#[repr(align(128))]
struct End(AtomicUsize);

/// A bounded ring of one producer and one consumer.
struct Ring {
    written: End,
    read: End,
    slots: Vec<AtomicPtr<u8>>,
}

impl Ring {
    fn new() -> Self {
        let slots = (0..RING).map(|_| AtomicPtr::new(std::ptr::null_mut())).collect();
        Ring { written: End(AtomicUsize::new(0)), read: End(AtomicUsize::new(0)), slots }
    }

    /// False: the ring is full. The release publishes the message; it pairs with pop's acquire.
    #[inline(always)]
    fn push(&self, message: *mut u8) -> bool {
        let at = self.written.0.load(Ordering::Relaxed);
        if at.wrapping_sub(self.read.0.load(Ordering::Acquire)) == RING {
            return false;
        }
        self.slots[at % RING].store(message, Ordering::Relaxed);
        self.written.0.store(at.wrapping_add(1), Ordering::Release);
        true
    }

    /// None: the ring is empty. The release frees the slot; it pairs with push's acquire.
    #[inline(always)]
    fn pop(&self) -> Option<*mut u8> {
        let at = self.read.0.load(Ordering::Relaxed);
        if at == self.written.0.load(Ordering::Acquire) {
            return None;
        }
        let message = self.slots[at % RING].load(Ordering::Relaxed);
        self.read.0.store(at.wrapping_add(1), Ordering::Release);
        Some(message)
    }
}

/// W8: strings from a producer to a consumer that reads every byte.
fn hand_over(options: Options) -> Sample {
    let herd = Herd::new();
    let ring = Ring::new();
    let count = options.times(5_000_000, 1);
    let produce = || {
        let member = herd.get();
        for _ in 0..count {
            let message = keep(member.string(TEXT));
            while !ring.push(message) {
                spin_loop();
            }
        }
    };
    let consume = || {
        let mut sum = 0usize;
        for _ in 0..count {
            let message = loop {
                match ring.pop() {
                    Some(message) => break message,
                    None => spin_loop(),
                }
            };
            for at in 0..TEXT.len() {
                // SAFETY: the producer wrote them before the release in push().
                sum += usize::from(unsafe { message.add(at).read() });
            }
        }
        keep(&mut sum);
    };
    let rounds = Rounds { threads: 2, warm: 1, measured: 1 };
    let took = rounds.run(
        |thread, _| if thread == 0 { produce() } else { consume() },
        |round| {
            if round == 0 {
                herd.reset();
            }
        },
    );
    Sample::new("ns/message", took, count)
}
