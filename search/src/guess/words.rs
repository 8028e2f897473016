//! Which words say nothing of a picture, and which characters are of scripts that are written without spaces.

/// Words that begin and end no phrase: articles, pronouns, prepositions, conjunctions and forms of `to be` of English,
/// German, Spanish, French, Portuguese, Italian, Dutch, Russian and Arabic. Each list is short: a word that also
/// means something in another of these languages (`son`, `sur` as south, `mann`) is left out.
const STOP: &[&str] = &[
    // English
    "the", "an", "of", "and", "or", "in", "on", "at", "to", "for", "from", "with", "by", "as", "is",
    "are", "was", "were", "be", "it", "its", "this", "that", "these", "those", "there", "his",
    "her", "their", "my", "our", "your", "some", "into", "over", "which", "who", "has", "have",
    // German
    "der", "das", "dem", "des", "ein", "eine", "einen", "einem", "einer", "eines", "und", "oder",
    "im", "am", "auf", "mit", "von", "vom", "zu", "zum", "zur", "für", "bei", "aus", "ist", "sind",
    "wird", "die", "den", "nach", "über", // Spanish, Portuguese, Italian
    "el", "la", "los", "las", "un", "una", "unos", "unas", "de", "del", "y", "en", "con", "por",
    "para", "es", "que", "su", "al", "os", "um", "uma", "da", "do", "dos", "em", "no", "na", "com",
    "ao", "il", "lo", "gli", "di", "della", "dello", "dei", "nel", "nella", "è", "é",
    // French
    "le", "les", "une", "du", "et", "au", "aux", "dans", "avec", "pour", "par", "est", "sont", "ce",
    "cette", "qui", "à", "sous", // Dutch
    "het", "een", "van", "op", "met", "voor", "bij", // Russian
    "и", "в", "во", "на", "с", "со", "из", "у", "о", "по", "за", "для", "от", "к", "это", "его",
    "её", // Arabic
    "في", "من", "على", "إلى", "عن", "مع", "هذا", "هذه", "و",
];

/// Words for pictures as such, and what cameras and programs name files by.
const JUNK: &[&str] = &[
    "image",
    "images",
    "img",
    "imgs",
    "photo",
    "photos",
    "photograph",
    "picture",
    "pictures",
    "pic",
    "pics",
    "jpg",
    "jpeg",
    "png",
    "gif",
    "webp",
    "bmp",
    "svg",
    "avif",
    "thumb",
    "thumbnail",
    "untitled",
    "unnamed",
    "dsc",
    "dscn",
    "dscf",
    "pxl",
    "placeholder",
    "undefined",
    "null",
    "alt",
    "bild",
    "bilder",
    "abbildung",
    "foto",
    "fotos",
    "imagen",
    "imágenes",
    "fotografía",
    "imagem",
    "imagens",
    "fotografia",
    "photographie",
    "immagine",
    "immagini",
    "afbeelding",
    "фото",
    "фотография",
    "изображение",
    "картинка",
    "صورة",
    "الصورة",
    "صور",
    "사진",
    "이미지",
];

/// The same in scripts that are written without spaces.
const UNSPACED_JUNK: &[&str] = &[
    "图片",
    "圖片",
    "照片",
    "相片",
    "图像",
    "圖像",
    "画像",
    "写真",
    "イメージ",
    "รูปภาพ",
    "ภาพถ่าย",
];

/// A name that a camera or a program begins with, before the number.
const NUMBERED: &[&str] = &[
    "img",
    "image",
    "dsc",
    "dscn",
    "dscf",
    "pic",
    "photo",
    "pxl",
    "screenshot",
    "bild",
    "foto",
    "file",
];
/// A word of more characters is none.
const LONGEST: usize = 40;
/// A word with so many digits among its letters is a file's name, as is a hexadecimal one of so many characters.
const DIGITS: usize = 4;
const HEX: usize = 8;

/// What a word is worth to a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// It says something.
    Says,
    /// A number: it may be in a phrase and end it, and neither begins nor is one.
    Number,
    /// It may only be within a phrase.
    Stop,
    /// No phrase holds it.
    Junk,
}

