// SPDX-License-Identifier: MIT
//! A bounded ring of pointers for one producer and one consumer. Each side keeps a copy of the other's
//! count, and reads the count again only when the ring seems full or empty; then it waits for a batch of
//! slots or messages.

use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

const SLOTS: usize = 1024;
const LOOKS: usize = 1000;
const BATCH: usize = 64;

/// On a line of its own: each count is written by one side.
#[repr(align(64))]
struct Count(AtomicUsize);

pub struct Ring {
    put: Count,
    taken: Count,
    slots: [AtomicPtr<u8>; SLOTS],
}

/// The data of one side: its own count, and its copy of the other's.
#[derive(Default)]
pub struct Side {
    own: usize,
    seen: usize,
}

/// Spins, and after a while yields, in case the other side needs this processor.
fn wait_a_little(looks: &mut usize) {
    *looks += 1;
    if *looks == LOOKS {
        *looks = 0;
        std::thread::yield_now();
    }
    std::hint::spin_loop();
}

impl Ring {
    pub fn new() -> Self {
        let slots = [(); SLOTS].map(|()| AtomicPtr::new(std::ptr::null_mut()));
        Ring { put: Count(AtomicUsize::new(0)), taken: Count(AtomicUsize::new(0)), slots }
    }

    /// The data of the producer for a ring whose messages were all taken; the consumer's is the same.
    pub fn side(&self) -> Side {
        let count = self.put.0.load(Ordering::Acquire);
        Side { own: count, seen: count }
    }

    /// The release publishes the message; it pairs with the acquire in take().
    #[inline(always)]
    pub fn put(&self, side: &mut Side, message: *mut u8) {
        if side.own.wrapping_sub(side.seen) == SLOTS {
            let mut looks = 0;
            while side.own.wrapping_sub(side.seen) > SLOTS - BATCH {
                side.seen = self.taken.0.load(Ordering::Acquire);
                wait_a_little(&mut looks);
            }
        }
        self.slots[side.own % SLOTS].store(message, Ordering::Relaxed);
        side.own = side.own.wrapping_add(1);
        self.put.0.store(side.own, Ordering::Release);
    }

    /// `left` messages are still to come. The release hands the slot back; it pairs with the acquire in
    /// put().
    #[inline(always)]
    pub fn take(&self, side: &mut Side, left: usize) -> *mut u8 {
        if side.own == side.seen {
            let batch = left.min(BATCH);
            let mut looks = 0;
            while side.seen.wrapping_sub(side.own) < batch {
                side.seen = self.put.0.load(Ordering::Acquire);
                wait_a_little(&mut looks);
            }
        }
        let message = self.slots[side.own % SLOTS].load(Ordering::Relaxed);
        side.own = side.own.wrapping_add(1);
        self.taken.0.store(side.own, Ordering::Release);
        message
    }
}
