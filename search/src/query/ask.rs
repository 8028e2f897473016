//! The whole of what one search asks.

use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use tusou_contract::ImageId;
use url::Url;

use super::parameters::invalid;
use super::{Filters, K, Parameters, Words, image_id};
use crate::candidates::cursor::Cursor;
use crate::candidates::sort::Sort;
use crate::config::Settings;
use crate::error::SearchError;
use crate::upload::Upload;

/// What a search may ask in its address or form: what to look for, then everything else. An upload comes besides.
pub(crate) const SEARCH: &[&str] = &[
    "q",
    "like",
    "url",
    "weight",
    "mode",
    "k",
    "cursor",
    "sort",
    "group",
    "all",
    "facets",
    "safe",
    "host",
    "format",
    "color",
    "size",
    "shape",
    "license",
    "since",
    "until",
    "min_width",
    "min_height",
    // The page's own.
    "lang",
];

/// What the page may ask: also at which hit it begins, which stays true where a cursor goes stale.
pub(crate) const PAGE: &[&str] = &{
    let mut names = [FROM; SEARCH.len() + 1];
    let mut place = 0;
    while place < SEARCH.len() {
        names[place] = SEARCH[place];
        place += 1;
    }
    names
};

/// The page's parameter for how many hits come before the first that is shown.
pub(crate) const FROM: &str = "from";

/// What a search for pictures like an indexed one may ask: what it looks for stands in its path.
pub(crate) const SIMILAR: &[&str] = match SEARCH {
    [_q, _like, _url, _weight, choice @ .., _lang] => choice,
    _ => unreachable!(),
};

/// What stands beside a cursor that is given alone.
const BESIDE_CURSOR: [&str; 4] = ["cursor", "k", "facets", "lang"];

/// The share of the words where a picture is given too.
const WORDS_SHARE: f32 = 0.5;

/// The whole of what one search asks.
#[derive(Debug)]
pub(crate) struct Ask {
    /// What to find pictures of; `None` where a cursor alone says it.
    pub(crate) subject: Option<Subject>,
    /// In which sense.
    pub(crate) mode: Mode,
    /// Among which pictures.
    pub(crate) filters: Filters,
    /// In which order.
    pub(crate) sort: Sort,
    /// How many hits.
    pub(crate) k: K,
    /// From where on; `None` for the first.
    pub(crate) cursor: Option<Cursor>,
    /// How many hits come before the first that is wanted, where no cursor says it; beyond the last, all are wanted.
    pub(crate) from: u16,
    /// Whether near-duplicates stand under the best of them.
    pub(crate) group: bool,
    /// Whether pictures below the cut-off are hits too.
    pub(crate) all: bool,
    /// Whether the candidates are counted by their properties.
    pub(crate) facets: bool,
}

/// What to find pictures of: words, a picture, or both.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) words: Option<Words>,
    pub(crate) picture: Option<Picture>,
    /// The share of the words where both are given, 0 to 1.
    pub(crate) weight: f32,
}

/// A picture that is asked with.
#[derive(Debug, Clone)]
pub(crate) enum Picture {
    /// Its bytes.
    Upload(Upload),
    /// Its address.
    Url(Url),
    /// Its id in the index.
    Like(ImageId),
}

/// In which sense pictures are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The same picture: other sizes, crops, watermarks, mirrors.
    Same,
    /// Pictures that look like it, by the picture model alone.
    Looks,
    /// Pictures of what is meant: captions speak too.
    Means,
}

impl Mode {
    /// As it is asked for.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Looks => "looks",
            Self::Means => "means",
        }
    }
}

impl FromStr for Mode {
    type Err = SearchError;

    fn from_str(text: &str) -> Result<Self, SearchError> {
        match text {
            "same" => Ok(Self::Same),
            "looks" => Ok(Self::Looks),
            "means" => Ok(Self::Means),
            _ => Err(invalid("mode", "takes `same`, `looks` or `means`")),
        }
    }
}

