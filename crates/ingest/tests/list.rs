//! Lists as people publish them, and as they are never to be: every one ends in rows, counted bad rows
//! or an error that names the file, the line and the remedy.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;
use tusou_ingest::list::{List, ListError, ListRow, MAX_LINE, Options, Position};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).expect("the folder can be written");
        path
    }
}

type Rows = Vec<(u64, Result<ListRow, &'static str>)>;

fn read_on(list: &mut List) -> Result<Rows, ListError> {
    let mut rows = Vec::new();
    while let Some(line) = list.next_row()? {
        rows.push((line.number, line.row.map_err(|bad| bad.reason())));
    }
    Ok(rows)
}

fn read_as(path: &Path, options: &Options) -> Result<Rows, ListError> {
    read_on(&mut List::open(path, options, Position::default())?)
}

fn read(path: &Path) -> Rows {
    read_as(path, &Options::default()).expect("the list can be read")
}

/// Line, and URL or what is bad.
fn brief(rows: &Rows) -> Vec<(u64, &str)> {
    rows.iter()
        .map(|(line, row)| match row {
            Ok(row) => (*line, row.address.as_str()),
            Err(bad) => (*line, *bad),
        })
        .collect()
}

fn refused(path: &Path) -> String {
    let failed = read_as(path, &Options::default()).expect_err("the list cannot be read");
    let said = failed.to_string();
    let name = path.file_name().expect("a file").to_string_lossy();
    assert!(said.contains(&*name), "{said}");
    assert!(said.len() < 3_000, "{} bytes", said.len());
    said
}

/// Every way of reading a list from its middle gives what reading it whole gives.
fn goes_on_anywhere(path: &Path, options: &Options) {
    let whole = read_as(path, options).expect("the list can be read");
    let mut list = List::open(path, options, Position::default()).expect("it opens");
    for read in 0..=whole.len() {
        let mut rest = List::open(path, options, list.position()).expect("it opens there");
        let rest = read_on(&mut rest).expect("it can be read on");
        assert_eq!(
            rest,
            whole[read..],
            "after {read} rows of {}",
            path.display()
        );
        let _ = list.next_row().expect("it was read before");
    }
    assert!((list.share() - 1.0).abs() < 1e-9);
}

const UNSPLASH: &str = "photo_id\tphoto_url\tphoto_image_url\tphoto_description\tphotographer_username\tai_description\n\
    a1\thttps://example.org/photos/a1\thttps://images.example/a1\t\"two\nlines, and a \"\"quote\"\"\"\tann\tx\r\n\
    \n\
    b2\thttps://example.org/photos/b2\thttps://images.example/b2\t\tben\ta red kite\n\
    c3\tshort\n\
    d4\thttps://example.org/photos/d4\t\twords\tdan\t\n\
    e5\thttps://example.org/photos/e5\tftp://images.example/e5\twords\teve\t\n\
    f6\thttps://example.org/photos/f6\thttps://images.example/f6\tlast\tfay\t";

#[test]
fn a_table_of_unsplash_is_read_by_its_name_with_true_line_numbers() {
    let folder = Folder::new();
    let path = folder.file("photos.tsv000", UNSPLASH);
    let rows = read(&path);
    assert_eq!(
        brief(&rows),
        [
            (2, "https://images.example/a1"),
            (5, "https://images.example/b2"),
            (6, "columns"),
            (7, "no_url"),
            (8, "scheme"),
            (9, "https://images.example/f6"),
        ]
    );
    let row = rows[0].1.as_ref().expect("a good row");
    assert_eq!(row.caption, "two lines, and a \"quote\"");
    assert_eq!(row.rights.rights.creator.as_deref(), Some("ann"));
    assert_eq!(
        row.context.page.as_deref(),
        Some("https://example.org/photos/a1")
    );
    assert_eq!(row.context.columns["photo_id"], "a1");
    let row = rows[1].1.as_ref().expect("a good row");
    assert_eq!(row.caption, "a red kite");
    goes_on_anywhere(&path, &Options::default());
}

#[test]
fn every_format_and_encoding_gives_the_same_rows() {
    let folder = Folder::new();
    let rows = [
        ("http://a.test/1.png", "eins é"),
        ("http://a.test/2.png", "zwei \"2\", 图"),
    ];
    let csv =
        "url,caption\nhttp://a.test/1.png,eins é\nhttp://a.test/2.png,\"zwei \"\"2\"\", 图\"\n";
    let jsonl = "{\"caption\":\"eins é\",\"url\":\"http://a.test/1.png\"}\n\n\
         {\"url\":\"http://a.test/2.png\",\"caption\":\"zwei \\\"2\\\", 图\"}";
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
        let bytes = units.map(|unit| {
            if little {
                unit.to_le_bytes()
            } else {
                unit.to_be_bytes()
            }
        });
        bytes.flatten().collect()
    };
    let gzip = |text: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).expect("it compresses");
        gzip.finish().expect("it compresses")
    };
    // Two members, as `cat a.gz b.gz` makes them.
    let (first, second) = csv.split_at(30);
    let members = [gzip(first.as_bytes()), gzip(second.as_bytes())].concat();
    let files = [
        ("a.csv", csv.as_bytes().to_vec()),
        ("marked.csv", [b"\xef\xbb\xbf", csv.as_bytes()].concat()),
        ("crlf.csv", csv.replace('\n', "\r\n").into_bytes()),
        ("little.csv", utf16(csv, true)),
        ("big.csv", utf16(csv, false)),
        ("a.csv.gz", members),
        ("little.csv.gz", gzip(&utf16(csv, true))),
        ("a.jsonl", jsonl.as_bytes().to_vec()),
        ("a.jsonl.gz", gzip(jsonl.as_bytes())),
        ("a.parquet", parquet_of(&rows)),
    ];
    for (name, bytes) in files {
        let path = folder.file(name, bytes);
        let read = read(&path);
        let said: Vec<(&str, &str)> = read
            .iter()
            .map(|(_, row)| row.as_ref().expect("a good row"))
            .map(|row| (row.address.as_str(), row.caption.as_str()))
            .collect();
        assert_eq!(said, rows, "{name}");
        goes_on_anywhere(&path, &Options::default());
    }
    let txt = "# pictures\n\n  http://a.test/1.png  \r\nnot a url\nhttp://a.test/2.png";
    let path = folder.file("a.txt", txt);
    let wanted = [
        (3, "http://a.test/1.png"),
        (4, "unparsable"),
        (5, "http://a.test/2.png"),
    ];
    assert_eq!(brief(&read(&path)), wanted);
    goes_on_anywhere(&path, &Options::default());
}

