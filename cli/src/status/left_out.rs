//! What was left out or went wrong, by reason: what `tusou status` calls "Left out".

use std::collections::BTreeMap;

use super::report::Status;
use crate::format::one_line;

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    PagesFailed,
    PagesSkipped,
    SitemapsFailed,
    SitemapsSkipped,
    OfSitemaps,
    ImageUrlsFailed,
    ImageUrlsSkipped,
    OnPages,
    Addresses,
    NotEncoded,
    NotIndexed,
    Without,
    Dead,
}

/// How often something was left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) what: What,
    /// Of a model or a dead queue its name, else empty.
    pub(crate) of: String,
    pub(crate) reason: String,
    pub(crate) count: u64,
}

impl What {
    /// In words; `of` is [`LeftOut::of`].
    pub(crate) fn english(self, of: &str) -> String {
        let words = match self {
            Self::PagesFailed => "pages failed",
            Self::PagesSkipped => "pages skipped",
            Self::SitemapsFailed => "sitemaps failed",
            Self::SitemapsSkipped => "sitemaps skipped",
            Self::OfSitemaps => "of sitemaps and feeds",
            Self::ImageUrlsFailed => "image URLs failed",
            Self::ImageUrlsSkipped => "image URLs skipped",
            Self::OnPages => "pictures on pages",
            Self::Addresses => "addresses on pages",
            Self::NotEncoded => "pictures not encoded",
            Self::NotIndexed => "pictures not indexed",
            Self::Without => return format!("pictures without {}", one_line(of, 40)),
            Self::Dead => return format!("dead letters in {of}"),
        };
        words.to_owned()
    }
}

/// Every reason with its count, the most frequent first within what it is about.
pub(crate) fn left_out(status: &Status) -> Vec<LeftOut> {
    let unparsable = BTreeMap::from([("no URL".to_owned(), status.unparsable_urls)]);
    let discovered = &status.discovered;
    let bounds = BTreeMap::from([
        ("beyond a bound".to_owned(), discovered.left_out),
        ("not read to the end".to_owned(), discovered.cut),
    ]);
    let mut all = Vec::new();
    for (what, reasons) in [
        (What::PagesFailed, &status.pages.failed),
        (What::PagesSkipped, &status.pages.skipped),
        (What::SitemapsFailed, &discovered.sitemaps.failed),
        (What::SitemapsSkipped, &discovered.sitemaps.skipped),
        (What::OfSitemaps, &bounds),
        (What::ImageUrlsFailed, &status.image_urls.failed),
        (What::ImageUrlsSkipped, &status.image_urls.skipped),
        (What::OnPages, &status.pictures_left),
        (What::Addresses, &unparsable),
        (What::NotEncoded, &status.images.failed),
        (What::NotIndexed, &status.images.refused),
    ] {
        all.extend(by_count(what, "", reasons));
    }
    for model in &status.models {
        all.extend(by_count(What::Without, &model.model, &model.failed));
    }
    all.extend(status.dead.iter().map(|dead| LeftOut {
        what: What::Dead,
        of: dead.queue.clone(),
        reason: dead.reason.clone(),
        count: dead.count,
    }));
    all
}

fn by_count(what: What, of: &str, reasons: &BTreeMap<String, u64>) -> Vec<LeftOut> {
    let mut counted: Vec<_> = reasons.iter().filter(|(_, count)| **count > 0).collect();
    counted.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), *reason));
    let left = |(reason, count): (&String, &u64)| LeftOut {
        what,
        of: of.to_owned(),
        reason: reason.clone(),
        count: *count,
    };
    counted.into_iter().map(left).collect()
}

#[cfg(test)]
mod tests {
    use super::super::report::ModelStatus;
    use super::*;

    #[test]
    fn the_most_frequent_reason_of_each_thing_comes_first() {
        let reasons = |list: &[(&str, u64)]| -> BTreeMap<String, u64> {
            let pairs = list.iter();
            pairs
                .map(|(reason, count)| ((*reason).to_owned(), *count))
                .collect()
        };
        let mut status = Status::default();
        status.pages.failed = reasons(&[("http_404", 2), ("timeout", 7), ("never", 0)]);
        status.models.push(ModelStatus {
            model: "nsfw".into(),
            failed: reasons(&[("not_finite", 2), ("run_failed", 3)]),
            ..ModelStatus::default()
        });
        let told: Vec<String> = left_out(&status)
            .iter()
            .map(|left| {
                format!(
                    "{}: {} {}",
                    left.what.english(&left.of),
                    left.reason,
                    left.count
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "pages failed: timeout 7",
                "pages failed: http_404 2",
                "pictures without nsfw: run_failed 3",
                "pictures without nsfw: not_finite 2"
            ]
        );
    }
}
