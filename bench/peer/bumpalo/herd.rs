// SPDX-License-Identifier: MIT
//! A pool of bumpalo's arenas for many threads, as Rust programs build it: a mutex around a vector of
//! idle arenas. A member is popped, or created if there is none, and goes back when it is dropped.

use bumpalo::Bump;
use std::alloc::Layout;
use std::mem::ManuallyDrop;
use std::sync::{Mutex, MutexGuard};

/// The arenas that no thread has.
pub struct Herd {
    // Boxed, as in Rust programs, so that a checkout moves only a pointer.
    #[allow(clippy::vec_box)]
    idle: Mutex<Vec<Box<Bump>>>,
}

impl Herd {
    pub fn new() -> Self {
        Herd { idle: Mutex::new(Vec::new()) }
    }

    #[allow(clippy::vec_box)]
    fn idle(&self) -> MutexGuard<'_, Vec<Box<Bump>>> {
        self.idle.lock().expect("a thread ended while it held the lock")
    }

    /// An arena for this thread, put back when the member is dropped.
    pub fn get(&self) -> Member<'_> {
        let idle = self.idle().pop();
        Member { herd: self, bump: ManuallyDrop::new(idle.unwrap_or_default()) }
    }

    /// Frees everything that was allocated. All members must be back, and their memory must not be used.
    pub fn reset(&self) {
        for bump in self.idle().iter_mut() {
            bump.reset();
        }
    }
}

/// An arena that a thread has checked out.
pub struct Member<'h> {
    herd: &'h Herd,
    bump: ManuallyDrop<Box<Bump>>,
}

impl Member<'_> {
    /// Returns memory aligned to 8. It is valid until the herd is reset, whoever has the arena by then.
    #[inline(always)]
    pub fn alloc(&self, size: usize) -> *mut u8 {
        // SAFETY: 8 is a power of two, and no size of a workload comes near isize::MAX.
        let layout = unsafe { Layout::from_size_align_unchecked(size, 8) };
        self.bump.alloc_layout(layout).as_ptr()
    }

    /// Returns a copy of `text` and a NUL, valid as long.
    #[inline(always)]
    pub fn string(&self, text: &[u8]) -> *mut u8 {
        // SAFETY: 1 is a power of two; the copy is as large as what is written to it.
        unsafe {
            let layout = Layout::from_size_align_unchecked(text.len() + 1, 1);
            let copy = self.bump.alloc_layout(layout).as_ptr();
            copy.copy_from_nonoverlapping(text.as_ptr(), text.len());
            copy.add(text.len()).write(0);
            copy
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        // SAFETY: the field is not used again.
        let bump = unsafe { ManuallyDrop::take(&mut self.bump) };
        self.herd.idle().push(bump);
    }
}
