//! The page's words, in English and in Chinese.

use axum::http::HeaderMap;
use tusou_platform::language::preferred;

use super::told::{chinese, english};
use crate::error::SearchError;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

/// Every text of the page that takes no number.
pub(super) struct Texts {
    pub(super) tagline: &'static str,
    pub(super) lead: &'static str,
    pub(super) hint: &'static str,
    pub(super) hint_touch: &'static str,
    pub(super) drop: &'static str,
    pub(super) words: &'static str,
    pub(super) placeholder: &'static str,
    pub(super) search: &'static str,
    pub(super) choose: &'static str,
    pub(super) send: &'static str,
    pub(super) skip: &'static str,
    pub(super) your_picture: &'static str,
    pub(super) nothing: &'static str,
    pub(super) nothing_help: &'static str,
    pub(super) nearest: &'static str,
    pub(super) more: &'static str,
    pub(super) failed: &'static str,
    pub(super) retry: &'static str,
    pub(super) home: &'static str,
    pub(super) like: &'static str,
    pub(super) gone: &'static str,
    pub(super) no_page: &'static str,
    pub(super) similarity: &'static str,
    pub(super) since: &'static str,
    pub(super) searching: &'static str,
    pub(super) away: &'static str,
    pub(super) no_file: &'static str,
    pub(super) private: &'static str,
    pub(super) by: &'static str,
    pub(super) credit: &'static str,
    pub(super) license: &'static str,
    pub(super) acquire: &'static str,
    pub(super) refine: &'static str,
    pub(super) filters: &'static str,
    pub(super) apply: &'static str,
    pub(super) clear: &'static str,
    pub(super) all_of_them: &'static str,
    pub(super) size: &'static str,
    pub(super) shape: &'static str,
    pub(super) color: &'static str,
    pub(super) format: &'static str,
    pub(super) host: &'static str,
    pub(super) order: &'static str,
    pub(super) first_seen_since: &'static str,
    pub(super) guess: &'static str,
    pub(super) seen_at: &'static str,
    pub(super) facts: &'static str,
    pub(super) same_picture: &'static str,
    pub(super) no_copies: &'static str,
    pub(super) alike: &'static str,
    pub(super) none_alike: &'static str,
    pub(super) all_alike: &'static str,
    pub(super) original: &'static str,
    pub(super) later: &'static str,
    pub(super) from_start: &'static str,
    pub(super) first_seen: &'static str,
    pub(super) source: &'static str,
    pub(super) taken: &'static str,
    pub(super) part: &'static str,
    pub(super) part_help: &'static str,
    pub(super) left: &'static str,
    pub(super) right: &'static str,
    pub(super) top: &'static str,
    pub(super) bottom: &'static str,
    pub(super) search_part: &'static str,
    pub(super) whole: &'static str,
    pub(super) photograph: &'static str,
    pub(super) colors: &'static str,
    pub(super) more_came: &'static str,
}

const ENGLISH: Texts = Texts {
    tagline: "Find a picture, and where it comes from",
    lead: "Show a picture, or say what is in it.",
    hint: "Drop a picture here, paste one, or choose a file.",
    hint_touch: "Choose a picture of yours, or take one.",
    drop: "Drop it to search",
    words: "What is in the picture?",
    placeholder: "red bird, mountain lake…",
    search: "Search",
    choose: "Choose a picture",
    send: "Search by picture",
    skip: "Skip to the results",
    your_picture: "Your picture",
    nothing: "Nothing found",
    nothing_help: "Nothing is indexed that could be shown. Crawl a site first, or wait until its pictures are indexed, and search again.",
    nearest: "Show what comes nearest",
    more: "More pictures",
    failed: "That did not work",
    retry: "Try again",
    home: "New search",
    like: "More like this",
    gone: "gone",
    no_page: "no page known",
    similarity: "similarity",
    since: "seen since",
    searching: "Searching…",
    away: "The service cannot be reached. Is the network there? Try again.",
    no_file: "There is no picture in that. Drop or paste an image file.",
    private: "A picture that you search with is not stored.",
    by: "by",
    credit: "credit",
    license: "licence",
    acquire: "get a licence",
    refine: "Narrow the search",
    filters: "Filters",
    apply: "Apply",
    clear: "Clear",
    all_of_them: "All",
    size: "Size",
    shape: "Shape",
    color: "Colour",
    format: "Format",
    host: "Site",
    order: "Order",
    first_seen_since: "First seen since",
    guess: "It may show",
    seen_at: "Where it is seen",
    facts: "About the picture",
    same_picture: "Other files of the same picture",
    no_copies: "No other file of it is known here.",
    alike: "Pictures like it",
    none_alike: "Nothing like it is known here yet.",
    all_alike: "All pictures like it",
    original: "Original file",
    later: "Later ones",
    from_start: "From the start",
    first_seen: "seen by us since",
    source: "Source",
    taken: "taken",
    part: "Search with a part of it",
    part_help: "Draw a box on the picture, or set its edges here.",
    left: "Left",
    right: "Right",
    top: "Top",
    bottom: "Bottom",
    search_part: "Search with this part",
    whole: "Whole picture",
    photograph: "Take a photo",
    colors: "colours",
    more_came: "More pictures have come.",
};

