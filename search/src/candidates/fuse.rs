//! Several ranked lists become one.

use std::collections::HashMap;

use tusou_contract::ImageId;

use super::Candidate;

/// How slowly a place's worth falls with its rank.
const K: f64 = 60.0;

/// What one way of searching found, the best first, each picture once.
#[derive(Debug, Clone)]
pub(crate) struct List {
    /// How much it counts beside the others; not negative.
    pub(crate) weight: f32,
    /// What it found.
    pub(crate) candidates: Vec<Candidate>,
}

/// The lists as one of at most `limit`, the best first: a picture's relevance is the sum of
/// `weight / (60 + rank)` over the lists that hold it, ranks from 1, ties by id. Its other properties are those
/// of the first list that holds it, its cosine that of the first list that has one. One list alone keeps its
/// order, with the cosines as relevance where it has them.
///
/// Source: Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
/// Methods" (SIGIR 2009), which gives the 60; the weights are ours.
pub(crate) fn fuse(mut lists: Vec<List>, limit: usize) -> Vec<Candidate> {
    let score = |weight: f32, place: usize| f64::from(weight) / (K + place as f64 + 1.0);
    if lists.len() == 1 {
        let List {
            weight,
            mut candidates,
        } = lists.swap_remove(0);
        candidates.truncate(limit);
        for (place, candidate) in candidates.iter_mut().enumerate() {
            candidate.relevance = candidate
                .cosine
                .map_or_else(|| score(weight, place), f64::from);
        }
        return candidates;
    }
    let mut fused: Vec<Candidate> = Vec::new();
    let mut places: HashMap<ImageId, usize> = HashMap::new();
    for List { weight, candidates } in lists {
        for (place, mut candidate) in candidates.into_iter().enumerate() {
            let score = score(weight, place);
            if let Some(known) = places.get(&candidate.image_id) {
                let known = &mut fused[*known];
                known.relevance += score;
                known.cosine = known.cosine.or(candidate.cosine);
            } else {
                candidate.relevance = score;
                places.insert(candidate.image_id, fused.len());
                fused.push(candidate);
            }
        }
    }
    fused.sort_unstable_by(|a, b| {
        let best_first = b.relevance.total_cmp(&a.relevance);
        best_first.then_with(|| a.image_id.cmp(&b.image_id))
    });
    fused.truncate(limit);
    fused
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidate;
    use super::*;

    fn list(weight: f32, found: &[(&str, Option<f32>)]) -> List {
        let candidates = found.iter().map(|(name, cosine)| Candidate {
            cosine: *cosine,
            ..candidate(name)
        });
        List {
            weight,
            candidates: candidates.collect(),
        }
    }

    fn ids(names: &[&str]) -> Vec<ImageId> {
        names.iter().map(|name| candidate(name).image_id).collect()
    }

    fn order(fused: &[Candidate]) -> Vec<ImageId> {
        fused.iter().map(|candidate| candidate.image_id).collect()
    }

    #[test]
    fn what_two_lists_name_comes_before_what_one_names_first() {
        let near = list(1.0, &[("a", Some(0.9)), ("b", Some(0.8)), ("c", Some(0.7))]);
        let said = list(1.0, &[("d", None), ("c", None)]);
        let fused = fuse(vec![said, near], 10);
        assert_eq!(fused[0].image_id, candidate("c").image_id);
        assert!((fused[0].relevance - (1.0 / 63.0 + 1.0 / 62.0)).abs() < 1e-12);
        // The list of words came first, and its candidate had no cosine.
        assert_eq!(fused[0].cosine, Some(0.7));
        // `a` and `d` are both first of one list: a tie, by id.
        let mut tied = ids(&["a", "d"]);
        tied.sort_unstable();
        assert_eq!(order(&fused[1..3]), tied);
        assert_eq!(order(&fused[3..]), ids(&["b"]));
    }

    #[test]
    fn weights_count_and_the_limit_holds() {
        let first = list(1.0, &[("a", None)]);
        let second = list(1.5, &[("b", None)]);
        assert_eq!(order(&fuse(vec![first, second], 1)), ids(&["b"]));
    }

    #[test]
    fn one_list_alone_keeps_its_order_and_its_cosines() {
        // Of the same cosine, and not in the order of their ids.
        let found = [
            ("a", Some(0.5)),
            ("b", Some(0.5)),
            ("c", Some(0.5)),
            ("d", Some(0.4)),
        ];
        let fused = fuse(vec![list(2.0, &found)], 3);
        assert_eq!(order(&fused), ids(&["a", "b", "c"]));
        assert!(fused.iter().all(|candidate| candidate.relevance == 0.5));
        let fused = fuse(vec![list(1.0, &[("a", None), ("b", None)])], 3);
        assert!(fused[0].relevance > fused[1].relevance);
        assert!(fuse(Vec::new(), 3).is_empty());
    }
}
