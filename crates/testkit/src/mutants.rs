//! Broken pictures, bred from good and hostile ones: the same in every run.

use crate::fuzz::Dice;

/// Numbers at the ends of what lengths and sizes can be.
const ENDS: [u32; 12] = [
    0,
    1,
    2,
    0x7f,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    u32::MAX,
];

/// Headers lie within so many bytes, in most pictures.
const HEAD: usize = 512;

/// Longer ones are cut.
const LONG: usize = 1 << 20;

/// Pictures to breed from.
#[derive(Debug, Clone)]
pub struct Mutants {
    seeds: Vec<Vec<u8>>,
}

impl Mutants {
    /// Of these pictures: one at least, and none empty.
    pub fn of(seeds: Vec<Vec<u8>>) -> Self {
        assert!(
            seeds.iter().any(|seed| !seed.is_empty()),
            "there is nothing to breed from"
        );
        Self { seeds }
    }

    /// Mutant `case`, and the position of the picture that it was bred from: bits turned, parts cut out,
    /// repeated, or put in from another picture, and fields of the header at the ends of what they can be.
    /// In every other PNG the checksums are put right again, so that what is behind them is met.
    pub fn get(&self, case: u64) -> (usize, Vec<u8>) {
        let mut dice = Dice::new(case);
        let parent = dice.below(self.seeds.len());
        let mut bytes = self.seeds[parent].clone();
        for _ in 0..=dice.below(4) {
            self.mutate(&mut bytes, &mut dice);
            bytes.truncate(LONG);
        }
        if dice.below(2) == 0 {
            right_checksums(&mut bytes);
        }
        (parent, bytes)
    }

    fn mutate(&self, bytes: &mut Vec<u8>, dice: &mut Dice) {
        if bytes.is_empty() {
            bytes.push(dice.byte());
        }
        let place = dice.below(bytes.len());
        match dice.below(8) {
            0 | 1 => {
                for _ in 0..=dice.below(8) {
                    let place = dice.below(bytes.len());
                    bytes[place] ^= 1 << dice.below(8);
                }
            }
            2 => bytes.truncate(place),
            3 => drop(bytes.drain(dice.range(bytes))),
            4 => {
                let part = bytes[dice.range(bytes)].repeat(1 + dice.below(8));
                drop(bytes.splice(place..place, part));
            }
            5 => {
                let other = dice.choice(&self.seeds);
                let from = dice.below(other.len() + 1);
                bytes.truncate(place);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let end = dice.choice(&ENDS).to_be_bytes();
                let width = *dice.choice(&[1, 2, 4]);
                let mut field = end[4 - width..].to_vec();
                if dice.below(2) == 0 {
                    field.reverse();
                }
                let place = dice.below(bytes.len().min(HEAD));
                for (byte, new) in bytes[place..].iter_mut().zip(field) {
                    *byte = new;
                }
            }
        }
    }
}

/// Writes the right CRC-32 behind each chunk of a PNG, as far as chunks can be told apart.
fn right_checksums(bytes: &mut [u8]) {
    if !bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return;
    }
    let mut at = 8;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(at + 8));
        let Some(end) = end.filter(|end| *end + 4 <= bytes.len()) else {
            return;
        };
        let sum = crc32(&bytes[at + 4..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
}

/// As the PNG specification has it, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                0xedb8_8320 ^ (sum >> 1)
            } else {
                sum >> 1
            }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::pictures;

    #[test]
    fn mutants_are_many_and_the_same_in_every_run() {
        let mutants = Mutants::of(vec![pictures::png(1), pictures::jpeg(2)]);
        let made: Vec<_> = (0..500).map(|case| mutants.get(case)).collect();
        let again: Vec<_> = (0..500).map(|case| mutants.get(case)).collect();
        assert_eq!(made, again);
        let different: HashSet<_> = made.iter().collect();
        assert!(different.len() > 450, "{}", different.len());
    }

    #[test]
    fn checksums_of_a_png_are_put_right() {
        let good = pictures::png(3);
        let mut bad = good.clone();
        // Of the IHDR chunk, which ends at 29.
        bad[29..33].fill(0);
        right_checksums(&mut bad);
        assert_eq!(bad, good);
    }
}
