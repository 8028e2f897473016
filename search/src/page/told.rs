//! Errors, told to a person: what helps, without the names of parameters where there is another way to say it.

use crate::config::{MAX_K, MAX_QUERY_CHARS};
use crate::error::SearchError;

pub(super) fn english(error: &SearchError) -> String {
    match error.code() {
        "empty_query" | "no_words" => "Type some words to search for.".into(),
        "query_too_long" => format!("That is too long: {MAX_QUERY_CHARS} characters at most."),
        "empty_picture" | "no_picture" => "Choose a picture first.".into(),
        "not_a_picture" => {
            "That file is no picture that can be read. Use JPEG, PNG, WebP, GIF or BMP.".into()
        }
        _ => {
            let text = error.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_uppercase());
            first
                .into_iter()
                .flatten()
                .chain(letters)
                .chain(['.'])
                .collect()
        }
    }
}

pub(super) fn chinese(error: &SearchError) -> String {
    match error.code() {
        "empty_query" | "no_words" => "请输入要搜索的文字。".into(),
        "query_too_long" => format!("文字太长，最多 {MAX_QUERY_CHARS} 个字符。"),
        "control_characters" => "文字中有控制字符，请去掉后再搜索。".into(),
        "invalid_k" => format!("结果数量应为 1 到 {MAX_K}。"),
        "no_text_model" => "当前模型不支持文字，请用图片搜索。".into(),
        "empty_picture" | "no_picture" => "请先选择一张图片。".into(),
        "picture_too_large" => "图片太大，请换一张小一些的。".into(),
        "upload_too_slow" => "图片上传太慢，请再试一次，或换一张小一些的。".into(),
        "not_a_picture" => "无法识别为图片，请使用 JPEG、PNG、WebP、GIF 或 BMP。".into(),
        "undecodable_picture" => "图片已损坏，无法读取。".into(),
        "rate_limited" => "请求太频繁，请稍后再试。".into(),
        "url_refused" | "url_not_found" => {
            "无法取得这个地址的图片，请检查地址，或直接上传图片。".into()
        }
        "url_unreachable" | "url_redirects" | "url_too_slow" => {
            "图片所在的网站没有正常回应，请稍后再试，或直接上传图片。".into()
        }
        "url_too_large" => "这个地址的图片太大，请换一张小一些的。".into(),
        "invalid_cursor" | "foreign_cursor" | "stale_cursor" => {
            "这一页已经失效，请从第一页重新搜索。".into()
        }
        "too_many_pixels" => "图片像素太多，请换一张小一些的。".into(),
        "not_found" => "这里没有内容。".into(),
        "method_not_allowed" | "unreadable_form" => "无法读取这个请求。".into(),
        "index_not_ready" => "索引尚未就绪：还没有编入图片，或正在更换。请稍后再试。".into(),
        "starting" => "服务正在启动，请稍后再试。".into(),
        "busy" => "同时搜索的人太多，请稍后再试。".into(),
        "timeout" | "unavailable" => "服务暂时没有回应，请稍后再试。".into(),
        "internal" => "服务出错了，原因已记入日志。".into(),
        _ => "无法读取这个请求的参数。".into(),
    }
}
