//! Copies of one picture become one group: other sizes, other compression, other formats.
//!
//! Two pictures are taken for copies where their perceptual hashes differ in at most [`NEAR`] bits and their
//! aspects by at most 2 %. Measured on the 793 stamps of Tux Paint, each against altered copies of itself (share
//! of copies at most so many bits away) and against each other (pairs of 314,028 of like aspect; one pair is the
//! same file twice and not counted). Half the bits of a hash are set, so distances are even.
//!
//! | bits | half size | quarter | JPEG 80 | JPEG 40 | 1 % cropped | 2.5 % | 5 % | different pairs |
//! |---|---|---|---|---|---|---|---|---|
//! | 2 | 94.7 % | 85.0 % | 92.6 % | 89.4 % | 64.8 % | 11.9 % | 0.9 % | 4 |
//! | **4** | 96.7 % | 89.5 % | 95.0 % | 93.7 % | 89.2 % | 27.4 % | 2.8 % | 7 |
//! | 6 | 98.2 % | 92.1 % | 96.1 % | 95.3 % | 97.2 % | 48.7 % | 6.3 % | 14 |
//! | 8 | 98.7 % | 93.6 % | 97.2 % | 97.0 % | 98.4 % | 71.4 % | 14.2 % | 18 |
//!
//! The pairs up to 4 bits are sides of one toy that differ by a letter. At 6 a green and a red flag come
//! together, at 8 a planet and a coin; among 442 screenshots and icons of the Debian handbook at 6 the icons of
//! 10 and 19 (there 98.2 % of JPEG 80 and 99.1 % of half size are found at 4). Crops are for the copy model to
//! tell (`mode=same`): a shot a step to the left looks like a crop, and similar shots are to be kept apart.

use super::Candidate;

/// Pictures that are copies of each other, by all that their hashes say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    /// The one with the most pixels, then the most bytes, then the earliest seen.
    pub(crate) best: Candidate,
    /// The rest, in the order of relevance.
    pub(crate) others: Vec<Candidate>,
}

impl Group {
    /// All of it, the best first.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Candidate> + Clone {
        std::iter::once(&self.best).chain(&self.others)
    }
}

/// Bits in which the hashes of two copies may differ.
pub(crate) const NEAR: u32 = 4;
/// How many times the aspect of one copy may be that of the other.
const LIKE_ASPECT: f32 = 1.02;
/// Half of a hash's 64 bits are above the median; where fewer or more are, values were equal.
const BITS_SET: std::ops::RangeInclusive<u32> = 30..=34;
/// See [`says_something`].
const ROWS_ALIKE: u32 = 10;

/// The candidates in groups, each at the place of its first member, to whom every other is near: near to another
/// member is not enough, or a chain of small steps would lead from a picture to any other.
pub(crate) fn group(candidates: Vec<Candidate>) -> Vec<Group> {
    /// Who is in a group, by their places among the candidates, and its founder's aspect.
    struct Founded {
        aspect: f32,
        members: Vec<usize>,
    }
    let mut founded: Vec<Founded> = Vec::with_capacity(candidates.len());
    let mut founders = Founders::default();
    for (place, candidate) in candidates.iter().enumerate() {
        let hash = candidate.phash.filter(|hash| says_something(*hash));
        let aspect = candidate.aspect();
        let near = hash.and_then(|hash| {
            let near = founders.near(hash);
            near.filter(|(_, group)| alike(aspect, founded[*group].aspect))
                .min()
        });
        if let Some((_, group)) = near {
            founded[group].members.push(place);
            continue;
        }
        if let Some(hash) = hash {
            founders.add(hash, founded.len());
        }
        founded.push(Founded {
            aspect,
            members: vec![place],
        });
    }
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let mut take = |place: usize| candidates[place].take().expect("each is in one group");
    let groups = founded.into_iter().map(|founded| {
        let mut others: Vec<Candidate> = founded.members.into_iter().map(&mut take).collect();
        let best = others.remove(best(&others));
        Group { best, others }
    });
    groups.collect()
}

/// The hashes that founded a group each, found again by hashes that differ in at most [`NEAR`] bits: of five bands
/// of such two one is the same. A thousand candidates are half a million pairs, too many to compare for each page.
#[derive(Debug)]
struct Founders {
    /// By band and its value: one more than the place of the latest founder that has it, 0 for none.
    latest: Vec<u32>,
    founders: Vec<Founder>,
}

#[derive(Debug)]
struct Founder {
    hash: u64,
    group: usize,
    /// By band: as `latest`, the founder before this one.
    before: [u32; BANDS],
}

/// One more than the bits in which hashes may differ.
const BANDS: usize = NEAR as usize + 1;
const BAND_BITS: usize = 64 / BANDS;

impl Default for Founders {
    fn default() -> Self {
        Self {
            latest: vec![0; BANDS << BAND_BITS],
            founders: Vec::new(),
        }
    }
}

