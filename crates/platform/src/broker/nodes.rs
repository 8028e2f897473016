//! The nodes of a cluster: with which to begin, and what to say when none of them will do.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use url::Url;

use super::BrokerError;

/// Positions of `count` nodes, each once, from `turn` on round.
pub(super) fn order(count: usize, turn: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| (turn % count + step) % count)
}

/// Another one at each call, so that whoever comes back after a node's end begins with the next. Where the first begins
/// is left to chance, so that processes are spread over the nodes.
pub(super) fn turn() -> usize {
    static TURN: LazyLock<AtomicUsize> = LazyLock::new(|| {
        let chance = RandomState::new().build_hasher().finish();
        AtomicUsize::new(usize::try_from(chance >> 33).unwrap_or_default())
    });
    TURN.fetch_add(1, Ordering::Relaxed)
}

/// `host:port` of a node's URL: nothing of it is secret.
pub(super) fn name(url: &str) -> String {
    let Ok(url) = Url::parse(url) else {
        return "a node whose URL cannot be read".to_owned();
    };
    let default = match url.scheme() {
        "amqp" => Some(5672),
        "amqps" => Some(5671),
        _ => url.port_or_known_default(),
    };
    let host = url.host_str().unwrap_or_default();
    match url.port().or(default) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What to say when none would do: of one node its own error, of several what each said, with its name. A refusal
/// outweighs an absence: it stays when the others come back, and somebody has to look at it.
pub(super) fn none_of(mut told: Vec<(String, BrokerError)>) -> BrokerError {
    if told.len() < 2 {
        let last = told.pop().map(|(_, error)| error);
        return last.unwrap_or_else(|| BrokerError::away("no node is configured"));
    }
    let count = told.len();
    let mut refused = None;
    let mut groups: Vec<(Vec<String>, String)> = Vec::new();
    for (node, error) in told {
        let words = match error {
            BrokerError::Away(words) => words,
            BrokerError::Refused { what, reason } => {
                refused.get_or_insert(what);
                reason
            }
        };
        match groups.iter_mut().find(|(_, said)| *said == words) {
            Some((nodes, _)) => nodes.push(node),
            None => groups.push((vec![node], words)),
        }
    }
    let said = groups.iter();
    let said: Vec<_> = said
        .map(|(nodes, words)| format!("{}: {words}", nodes.join(", ")))
        .collect();
    let said = said.join("; ");
    match refused {
        Some(what) => BrokerError::Refused { what, reason: said },
        None => BrokerError::away(format!("none of {count} nodes will do: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_turn_and_is_the_first_in_turn() {
        let orders: Vec<Vec<_>> = (0..4).map(|turn| order(3, turn).collect()).collect();
        assert_eq!(orders, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
        assert_eq!(order(1, 7).collect::<Vec<_>>(), [0]);
        assert_ne!(turn(), turn());
    }

    #[test]
    fn a_node_is_named_without_its_secrets() {
        for (url, expected) in [
            ("amqp://u:sesame@mq/%2f", "mq:5672"),
            ("amqps://u:sesame@mq", "mq:5671"),
            ("amqp://u:sesame@[::1]:7/", "[::1]:7"),
            ("http://u:sesame@mq/", "mq:80"),
            ("sesame", "a node whose URL cannot be read"),
        ] {
            assert_eq!(name(url), expected);
        }
    }

    #[test]
    fn all_nodes_are_named_with_what_each_said_and_a_refusal_stays_one() {
        let away = |node: &str, words: &str| (node.to_owned(), BrokerError::away(words));
        let one = none_of(vec![away("a:1", "gone")]);
        assert_eq!(one.to_string(), "RabbitMQ is away: gone");
        let some = vec![
            away("a:1", "gone"),
            away("b:2", "late"),
            away("c:3", "gone"),
        ];
        assert_eq!(
            none_of(some).to_string(),
            "RabbitMQ is away: none of 3 nodes will do: a:1, c:3: gone; b:2: late"
        );
        let refusal = BrokerError::Refused {
            what: "the connection".into(),
            reason: "no such user".into(),
        };
        let some = vec![away("a:1", "gone"), ("b:2".to_owned(), refusal)];
        assert_eq!(
            none_of(some).to_string(),
            "RabbitMQ refused the connection: a:1: gone; b:2: no such user"
        );
    }
}