const CHINESE: Texts = Texts {
    tagline: "找到图片，找到出处",
    lead: "上传一张图片，或用文字描述它。",
    hint: "把图片拖到这里、粘贴，或选择文件。",
    hint_touch: "选择一张图片，或拍一张。",
    drop: "松开即可搜索",
    words: "图片里有什么？",
    placeholder: "红色的鸟、山间湖泊……",
    search: "搜索",
    choose: "选择图片",
    send: "以图搜图",
    skip: "跳到结果",
    your_picture: "你的图片",
    nothing: "没有找到",
    nothing_help: "索引中还没有可以显示的图片。请先抓取网站，或等图片编入索引后再搜索。",
    nearest: "显示最接近的图片",
    more: "更多图片",
    failed: "没有成功",
    retry: "再试一次",
    home: "重新搜索",
    like: "相似图片",
    gone: "已消失",
    no_page: "未知网页",
    similarity: "相似度",
    since: "首次发现",
    searching: "正在搜索……",
    away: "无法连接服务。请检查网络后再试。",
    no_file: "其中没有图片。请拖入或粘贴图片文件。",
    private: "用来搜索的图片不会被保存。",
    by: "作者",
    credit: "署名",
    license: "许可",
    acquire: "获取许可",
    refine: "缩小范围",
    filters: "筛选",
    apply: "应用",
    clear: "清除",
    all_of_them: "全部",
    size: "尺寸",
    shape: "形状",
    color: "颜色",
    format: "格式",
    host: "网站",
    order: "排序",
    first_seen_since: "首次发现不早于",
    guess: "可能是",
    seen_at: "出现在哪里",
    facts: "图片信息",
    same_picture: "同一张图的其他文件",
    no_copies: "这里没有它的其他文件。",
    alike: "相似的图片",
    none_alike: "这里还没有与它相似的图片。",
    all_alike: "全部相似图片",
    original: "原图",
    later: "更晚的",
    from_start: "从头显示",
    first_seen: "我们最早发现于",
    source: "出处",
    taken: "拍摄于",
    part: "用其中一部分搜索",
    part_help: "在图上画框，或在这里设定边缘。",
    left: "左",
    right: "右",
    top: "上",
    bottom: "下",
    search_part: "用这一部分搜索",
    whole: "整张图片",
    photograph: "拍照",
    colors: "颜色",
    more_came: "已载入更多图片。",
};

impl Language {
    /// The language that a `lang` parameter names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// The language of a request: its `lang` parameter, else what its reader prefers, else English.
    pub(crate) fn of(query: Option<&str>, headers: &HeaderMap) -> Self {
        let asked = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "lang")
            .and_then(|(_, value)| Self::named(&value));
        asked
            .or_else(|| preferred(headers, Self::named))
            .unwrap_or(Self::English)
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

    /// So many pictures were found.
    pub(super) fn found(self, hits: usize) -> String {
        match (self, hits) {
            (Self::English, 1) => "1 picture".to_owned(),
            (Self::English, _) => format!("{hits} pictures"),
            (Self::Chinese, _) => format!("{hits} 张图片"),
        }
    }

    /// So many pictures were looked at and are no answers.
    pub(super) fn below(self, below: usize) -> String {
        match (self, below) {
            (Self::English, 1) => "1 picture was looked at, and it is not like enough.".to_owned(),
            (Self::English, _) => {
                format!("{below} pictures were looked at, and none is like enough.")
            }
            (Self::Chinese, _) => format!("看过 {below} 张图片，没有足够接近的。"),
        }
    }

    /// What they were found for.
    pub(super) fn found_for(self, words: &str) -> String {
        match self {
            Self::English => format!("nearest to “{words}”"),
            Self::Chinese => format!("最接近“{words}”"),
        }
    }

    /// What they were found for, without words.
    pub(super) fn found_like(self) -> &'static str {
        match self {
            Self::English => "most like your picture",
            Self::Chinese => "与你的图片最相似",
        }
    }

    /// What they were found for, by an indexed picture.
    pub(super) fn found_like_this(self) -> &'static str {
        match self {
            Self::English => "most like this one",
            Self::Chinese => "与这张图片最相似",
        }
    }

    /// How long it took.
    pub(super) fn took(self, ms: u64) -> String {
        match self {
            Self::English => format!("{ms} ms"),
            Self::Chinese => format!("{ms} 毫秒"),
        }
    }

    /// The pages beside the first, which are listed when asked for.
    pub(super) fn more_pages(self, more: u32) -> String {
        match (self, more) {
            (Self::English, 1) => "1 more page".to_owned(),
            (Self::English, _) => format!("{more} more pages"),
            (Self::Chinese, _) => format!("另有 {more} 个网页"),
        }
    }

    /// Between the parts of a list.
    pub(super) fn comma(self) -> &'static str {
        match self {
            Self::English => ", ",
            Self::Chinese => "、",
        }
    }

    /// At which hit a further page begins.
    pub(super) fn beginning(self, number: u16) -> String {
        match self {
            Self::English => format!("From picture {number} on."),
            Self::Chinese => format!("从第 {number} 张开始。"),
        }
    }

    /// At how many pages a picture is seen, and at how many it was.
    pub(super) fn seen(self, live: u32, gone: u32) -> String {
        match (self, live, gone) {
            (Self::English, 1, 0) => "at 1 page".to_owned(),
            (Self::English, _, 0) => format!("at {live} pages"),
            (Self::English, _, _) => format!("at {live} of {} pages still", live + gone),
            (Self::Chinese, _, 0) => format!("{live} 个网页"),
            (Self::Chinese, _, _) => format!("{} 个网页，其中 {live} 个仍在", live + gone),
        }
    }

    /// An error, told to a person.
    pub(super) fn error(self, error: &SearchError) -> String {
        match self {
            Self::English => english(error),
            Self::Chinese => chinese(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCEPT_LANGUAGE;

    use super::*;

    #[test]
    fn the_parameter_beats_the_preference() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, "zh".parse().expect("a value"));
        assert_eq!(Language::of(None, &headers), Language::Chinese);
        assert_eq!(
            Language::of(Some("q=a&lang=en"), &headers),
            Language::English
        );
        assert_eq!(Language::of(Some("lang=xx"), &headers), Language::Chinese);
    }
}