/// Where each band of a hash has its place.
fn bands(hash: u64) -> [usize; BANDS] {
    let value = |band| (hash >> (band * BAND_BITS)) as usize & ((1 << BAND_BITS) - 1);
    std::array::from_fn(|band| band << BAND_BITS | value(band))
}

impl Founders {
    fn add(&mut self, hash: u64, group: usize) {
        let places = bands(hash);
        let before = places.map(|place| self.latest[place]);
        self.founders.push(Founder {
            hash,
            group,
            before,
        });
        let latest = u32::try_from(self.founders.len()).expect("there are at most a thousand");
        for place in places {
            self.latest[place] = latest;
        }
    }

    /// In how many bits a near founder differs, and its group; one may come several times.
    fn near(&self, hash: u64) -> impl Iterator<Item = (u32, usize)> {
        let at = |latest: u32| self.founders.get((latest as usize).wrapping_sub(1));
        let bands = bands(hash).into_iter().enumerate();
        let alike = bands.flat_map(move |(band, place)| {
            let latest = at(self.latest[place]);
            std::iter::successors(latest, move |founder| at(founder.before[band]))
        });
        alike
            .map(move |founder| ((hash ^ founder.hash).count_ones(), founder.group))
            .filter(|(bits, _)| *bits <= NEAR)
    }
}

/// The place of the best; of equal ones the first.
fn best(members: &[Candidate]) -> usize {
    let worth = |member: &Candidate| {
        let earliest = std::cmp::Reverse(member.first_seen_ms);
        (member.pixels(), member.bytes, earliest)
    };
    (1..members.len()).fold(0, |best, place| {
        if worth(&members[place]) > worth(&members[best]) {
            place
        } else {
            best
        }
    })
}

fn alike(one: f32, other: f32) -> bool {
    one <= other * LIKE_ASPECT && other <= one * LIKE_ASPECT
}

