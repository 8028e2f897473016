//! The phrases that a picture's captions hold.

use super::words::{
    Worth, is_hiragana, is_joint, is_of_word, is_unspaced, joins_after, joins_before, without_junk,
    worth,
};

/// The characters of a caption that are read.
const CHARACTERS: usize = 160;
/// The most words of a caption that is a phrase as a whole, and of a part of one.
const WHOLE_WORDS: usize = 8;
const PART_WORDS: usize = 3;
/// The same in characters, of scripts without spaces.
const WHOLE_CHARACTERS: usize = 16;
const PART_CHARACTERS: std::ops::RangeInclusive<usize> = 2..=6;

/// What may be a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phrase {
    /// By what equal ones are known: in lower case, one space between words.
    pub(super) key: String,
    /// As the caption writes it.
    pub(super) shown: String,
    /// Words; characters of scripts without spaces.
    pub(super) length: usize,
}

/// A caption's whole phrase, and the parts of it.
#[derive(Debug, Default)]
pub(super) struct Phrases {
    pub(super) whole: Option<Phrase>,
    pub(super) parts: Vec<Phrase>,
}

/// A piece of a caption, by its place there.
#[derive(Debug)]
enum Piece {
    Word {
        from: usize,
        to: usize,
        lower: String,
        worth: Worth,
    },
    /// Characters of a script without spaces.
    Run { from: usize, to: usize },
    /// No phrase goes over it.
    Break,
}

/// What a caption says: its whole, and at most so many parts.
pub(super) fn phrases(caption: &str, most: usize) -> Phrases {
    let end = caption.char_indices().nth(CHARACTERS);
    let text = &caption[..end.map_or(caption.len(), |(end, _)| end)];
    let pieces = pieces(text);
    let mut phrases = Phrases::default();
    let parts = &mut phrases.parts;
    'parts: for stretch in pieces.split(|piece| !matches!(piece, Piece::Word { .. })) {
        for from in 0..stretch.len() {
            if parts.len() >= most {
                break 'parts;
            }
            for to in from + 1..=stretch.len().min(from + PART_WORDS) {
                parts.extend(of_words(text, &stretch[from..to]));
            }
        }
    }
    for piece in &pieces {
        if let Piece::Run { from, to } = piece {
            of_run(&text[*from..*to], most, parts);
        }
    }
    parts.truncate(most);
    // Cut where it was too long, a caption is not whole.
    if end.is_none() {
        phrases.whole = whole(text, &pieces);
    }
    phrases
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((from, c)) = rest.next() {
        let (is_run, is_word) = (is_unspaced(c), is_of_word(c));
        if !is_run && !is_word {
            if !is_joint(c) {
                pieces.push(Piece::Break);
            }
            continue;
        }
        let mut to = from + c.len_utf8();
        while let Some((at, c)) =
            rest.next_if(|(_, c)| (is_run && is_unspaced(*c)) || (is_word && is_of_word(*c)))
        {
            to = at + c.len_utf8();
        }
        pieces.push(if is_run {
            Piece::Run { from, to }
        } else {
            let lower = text[from..to].to_lowercase();
            let worth = worth(&lower);
            Piece::Word {
                from,
                to,
                lower,
                worth,
            }
        });
    }
    pieces
}

/// The caption as a whole, less what says nothing at its ends.
fn whole(text: &str, pieces: &[Piece]) -> Option<Phrase> {
    let words: Vec<&Piece> = pieces
        .iter()
        .filter(|piece| !matches!(piece, Piece::Break))
        .collect();
    if let [Piece::Run { from, to }] = words[..] {
        let run = without_junk(&text[*from..*to]);
        return of_characters(run, WHOLE_CHARACTERS);
    }
    let says =
        |piece: &&Piece| !matches!(piece, Piece::Word { worth, .. } if *worth != Worth::Says);
    let ends = |piece: &&Piece| {
        says(piece)
            || matches!(
                piece,
                Piece::Word {
                    worth: Worth::Number,
                    ..
                }
            )
    };
    let first = words.iter().position(says)?;
    let last = words.iter().rposition(ends)?;
    let words = &words[first..=last];
    let of = |piece: &&Piece| match piece {
        Piece::Word {
            from,
            to,
            lower,
            worth,
        } if *worth != Worth::Junk => Some((*from, *to, lower.clone())),
        Piece::Run { from, to } => Some((*from, *to, text[*from..*to].to_owned())),
        _ => None,
    };
    let words: Vec<(usize, usize, String)> = words.iter().map(of).collect::<Option<_>>()?;
    (words.len() <= WHOLE_WORDS).then(|| joined(text, &words))
}

/// A phrase of words, where these make one.
fn of_words(text: &str, pieces: &[Piece]) -> Option<Phrase> {
    let mut words = Vec::with_capacity(pieces.len());
    for (number, piece) in pieces.iter().enumerate() {
        let Piece::Word {
            from,
            to,
            lower,
            worth,
        } = piece
        else {
            return None;
        };
        let fits = match worth {
            Worth::Says => true,
            Worth::Number => number > 0,
            Worth::Stop => number > 0 && number + 1 < pieces.len(),
            Worth::Junk => false,
        };
        if !fits {
            return None;
        }
        words.push((*from, *to, lower.clone()));
    }
    Some(joined(text, &words))
}

