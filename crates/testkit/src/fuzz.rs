//! Fuzzing by mutation, on the stable toolchain: inputs bred from good ones, the same in every run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::SplitMix64;

/// Cases of a target where [`CASES`] says nothing: seconds, for every run of the tests.
const DEFAULT_CASES: u64 = 2_000;

/// The environment variable that says how many cases each target runs.
const CASES: &str = "TUSOU_FUZZ_CASES";

/// The environment variable that says at which case each target begins.
const FIRST: &str = "TUSOU_FUZZ_FIRST";

/// The longest input but for those that are grown on purpose, and the longest of these.
const LONG: usize = 32 * 1024;
const GROWN: usize = 256 * 1024;

/// How often a failing input is cut in search of a smaller one.
const CUTS: usize = 2_000;

/// How much of a failing input is shown, in bytes.
const SHOWN: usize = 2_000;

/// A parser under test: good inputs to breed from, and words that mean something to it.
#[derive(Debug)]
pub struct Fuzz<'a> {
    /// For the message of a failure.
    pub name: &'a str,
    /// Good inputs; one at least.
    pub seeds: Vec<Vec<u8>>,
    /// What is put between: `<script>`, `&amp;`, `\r\n`.
    pub words: &'a [&'a [u8]],
}

impl Fuzz<'_> {
    /// Gives `check` every seed, and mutants of them; a `check` that panics fails the test with the
    /// smallest input found that does it, and the number of its case.
    ///
    /// There are 2,000 cases, or as many as `TUSOU_FUZZ_CASES` says. Case `n` is the same input in
    /// every run; `TUSOU_FUZZ_FIRST` is the number of the first.
    pub fn run(&self, check: impl Fn(&[u8])) {
        assert!(
            !self.seeds.is_empty(),
            "{} has nothing to breed from",
            self.name
        );
        let first = number(FIRST).unwrap_or(0);
        let breaks = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| check(input))).is_err();
        for seed in &self.seeds {
            assert!(
                !breaks(seed),
                "{}: a seed breaks it: {}",
                self.name,
                shown(seed)
            );
        }
        for case in first..first.saturating_add(number(CASES).unwrap_or(DEFAULT_CASES)) {
            let input = self.mutant(case);
            if breaks(&input) {
                let small = smaller(input, breaks);
                let name = self.name;
                panic!(
                    "{name}: case {case} breaks it ({FIRST}={case}): {}",
                    shown(&small)
                );
            }
        }
    }

    fn mutant(&self, case: u64) -> Vec<u8> {
        let mut dice = Dice::new(case);
        let mut input = dice.choice(&self.seeds).clone();
        for _ in 0..=dice.below(6) {
            self.mutate(&mut input, &mut dice);
            input.truncate(LONG);
        }
        if dice.below(64) == 0 && !input.is_empty() {
            // What costs more than its length shows when it is long.
            let part = dice.range(&input);
            let part = input[part].to_vec();
            while !part.is_empty() && input.len() + part.len() <= GROWN {
                input.extend_from_slice(&part);
            }
        }
        input
    }

    fn mutate(&self, input: &mut Vec<u8>, dice: &mut Dice) {
        const ODD: [u8; 12] = [0, 1, 9, 10, 13, 0x1f, 0x7f, 0x80, 0xc3, 0xef, 0xfe, 0xff];
        let place = dice.below(input.len() + 1);
        let range = dice.range(input);
        match dice.below(10) {
            0 if place < input.len() => input[place] ^= 1 << dice.below(8),
            1 if place < input.len() => input[place] = *dice.choice(&ODD),
            2 => input.truncate(place),
            3 => drop(input.drain(range)),
            4 => {
                let times = 1 + dice.below(40);
                let part = input[range].repeat(times);
                insert(input, place, &part);
            }
            5 => {
                let other = dice.choice(&self.seeds);
                let part = &other[dice.range(other)];
                insert(input, place, part);
            }
            6 => {
                let part: Vec<u8> = input.drain(range).collect();
                let place = place.min(input.len());
                insert(input, place, &part);
            }
            7 => {
                let bytes: Vec<u8> = (0..=dice.below(8)).map(|_| dice.byte()).collect();
                insert(input, place, &bytes);
            }
            _ if !self.words.is_empty() => {
                let times = if dice.below(16) == 0 { 200 } else { 1 };
                let word = dice.choice(self.words).repeat(times);
                insert(input, place, &word);
            }
            _ => input.push(dice.byte()),
        }
    }
}

fn insert(input: &mut Vec<u8>, place: usize, part: &[u8]) {
    drop(input.splice(place..place, part.iter().copied()));
}

/// Cuts pieces out, large ones first, as long as what is left still breaks it.
fn smaller(mut input: Vec<u8>, breaks: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut piece = input.len().div_ceil(2);
    let mut cuts = 0;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() && cuts < CUTS {
            let end = (at + piece).min(input.len());
            let rest = [&input[..at], &input[end..]].concat();
            cuts += 1;
            if breaks(&rest) {
                input = rest;
            } else {
                at = end;
            }
        }
        piece /= 2;
    }
    input
}

fn shown(input: &[u8]) -> String {
    let start = &input[..input.len().min(SHOWN)];
    format!("{} bytes: {}", input.len(), start.escape_ascii())
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is {text:?}; write a number"),
    }
}

/// Numbers that look random and are the same for the same start.
#[derive(Debug)]
pub(crate) struct Dice(SplitMix64);

impl Dice {
    pub(crate) fn new(start: u64) -> Self {
        Self(SplitMix64::new(start.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    /// Below `end`, which is one at least.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.bits() % end as u64).expect("it is below a length")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.0.bits().to_le_bytes()[7]
    }

    pub(crate) fn choice<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// A part of these bytes: mostly a short one.
    pub(crate) fn range(&mut self, of: &[u8]) -> std::ops::Range<usize> {
        let start = self.below(of.len() + 1);
        let most = of.len() - start;
        let most = if self.below(4) == 0 {
            most
        } else {
            most.min(64)
        };
        start..start + self.below(most + 1)
    }
}
