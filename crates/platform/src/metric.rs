//! What a service counts and measures, declared once: its name in `/metrics`, its labels and its meaning.
//!
//! A module lists its metrics by [`catalogue!`](crate::catalogue); whoever reads `/metrics` is told the same words
//! there as in `docs/metrics.md`, which is made from these lists.

/// How a metric's values are to be read, in Prometheus's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the process's start.
    Counter,
    /// The value of now.
    Gauge,
    /// How many values were at most so large, their sum and their number.
    Histogram,
}

impl Kind {
    /// As `# TYPE` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// With the unit at its end (`_seconds`, `_bytes`), and `_total` where it is a counter.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The names of its labels, every one of which is always there.
    pub labels: &'static [&'static str],
    /// What is counted or measured, in one sentence without its full stop.
    pub about: &'static str,
}

/// Says what each metric means, and begins every counter that has no labels with 0: one that is not there yet cannot be
/// seen to grow. Call it after [`telemetry::init`](crate::telemetry::init).
pub fn describe(metrics: &[Metric]) {
    for metric in metrics {
        match metric.kind {
            Kind::Counter => {
                metrics::describe_counter!(metric.name, metric.about);
                if metric.labels.is_empty() {
                    metrics::counter!(metric.name).increment(0);
                }
            }
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.about),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.about),
        }
    }
}

/// Declares a constant for the name of each metric, and the list of all.
///
/// ```
/// tusou_platform::catalogue! {
///     /// What this module measures.
///     METRICS;
///     Counter PAGES = "pages_total" ["outcome"] "Pages read, by outcome";
///     Gauge WAITING = "waiting" [] "Pages that wait";
/// }
/// assert_eq!(METRICS[0].name, PAGES);
/// assert_eq!(METRICS[1].name, WAITING);
/// ```
#[macro_export]
macro_rules! catalogue {
    (
        $(#[$about_list:meta])* $list:ident;
        $($kind:ident $name:ident = $text:literal [$($label:literal),*] $about:literal;)*
    ) => {
        $(const $name: &str = $text;)*

        $(#[$about_list])*
        pub const $list: &[$crate::metric::Metric] = &[$($crate::metric::Metric {
            name: $name,
            kind: $crate::metric::Kind::$kind,
            labels: &[$($label),*],
            about: $about,
        }),*];
    };
}
