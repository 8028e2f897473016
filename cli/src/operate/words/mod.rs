//! The operator's page's words, in English and in Chinese.

mod texts;

use std::time::Duration;

use axum::http::HeaderMap;
use tusou_platform::language::preferred;

use self::texts::{CHINESE, ENGLISH, Texts};
use super::ask::Deed;
use crate::format::{duration, number};
use crate::rows::hosts::Trouble;
use crate::status::held_up::Cause;
use crate::status::left_out::What;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// The one that the address names, else the first that the browser asks for and the page has.
    pub(super) fn of(named: &str, headers: &HeaderMap) -> Self {
        Self::named(named)
            .or_else(|| preferred(headers, Self::named))
            .unwrap_or(Self::English)
    }

    fn named(tag: &str) -> Option<Self> {
        match tag.split('-').next().unwrap_or_default() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// Its name in addresses.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// Its name in HTML.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// The other one, and its name in itself.
    pub(super) fn other(self) -> (Self, &'static str) {
        match self {
            Self::English => (Self::Chinese, "中文"),
            Self::Chinese => (Self::English, "English"),
        }
    }

    /// Its words.
    pub(super) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        }
    }

    /// A span of time by its two largest units.
    pub(super) fn span(self, span: Duration) -> String {
        let text = duration(span.as_secs());
        match self {
            Self::English => text,
            Self::Chinese => {
                let units = [
                    (" d", " 天"),
                    (" h", " 小时"),
                    (" min", " 分"),
                    (" s", " 秒"),
                ];
                units
                    .iter()
                    .fold(text, |text, (unit, word)| text.replace(unit, word))
            }
        }
    }

    /// How long ago.
    pub(super) fn ago(self, span: Duration) -> String {
        match self {
            Self::English => format!("{} ago", self.span(span)),
            Self::Chinese => format!("{}前", self.span(span)),
        }
    }

    /// The time up to now.
    pub(super) fn last(self, span: Duration) -> String {
        match self {
            Self::English => format!("the last {}", self.span(span)),
            Self::Chinese => format!("最近 {}", self.span(span)),
        }
    }

    /// How long until then.
    pub(super) fn ahead(self, span: Duration) -> String {
        match self {
            Self::English => format!("in {}", self.span(span)),
            Self::Chinese => format!("{}后", self.span(span)),
        }
    }

    /// It goes on, and needs so long.
    pub(super) fn time_left(self, seconds: u64) -> String {
        match self {
            Self::English => format!("It works: {}.", self.left(seconds)),
            Self::Chinese => format!("运行正常：{}。", self.left(seconds)),
        }
    }

    /// So long for what is left.
    pub(super) fn left(self, seconds: u64) -> String {
        let span = self.span(Duration::from_secs(seconds));
        match self {
            Self::English => format!("about {span} for what is known to be left"),
            Self::Chinese => format!("已知的剩余工作约需 {span}"),
        }
    }

    /// So many of so many.
    pub(super) fn of_all(self, some: u64, all: u64) -> String {
        match self {
            Self::English => format!("{} of {}", number(some), number(all)),
            Self::Chinese => format!("{} / {}", number(some), number(all)),
        }
    }

    /// What a seed's bounds are.
    pub(super) fn bounds(self, scope: &str, depth: u32, pages: u64) -> String {
        let pages = number(pages);
        match self {
            Self::English => format!("{scope}, depth {depth}, at most {pages} pages"),
            Self::Chinese => format!("{scope}，深度 {depth}，最多 {pages} 页"),
        }
    }

    /// So many more.
    pub(super) fn more(self, count: u64) -> String {
        match self {
            Self::English => format!("and {} more", number(count)),
            Self::Chinese => format!("另有 {} 项", number(count)),
        }
    }

    /// What holds something up, and what to do.
    pub(super) fn cause(self, cause: &Cause) -> String {
        if self == Self::English {
            return cause.to_string();
        }
        match cause {
            Cause::Paused { what, why } if why.is_empty() => {
                format!("{what} 已暂停：`tusou resume {what}` 可恢复")
            }
            Cause::Paused { what, why } => {
                format!("{what} 已暂停（{why}）：`tusou resume {what}` 可恢复")
            }
            Cause::Waits { service, parts } => format!("{service} 正在等待：{parts}"),
            Cause::Silent { service, address } => {
                format!("{service} 在 {address} 没有应答：它没有运行，或在别处运行")
            }
            Cause::Full {
                queue,
                messages,
                reader,
            } => {
                format!(
                    "{queue} 已满（{} 条消息）：上游等待 {reader} 取走消息",
                    number(*messages)
                )
            }
            Cause::FullOfRetries { queue, messages } => {
                format!(
                    "{queue} 已满（{} 条消息）：现在失败的消息直接进入死信",
                    number(*messages)
                )
            }
            Cause::OutOfReach { hosts, of } => {
                format!(
                    "有待抓取地址的 {} 个主机中，{} 个无法访问，等待时间逐次延长：网络正常吗？",
                    number(*of),
                    number(*hosts)
                )
            }
            Cause::Outbox { messages } => {
                format!(
                    "待发消息达到上限（{} 条）：队列腾出空间前暂停抓取",
                    number(*messages)
                )
            }
            Cause::Retrying {
                queue,
                messages,
                reason,
            } => {
                format!(
                    "{queue} 中有 {} 条消息等待重试：{reason}",
                    number(*messages)
                )
            }
        }
    }

    /// What a reason is about.
    pub(super) fn about(self, what: What, of: &str) -> String {
        if self == Self::English {
            return what.english(of);
        }
        let words = match what {
            What::PagesFailed => "网页失败",
            What::PagesSkipped => "网页跳过",
            What::SitemapsFailed => "站点地图失败",
            What::SitemapsSkipped => "站点地图跳过",
            What::OfSitemaps => "站点地图与订阅源",
            What::ImageUrlsFailed => "图片地址失败",
            What::ImageUrlsSkipped => "图片地址跳过",
            What::OnPages => "网页上的图片",
            What::Addresses => "网页上的地址",
            What::NotEncoded => "未编码的图片",
            What::NotIndexed => "未索引的图片",
            What::Without => return format!("缺少 {of} 的图片"),
            What::Dead => return format!("{of} 中的死信"),
        };
        words.to_owned()
    }

    /// Why a host is not asked as fast as it could be.
    pub(super) fn trouble(self, trouble: Trouble) -> String {
        let texts = self.texts();
        match (self, trouble) {
            (_, Trouble::Paused) => texts.paused.to_owned(),
            (_, Trouble::RobotsAway) => texts.robots_away.to_owned(),
            (Self::English, Trouble::Failing(turns)) => {
                format!(
                    "rests after errors ({} turns in a row)",
                    number(turns.into())
                )
            }
            (Self::Chinese, Trouble::Failing(turns)) => format!("连续 {turns} 轮出错后休息"),
            (Self::English, Trouble::AskedToSlowDown(turns)) => {
                format!(
                    "asked to slow down ({} turns in a row)",
                    number(turns.into())
                )
            }
            (Self::Chinese, Trouble::AskedToSlowDown(turns)) => format!("连续 {turns} 轮要求放慢"),
            (Self::English, Trouble::RobotsForbid(pages)) => {
                format!("robots.txt forbids {} pages", number(pages))
            }
            (Self::Chinese, Trouble::RobotsForbid(pages)) => {
                format!("robots.txt 禁止 {} 个网页", number(pages))
            }
            (Self::English, Trouble::Slow(delay)) => {
                format!("slow: {} ms between requests", number(delay.into()))
            }
            (Self::Chinese, Trouble::Slow(delay)) => {
                format!("缓慢：请求间隔 {} 毫秒", number(delay.into()))
            }
        }
    }

    /// What a form is for.
    pub(super) fn deed(self, deed: Deed) -> &'static str {
        let texts = self.texts();
        match deed {
            Deed::Seed => texts.seed_form,
            Deed::Pause => texts.pause,
            Deed::Resume => texts.resume,
            Deed::Retry => texts.retry,
            Deed::RetryReason => texts.retry_all,
            Deed::Drop => texts.drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_LANGUAGE;

    use super::*;

    #[test]
    fn the_browser_s_first_known_language_is_spoken_unless_the_address_names_one() {
        let of = |named: &str, accepted: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, accepted.parse().expect("a value"));
            Language::of(named, &headers)
        };
        assert_eq!(of("", "zh-CN,zh;q=0.9,en;q=0.8"), Language::Chinese);
        assert_eq!(of("", "fr,en;q=0.5,zh;q=0.7"), Language::Chinese);
        assert_eq!(of("", "zh;q=0, en"), Language::English);
        assert_eq!(of("en", "zh"), Language::English);
        assert_eq!(of("xx", "fr"), Language::English);
    }

    #[test]
    fn spans_have_words_of_their_own() {
        assert_eq!(
            Language::Chinese.span(Duration::from_secs(3_725)),
            "1 小时 2 分"
        );
        assert_eq!(
            Language::Chinese.span(Duration::from_secs(90_000)),
            "1 天 1 小时"
        );
        assert_eq!(
            Language::English.ago(Duration::from_secs(61)),
            "1 min 1 s ago"
        );
    }
}
