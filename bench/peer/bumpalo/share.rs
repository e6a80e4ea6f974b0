// SPDX-License-Identifier: MIT
//! W4 and W8: arenas and messages that pass between threads.

use crate::herd::{Herd, Member};
use crate::load::{Random, Team};
use crate::ring::{Ring, Side};
use crate::work::{allocate, phase_end, Options, Sample};

// --- W4: checkout ----------------------------------------------------------------------------------

const W4_SIZE: usize = 32;

#[inline(never)]
fn w4_pairs(herd: &Herd, pairs: usize) {
    for i in 0..pairs {
        allocate(&herd.get(), W4_SIZE, i);
    }
}

pub fn w4(options: Options) -> Sample {
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

pub fn w8(options: Options) -> Sample {
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