/// What a word, in lower case, is worth.
pub(super) fn worth(word: &str) -> Worth {
    if word.chars().all(char::is_numeric) {
        return Worth::Number;
    }
    let one_letter = word.len() == 1;
    if one_letter || STOP.contains(&word) {
        return Worth::Stop;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.len() >= HEX && digits > 0 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let numbered =
        digits > 0 && NUMBERED.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()));
    let long = word.chars().count() > LONGEST;
    if digits >= DIGITS || hex || numbered || long || JUNK.contains(&word) {
        return Worth::Junk;
    }
    Worth::Says
}

/// The rest of a run once words for pictures as such are taken from its ends.
pub(super) fn without_junk(mut run: &str) -> &str {
    let strip = |run: &str, junk: &str| -> Option<usize> {
        (run.ends_with(junk) || run.starts_with(junk)).then_some(junk.len())
    };
    while let Some(junk) = UNSPACED_JUNK.iter().find(|junk| strip(run, junk).is_some()) {
        run = run
            .strip_suffix(junk)
            .or_else(|| run.strip_prefix(junk))
            .unwrap_or_default();
    }
    run
}

/// Whether a character is of a script that is written without spaces: Han, kana, Thai, Lao, Burmese, Khmer.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c,
        '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFD}' | '\u{3041}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}' | '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E4E}'
        | '\u{0E81}'..='\u{0EDF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17D3}')
}

/// Whether it is hiragana.
pub(super) fn is_hiragana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309F}')
}

/// Whether a character belongs to the one before it: vowel signs, tone marks, small kana, the long mark.
pub(super) fn joins_before(c: char) -> bool {
    matches!(c,
        '\u{0E31}' | '\u{0E34}'..='\u{0E3A}' | '\u{0E47}'..='\u{0E4E}' | '\u{0EB1}' | '\u{0EB4}'..='\u{0EBC}'
        | '\u{0EC8}'..='\u{0ECE}' | '\u{102B}'..='\u{103E}' | '\u{1056}'..='\u{1059}' | '\u{17B6}'..='\u{17D3}'
        | '\u{3099}'..='\u{309A}' | 'ー' | 'っ' | 'ゃ' | 'ゅ' | 'ょ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ァ' | 'ィ' | 'ゥ'
        | 'ェ' | 'ォ')
}

/// Whether a character belongs to the one after it: the vowels of Thai and Lao that are written first.
pub(super) fn joins_after(c: char) -> bool {
    matches!(c, '\u{0E40}'..='\u{0E44}' | '\u{0EC0}'..='\u{0EC4}')
}

/// Whether a character is part of a word of a script with spaces. Marks that no letter counts as are of Latin,
/// Hebrew, Arabic and the scripts of India.
pub(super) fn is_of_word(c: char) -> bool {
    let is_mark = matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05BD}' | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{200C}'..='\u{200D}'
        | '\u{093C}' | '\u{094D}' | '\u{09BC}' | '\u{09CD}' | '\u{0A4D}' | '\u{0ACD}' | '\u{0B4D}' | '\u{0BCD}'
        | '\u{0C4D}' | '\u{0CCD}' | '\u{0D4D}' | '\u{0DCA}');
    !is_unspaced(c) && (c.is_alphanumeric() || is_mark)
}

/// Whether a character that is of no word may stand within a phrase.
pub(super) fn is_joint(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '_' | '\'' | '’' | '.' | '&' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_and_words_for_pictures_are_told_from_words() {
        for junk in [
            "img",
            "img1234",
            "dsc01234",
            "photo",
            "deadbeef01",
            "p1010023",
            "صورة",
            "bild2",
        ] {
            assert_eq!(worth(junk), Worth::Junk, "{junk}");
        }
        for word in ["bird", "b52", "facade", "vogel", "صقر", "새", "decade"] {
            assert_eq!(worth(word), Worth::Says, "{word}");
        }
        assert_eq!(worth("1889"), Worth::Number);
        for stop in ["the", "l", "für", "на"] {
            assert_eq!(worth(stop), Worth::Stop, "{stop}");
        }
        assert_eq!(without_junk("小鸟图片"), "小鸟");
        assert_eq!(without_junk("照片图片"), "");
        assert_eq!(without_junk("富士山"), "富士山");
    }
}