fn joined(text: &str, words: &[(usize, usize, String)]) -> Phrase {
    let (from, to) = (words[0].0, words[words.len() - 1].1);
    let keys: Vec<&str> = words.iter().map(|(_, _, key)| key.as_str()).collect();
    let shown = text[from..to].replace('_', " ");
    Phrase {
        key: keys.join(" "),
        shown: shown.split_whitespace().collect::<Vec<_>>().join(" "),
        length: words.len(),
    }
}

/// The phrases of a run of a script without spaces: its pieces between particles, and their parts, until there are
/// so many.
fn of_run(run: &str, most: usize, phrases: &mut Vec<Phrase>) {
    for piece in between_particles(run) {
        let piece = without_junk(piece);
        phrases.extend(of_characters(piece, WHOLE_CHARACTERS));
        let edges = edges(piece);
        for (place, from) in edges.iter().enumerate() {
            if phrases.len() >= most {
                return;
            }
            for length in PART_CHARACTERS {
                let Some(to) = edges.get(place + length) else {
                    break;
                };
                let part = &piece[*from..*to];
                if part.len() < piece.len() && !without_junk(part).is_empty() {
                    phrases.push(plain(part, length));
                }
            }
        }
    }
}

/// A run as one phrase, unless it is empty or longer than that.
fn of_characters(run: &str, most: usize) -> Option<Phrase> {
    let length = edges(run).len() - 1;
    // One character alone is a word in Han only.
    let is_word = length > 1
        || run
            .chars()
            .any(|c| !is_hiragana(c) && c > '\u{3400}' && c < '\u{FF00}');
    (length <= most && length > 0 && is_word).then(|| plain(run, length))
}

fn plain(run: &str, length: usize) -> Phrase {
    Phrase {
        key: run.to_owned(),
        shown: run.to_owned(),
        length,
    }
}

/// Where a run may be cut: between characters with all their marks, both ends included.
fn edges(run: &str) -> Vec<usize> {
    let mut edges = Vec::with_capacity(run.len() / 3 + 1);
    let mut before = None;
    for (at, c) in run.char_indices() {
        if !(joins_before(c) && before.is_some() || before.is_some_and(joins_after)) {
            edges.push(at);
        }
        before = Some(c);
    }
    edges.push(run.len());
    edges
}

/// A run cut at `的`, `之` and, between other characters than hiragana, at Japanese particles.
fn between_particles(run: &str) -> Vec<&str> {
    let characters: Vec<(usize, char)> = run.char_indices().collect();
    let is_hiragana_at = |place: Option<usize>| {
        let found = place.and_then(|place| characters.get(place));
        found.is_some_and(|(_, c)| is_hiragana(*c))
    };
    let mut pieces = Vec::new();
    let mut from = 0;
    for (place, (at, c)) in characters.iter().enumerate() {
        let stands_alone =
            !is_hiragana_at(place.checked_sub(1)) && !is_hiragana_at(Some(place + 1));
        let is_particle = match c {
            '的' | '之' => true,
            'の' | 'は' | 'が' | 'を' | 'に' | 'と' | 'で' | 'も' | 'へ' => stands_alone,
            _ => false,
        };
        if is_particle {
            pieces.push(&run[from..*at]);
            from = at + c.len_utf8();
        }
    }
    pieces.push(&run[from..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(caption: &str) -> (Option<String>, Vec<String>) {
        let Phrases { whole, parts } = phrases(caption, 100);
        let parts = parts.into_iter().map(|phrase| phrase.key).collect();
        (whole.map(|phrase| phrase.key), parts)
    }

    #[test]
    fn a_caption_is_a_phrase_without_what_says_nothing_at_its_ends() {
        let (whole, parts) = keys("Photo of the Tower_of London, 1895.jpg");
        assert_eq!(whole.as_deref(), Some("tower of london 1895"));
        assert_eq!(parts, ["tower", "tower of london", "london"]);
        let phrase = phrases("A red-crowned   CRANE!", 100)
            .whole
            .expect("a phrase");
        assert_eq!(
            (phrase.shown.as_str(), phrase.length),
            ("red-crowned CRANE", 3)
        );
        for caption in [
            "",
            "IMG_1234.JPG",
            "photo",
            "the",
            "1234",
            "图片",
            "DSC01234",
            "  ",
            "の",
        ] {
            assert_eq!(keys(caption), (None, Vec::new()), "{caption}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_cut_at_particles_and_between_whole_characters() {
        let (whole, parts) = keys("红色的鸟");
        assert_eq!(whole.as_deref(), Some("红色的鸟"));
        assert_eq!(parts, ["红色", "鸟"]);
        let (whole, parts) = keys("東京のエッフェル塔");
        assert_eq!(whole.as_deref(), Some("東京のエッフェル塔"));
        assert_eq!(parts[..2], ["東京", "エッフェル塔"]);
        assert!(parts.contains(&"エッフェル".to_owned()));
        assert!(
            parts.iter().all(|part| !part.starts_with(['ッ', 'ェ'])),
            "{parts:?}"
        );
        let (_, parts) = keys("หอไอเฟล");
        assert!(parts.contains(&"เฟล".to_owned()), "{parts:?}");
        assert!(parts.iter().all(|part| !part.ends_with('เ')), "{parts:?}");
        let (whole, parts) = keys("iPhone 手机");
        assert_eq!(whole.as_deref(), Some("iphone 手机"));
        assert_eq!(parts, ["iphone", "手机"]);
    }
}