/// Whether a hash tells its picture from others. Of a picture of one colour, or that changes along one axis only,
/// every frequency is zero but for rounding, and the hash is that rounding: the same for pictures that have
/// nothing in common. What gives it away is that its rows of 8 bits are each other's copies or complements,
/// nearly: the sum of how far each row is from one of them, or from its complement, is at most 10. That finds
/// 99 % of some 2,700 different hashes of plain colours, and 155 of 156 that went through JPEG; of 793 stamps it
/// leaves out 37 (4.7 %).
fn says_something(hash: u64) -> bool {
    let rows = hash.to_be_bytes();
    let from = |row: &u8| -> u32 {
        let bits = |other: &u8| (row ^ other).count_ones();
        rows.iter()
            .map(|other| bits(other).min(8 - bits(other)))
            .sum()
    };
    BITS_SET.contains(&hash.count_ones()) && rows.iter().all(|row| from(row) > ROWS_ALIKE)
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidate;
    use tusou_contract::document::phash_bits;

    use super::*;
    use tusou_model::phash::phash;
    use tusou_model::{RgbImage, thumbnail};

    /// A hash as pictures have it.
    const HASH: u64 = 0x9a3c_51e7_06d8_b24f;

    fn hashed(name: &str, phash: u64) -> Candidate {
        Candidate {
            phash: Some(phash),
            ..candidate(name)
        }
    }

    /// The names of each group, its best first.
    fn names(groups: &[Group], of: &[&str]) -> Vec<Vec<String>> {
        let name = |one: &Candidate| {
            let mut names = of.iter();
            let name = names.find(|name| candidate(name).image_id == one.image_id);
            (*name.expect("a known one")).to_owned()
        };
        let group = |group: &Group| {
            [&group.best]
                .into_iter()
                .chain(&group.others)
                .map(name)
                .collect()
        };
        groups.iter().map(group).collect()
    }

    #[test]
    fn copies_stand_under_the_best_at_the_place_of_the_first() {
        let list = vec![
            hashed("small", HASH),
            hashed("other", HASH.rotate_left(9)),
            Candidate {
                width: 1_280,
                height: 960,
                ..hashed("large", HASH ^ 0b1001)
            },
            Candidate {
                bytes: 60_000,
                ..hashed("heavier", HASH ^ 0b11)
            },
            // Of the same worth as the first but for its date.
            Candidate {
                first_seen_ms: -5,
                ..hashed("early", HASH)
            },
        ];
        let of = ["small", "other", "large", "heavier", "early"];
        let groups = group(list.clone());
        assert_eq!(
            names(&groups, &of),
            [vec!["large", "small", "heavier", "early"], vec!["other"]]
        );
        let without = |left_out: usize| {
            let mut list = list.clone();
            list.remove(left_out);
            list
        };
        let groups = group(without(2));
        assert_eq!(names(&groups, &of)[0], ["heavier", "small", "early"]);
        let mut dated = without(2);
        dated.remove(2);
        assert_eq!(names(&group(dated), &of)[0], ["early", "small"]);
    }

    #[test]
    fn no_chain_leads_from_a_picture_to_another() {
        let list = vec![
            hashed("a", HASH),
            hashed("b", HASH ^ 0b0011_0011),
            hashed("c", HASH ^ 0b1111_1111),
        ];
        assert_eq!(
            names(&group(list), &["a", "b", "c"]),
            [vec!["a", "b"], vec!["c"]]
        );
    }

    #[test]
    fn the_nearest_group_is_joined() {
        let list = vec![
            hashed("a", HASH),
            hashed("b", HASH ^ 0b11_1111),
            hashed("c", HASH ^ 0b11_1100),
        ];
        assert_eq!(
            names(&group(list), &["a", "b", "c"]),
            [vec!["a"], vec!["b", "c"]]
        );
    }

    proptest::proptest! {
        #[test]
        fn founders_are_found_by_just_the_near_hashes(
            hashes in proptest::collection::vec(proptest::num::u64::ANY, 1..20),
            from in proptest::arbitrary::any::<proptest::sample::Index>(),
            flips in proptest::collection::vec(0_u32..64, 0..7),
        ) {
            let mut founders = Founders::default();
            for (group, hash) in hashes.iter().enumerate() {
                founders.add(*hash, group);
            }
            let asked = flips.iter().fold(*from.get(&hashes), |hash, bit| hash ^ 1 << bit);
            let found: std::collections::BTreeSet<_> = founders.near(asked).collect();
            let all = hashes.iter().enumerate();
            let compared = all.map(|(group, hash)| ((hash ^ asked).count_ones(), group));
            proptest::prop_assert_eq!(found, compared.filter(|(bits, _)| *bits <= NEAR).collect());
        }
    }

    #[test]
    fn another_shape_and_a_missing_hash_are_kept_apart() {
        let wide = |name, width| Candidate {
            width,
            ..hashed(name, HASH)
        };
        let list = vec![
            wide("a", 640),
            wide("b", 652),
            wide("c", 654),
            candidate("d"),
            candidate("e"),
        ];
        let groups = group(list);
        let of = ["a", "b", "c", "d", "e"];
        assert_eq!(
            names(&groups, &of),
            [vec!["b", "a"], vec!["c"], vec!["d"], vec!["e"]]
        );
        assert!(group(Vec::new()).is_empty());
    }

    /// Blobs of light at places that the seed chooses.
    fn scene(seed: u64, width: u32, height: u32) -> RgbImage {
        let place = |blob: u64, axis: u64| {
            let mixed = (seed * 31 + blob * 7 + axis + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (mixed >> 40) as f32 / (1_u64 << 24) as f32
        };
        RgbImage::from_fn(width, height, |x, y| {
            let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
            let light = (0..7).map(|blob| {
                let away = (x - place(blob, 0)).powi(2) + (y - place(blob, 1)).powi(2);
                (-away * 40.0).exp()
            });
            let light = (light.sum::<f32>() * 200.0).min(255.0) as u8;
            [light, light / 2, 80].into()
        })
    }

    fn seen(image: &RgbImage) -> u64 {
        phash_bits(&phash(image)).expect("a hash")
    }

    #[test]
    fn pictures_that_say_nothing_are_not_copies_of_each_other() {
        let mut plain = 0;
        let mut grouped = Vec::new();
        for red in (0..=255).step_by(15) {
            for blue in (0..=255).step_by(15) {
                let hash = seen(&RgbImage::from_pixel(64, 48, [red, 90, blue].into()));
                plain += u32::from(!says_something(hash));
                grouped.push(hashed(&format!("{red} {blue}"), hash));
            }
        }
        let all = u32::try_from(grouped.len()).expect("few");
        assert!(plain * 100 >= all * 97, "{plain} of {all}");
        assert!(group(grouped).len() as u32 >= all - 1);
        for hash in [0, u64::MAX, 0x6699_9966_6699_9966] {
            assert!(!says_something(hash), "{hash:x}");
        }
    }

    #[test]
    fn made_scenes_are_grouped_with_their_copies_and_with_nothing_else() {
        let mut list = Vec::new();
        for seed in 0..20 {
            let whole = scene(seed, 400, 300);
            let half = thumbnail::reduced(&whole, 200);
            for (name, image) in [("whole", &whole), ("half", &half)] {
                list.push(Candidate {
                    width: image.width(),
                    height: image.height(),
                    ..hashed(&format!("{seed} {name}"), seen(image))
                });
            }
        }
        let groups = group(list);
        assert_eq!(groups.len(), 20);
        assert!(
            groups
                .iter()
                .all(|group| group.others.len() == 1 && group.best.width == 400)
        );
    }
}
