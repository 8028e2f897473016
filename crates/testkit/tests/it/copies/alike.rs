//! Pairs of different pictures that a model takes for one, as they were looked at.

/// The pairs, with what they are.
const ALIKE: &str = include_str!("alike.txt");

/// What `alike.txt` says of two pictures.
pub(crate) fn alike(one: &str, other: &str) -> Option<&'static str> {
    let fits = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    let lines = ALIKE
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let mut next = || words.next().expect("a line has three words");
            (next(), next(), next())
        })
        .find(|(_, a, b)| (fits(a, one) && fits(b, other)) || (fits(a, other) && fits(b, one)))
        .map(|(what, _, _)| what)
}