/// A parquet file with two rows a group, a number and a null.
fn parquet_of(rows: &[(&str, &str)]) -> Vec<u8> {
    let schema = "message list { optional binary caption (UTF8); required binary url (UTF8); optional int64 width; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .build();
    let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties));
    let mut writer = writer.expect("a buffer can be written");
    for group in rows.chunks(2) {
        let mut columns = writer.next_row_group().expect("a group");
        let texts = |pick: fn(&(&str, &str)) -> ByteArray| -> Vec<ByteArray> {
            group.iter().map(pick).collect()
        };
        let captions = texts(|row| ByteArray::from(row.1));
        let urls = texts(|row| ByteArray::from(row.0));
        let one: Vec<i16> = group.iter().map(|_| 1).collect();
        for (values, levels) in [(captions, Some(&one[..])), (urls, None)] {
            let mut column = columns.next_column().expect("columns").expect("a column");
            let typed = column.typed::<ByteArrayType>();
            typed
                .write_batch(&values, levels, None)
                .expect("it is written");
            column.close().expect("it is written");
        }
        let mut column = columns.next_column().expect("columns").expect("a column");
        let none: Vec<i16> = group.iter().map(|_| 0).collect();
        let typed = column.typed::<Int64Type>();
        typed
            .write_batch(&[], Some(&none), None)
            .expect("it is written");
        column.close().expect("it is written");
        columns.close().expect("it is written");
    }
    writer.into_inner().expect("it is written")
}

#[test]
fn a_parquet_file_is_taken_up_in_any_row_group() {
    let folder = Folder::new();
    let urls: Vec<String> = (0..7).map(|n| format!("http://a.test/{n}.png")).collect();
    let rows: Vec<(&str, &str)> = urls.iter().map(|url| (url.as_str(), "x")).collect();
    let path = folder.file("many.parquet", parquet_of(&rows));
    goes_on_anywhere(&path, &Options::default());
    assert_eq!(read(&path).last().expect("rows").0, 7);
}

#[test]
fn a_parquet_file_cut_short_or_damaged_ends_in_an_error() {
    let folder = Folder::new();
    let whole = parquet_of(&[
        ("http://a.test/1.png", "one"),
        ("http://a.test/2.png", "two"),
    ]);
    for length in [1, 7, 12, whole.len() / 2, whole.len() - 1] {
        let said = refused(&folder.file("cut.parquet", &whole[..length]));
        assert!(said.contains("download it again"), "{length}: {said}");
    }
    // Wherever a byte is wrong: rows or an error, never a panic and never an endless read.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x5A;
        let path = folder.file("damaged.parquet", &damaged);
        if let Ok(mut list) = List::open(&path, &Options::default(), Position::default()) {
            let mut rows = 0;
            while let Ok(Some(_)) = list.next_row() {
                rows += 1;
                assert!(rows < 100_000, "byte {at}");
            }
        }
    }
}