impl Ask {
    /// Reads the parameters of a search, beside an upload where there is one.
    pub(crate) fn read(
        parameters: &Parameters,
        upload: Option<Upload>,
        settings: &Settings,
    ) -> Result<Self, SearchError> {
        let picture = picture(parameters, upload)?;
        Self::of(parameters, picture, settings)
    }

    /// Reads the parameters of a search for pictures like this one.
    pub(crate) fn like(
        id: ImageId,
        parameters: &Parameters,
        settings: &Settings,
    ) -> Result<Self, SearchError> {
        Self::of(parameters, Some(Picture::Like(id)), settings)
    }

    fn of(
        parameters: &Parameters,
        picture: Option<Picture>,
        settings: &Settings,
    ) -> Result<Self, SearchError> {
        let words: Option<Words> = parameters.get("q").map(str::parse).transpose()?;
        let cursor: Option<Cursor> = parameters.get("cursor").map(str::parse).transpose()?;
        if words.is_none() && picture.is_none() {
            if cursor.is_none() {
                return Err(SearchError::parameter(
                    "nothing_asked",
                    "q",
                    "there is nothing to look for; give words as `q`, the address of a picture as `url`, \
                     the id of one as `like`, or send one as `image`",
                ));
            }
            let others: Vec<&str> = SEARCH
                .iter()
                .copied()
                .filter(|name| !BESIDE_CURSOR.contains(name))
                .collect();
            if !parameters.lacks(&others) {
                return Err(SearchError::parameter(
                    "cursor_alone",
                    "cursor",
                    "a `cursor` stands alone or beside everything that its search asked",
                ));
            }
        }
        let weight = weight(parameters, words.is_some() && picture.is_some())?;
        let subject = (words.is_some() || picture.is_some()).then(|| Subject {
            words,
            picture,
            weight,
        });
        Ok(Self {
            mode: mode(parameters, subject.as_ref())?,
            filters: Filters::read(parameters, settings)?,
            sort: sort(parameters)?,
            k: parameters.parse("k")?,
            cursor,
            from: 0,
            group: parameters.switch("group", true)?,
            all: parameters.switch("all", false)?,
            facets: parameters.switch("facets", false)?,
            subject,
        })
    }

    /// 64 bits that tell this search from another one; how many hits are wanted, from where on, and whether
    /// they are counted is no part of it.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        if let Some(subject) = &self.subject {
            add(subject.words.as_ref().map_or("", Words::as_str).as_bytes());
            match &subject.picture {
                Some(Picture::Upload(upload)) => add(&Sha256::digest(upload.bytes())),
                Some(Picture::Url(url)) => add(url.as_str().as_bytes()),
                Some(Picture::Like(id)) => add(id.as_bytes()),
                None => add(b""),
            }
            add(&subject.weight.to_be_bytes());
        }
        add(self.mode.name().as_bytes());
        add(self.sort.name().as_bytes());
        add(&[u8::from(self.group), u8::from(self.all)]);
        for clause in self.filters.clauses(true) {
            add(clause.to_string().as_bytes());
        }
        let digest = digest.finalize();
        u64::from_be_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
    }
}

fn picture(
    parameters: &Parameters,
    upload: Option<Upload>,
) -> Result<Option<Picture>, SearchError> {
    let like = parameters.get("like");
    let url = parameters.get("url");
    let given =
        usize::from(upload.is_some()) + usize::from(like.is_some()) + usize::from(url.is_some());
    if given > 1 {
        return Err(SearchError::parameter(
            "several_pictures",
            if url.is_some() { "url" } else { "like" },
            "give one picture: an upload as `image`, an address as `url`, or an id as `like`",
        ));
    }
    if let Some(upload) = upload {
        return Ok(Some(Picture::Upload(upload)));
    }
    if let Some(text) = like {
        return Ok(Some(Picture::Like(image_id("like", text)?)));
    }
    let Some(text) = url else { return Ok(None) };
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(Some(Picture::Url(url)))
        }
        _ => Err(invalid(
            "url",
            "is no address of a picture; give one like https://example.org/cat.jpg",
        )),
    }
}