#[test]
fn a_line_without_end_and_a_million_columns_are_bounded() {
    let folder = Folder::new();
    let long = "x".repeat(3 * MAX_LINE);
    let columns = ",".repeat(1_000_000);
    let csv = format!(
        "url,caption\nhttp://a.test/1,{long}\nhttp://a.test/2{columns}\nhttp://a.test/3,y\n"
    );
    let path = folder.file("a.csv", csv);
    let wanted = [
        (2, "line_too_long"),
        (3, "line_too_long"),
        (4, "http://a.test/3"),
    ];
    assert_eq!(brief(&read(&path)), wanted);
    goes_on_anywhere(&path, &Options::default());
    for (name, line) in [("a.txt", long.as_str()), ("a.jsonl", long.as_str())] {
        let good = if name == "a.txt" {
            "http://a.test/1"
        } else {
            "{\"url\":\"http://a.test/1\"}"
        };
        let path = folder.file(name, format!("{good}\n{line}\n{good}"));
        let wanted = [
            (1, "http://a.test/1"),
            (2, "line_too_long"),
            (3, "http://a.test/1"),
        ];
        assert_eq!(brief(&read(&path)), wanted);
    }
    let said = refused(&folder.file("head.csv", format!("url{columns}\nx")));
    assert!(said.contains("4096 columns"), "{said}");
    // A quotation mark that nothing closes: not the whole file is swallowed unnoticed.
    let path = folder.file(
        "quote.csv",
        format!("url,caption\nhttp://a.test/1,\"x\n{long}"),
    );
    assert_eq!(brief(&read(&path)), [(2, "line_too_long")]);
    let plain = Options {
        no_quotes: true,
        ..Options::default()
    };
    let rows = read_as(&path, &plain).expect("the list can be read");
    assert_eq!(brief(&rows)[0], (2, "http://a.test/1"));
}

#[test]
fn what_is_no_list_is_refused_with_its_remedy() {
    let folder = Folder::new();
    let utf16: Vec<u8> = "url,x\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, bytes, remedy) in [
        ("empty.csv", &b""[..], "is empty"),
        ("marked.csv", b"\xef\xbb\xbf", "is empty"),
        ("blank.csv", b"\n\n", "is empty"),
        ("a.xlsx", b"PK\x03\x04", "--format"),
        ("zip.csv", b"PK\x03\x04\x00\x00", "zip"),
        ("z.csv", b"\x28\xB5\x2F\xFD\x00\x00\x00\x00", "zstd"),
        ("wide.csv", &utf16, "--encoding utf-16le"),
        ("head.csv", b"url,caf\xE9\n", "windows-1252"),
        (
            "array.jsonl",
            b"[{\"url\": \"http://a.test/\"}]",
            "one object a line",
        ),
        ("words.jsonl", b"url\nhttp://a.test/", "line 1"),
        ("none.csv", b"a,b\nhttp://a.test/,x", "--url-column"),
        (
            "html.parquet",
            b"<!doctype html><title>404",
            "no whole parquet file",
        ),
    ] {
        let said = refused(&folder.file(name, bytes));
        assert!(said.contains(remedy), "{said}");
    }
    assert!(refused(folder.0.path()).contains("tusou import"));
    let named = |options: Options| {
        let path = folder.file("a.txt", "http://a.test/");
        let failed = read_as(&path, &options).expect_err("it cannot be read so");
        failed.to_string()
    };
    let mut options = Options::default();
    options.columns.url = Some("url".into());
    assert!(named(options).contains("which has no columns"));
    let options = Options {
        encoding: Some("latin-9000".into()),
        ..Options::default()
    };
    assert!(named(options).contains("is no encoding that is known"));
}

#[test]
fn another_encoding_is_counted_and_read_when_it_is_named() {
    let folder = Folder::new();
    let path = folder.file(
        "a.csv",
        b"url,caption\nhttp://a.test/1,caf\xE9\nhttp://a.test/2,x\n",
    );
    assert_eq!(
        brief(&read(&path)),
        [(2, "encoding"), (3, "http://a.test/2")]
    );
    let options = Options {
        encoding: Some("latin1".into()),
        ..Options::default()
    };
    let rows = read_as(&path, &options).expect("the list can be read");
    assert_eq!(rows[0].1.as_ref().expect("a good row").caption, "café");
    goes_on_anywhere(&path, &options);
}

#[test]
fn a_gzip_file_cut_short_gives_its_rows_and_then_an_error() {
    let folder = Folder::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    for n in 0..200_000 {
        writeln!(gzip, "http://a.test/{n}").expect("it compresses");
    }
    let bytes = gzip.finish().expect("it compresses");
    let path = folder.file("a.txt.gz", &bytes[..bytes.len() / 2]);
    let mut list = List::open(&path, &Options::default(), Position::default()).expect("it opens");
    let mut rows = 0;
    let failed = loop {
        match list.next_row() {
            Ok(Some(_)) => rows += 1,
            Ok(None) => panic!("it was taken for whole"),
            Err(failed) => break failed.to_string(),
        }
    };
    assert!(rows > 50_000, "{rows}");
    assert!(
        failed.contains("cut short") && failed.contains("--again"),
        "{failed}"
    );
}