fn weight(parameters: &Parameters, is_of_use: bool) -> Result<f32, SearchError> {
    let Some(text) = parameters.get("weight") else {
        return Ok(WORDS_SHARE);
    };
    if !is_of_use {
        return Err(invalid(
            "weight",
            "is the share of the words beside a picture; give both, or leave it out",
        ));
    }
    match text.trim().parse() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => Ok(weight),
        _ => Err(invalid(
            "weight",
            "is the share of the words; it takes 0 to 1",
        )),
    }
}

fn sort(parameters: &Parameters) -> Result<Sort, SearchError> {
    let name = parameters.get("sort").map(str::parse).transpose();
    let sort = name.map_err(|_| {
        invalid(
            "sort",
            "takes relevance, newest, oldest, largest or smallest",
        )
    })?;
    Ok(sort.unwrap_or_default())
}

/// The mode that is asked for; else words mean something, and a picture looks like something.
fn mode(parameters: &Parameters, subject: Option<&Subject>) -> Result<Mode, SearchError> {
    let has_words = subject.is_some_and(|subject| subject.words.is_some());
    match parameters.get("mode") {
        None if has_words => Ok(Mode::Means),
        None => Ok(Mode::Looks),
        Some(text) => match text.parse()? {
            Mode::Same if has_words => Err(invalid(
                "mode",
                "is `same`, which finds copies of a picture; leave the words out, or take `looks` or `means`",
            )),
            mode => Ok(mode),
        },
    }
}

#[cfg(test)]
mod tests {
    use tusou_platform::Config;

    use super::*;

    fn read(query: &str) -> Result<Ask, SearchError> {
        let settings = Settings::of(&Config::default()).expect("the defaults are usable");
        Ask::read(&Parameters::read(Some(query), SEARCH)?, None, &settings)
    }

    fn code(query: &str) -> &'static str {
        read(query).expect_err(query).code()
    }

    #[test]
    fn words_mean_and_pictures_look_unless_it_is_said() {
        let id = ImageId::of(b"x");
        assert_eq!(read("q=cat").expect("words").mode, Mode::Means);
        assert_eq!(read("q=cat&mode=looks").expect("said").mode, Mode::Looks);
        assert_eq!(
            read(&format!("like={id}")).expect("an id").mode,
            Mode::Looks
        );
        assert_eq!(
            read("url=http://a.example/b.png&mode=same")
                .expect("a copy")
                .mode,
            Mode::Same
        );
        let both = read(&format!("q=cat&like={id}&weight=0.25")).expect("both");
        assert_eq!(both.subject.expect("a subject").weight, 0.25);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let id = ImageId::of(b"x");
        assert_eq!(code(""), "nothing_asked");
        assert_eq!(code("q=cat&mode=same"), "invalid_value");
        assert_eq!(code("q=cat&mode=exact"), "invalid_value");
        assert_eq!(code("q=cat&weight=0.5"), "invalid_value");
        assert_eq!(code(&format!("q=cat&like={id}&weight=2")), "invalid_value");
        assert_eq!(
            code(&format!("url=http://a.example/&like={id}")),
            "several_pictures"
        );
        for url in [
            "ftp://a.example/x",
            "x.png",
            "file:///etc/passwd",
            "data:image/png;base64,AA",
        ] {
            assert_eq!(code(&format!("url={url}")), "invalid_value", "{url}");
        }
        assert_eq!(code("like=zz"), "invalid_id");
        assert_eq!(code("q=cat&cursor=zz"), "invalid_cursor");
    }

    #[test]
    fn a_search_is_told_from_every_other_and_not_from_its_own_next_page() {
        let print = |query: &str| read(query).expect(query).fingerprint();
        let all = [
            "q=cat",
            "q=dog",
            "q=cat&mode=looks",
            "q=cat&sort=newest",
            "q=cat&group=off",
            "q=cat&all=on",
            "q=cat&host=a.example",
            "q=cat&format=png",
            "url=http://a.example/cat",
        ];
        let prints: std::collections::BTreeSet<u64> =
            all.iter().map(|query| print(query)).collect();
        assert_eq!(prints.len(), all.len());
        assert_eq!(print("q=cat"), print("q=++cat+&k=7&facets=on&lang=zh"));
    }
}
