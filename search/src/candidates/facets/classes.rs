//! The classes of size and shape, and where one ends: facets count by them, and filters ask the index for them.

use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

/// How many pixels a picture has, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SizeClass {
    /// Below 0.25 megapixels.
    Small,
    /// From 0.25 megapixels.
    Medium,
    /// From 2 megapixels.
    Large,
    /// From 8 megapixels.
    Huge,
}

impl SizeClass {
    /// Every class, the smallest first.
    pub(crate) const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Huge];

    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
            Self::Huge => "huge",
        }
    }

    /// The pixels of the class: from this many, to fewer than that many; no end where there is none.
    pub(crate) fn pixels(self) -> (u64, Option<u64>) {
        match self {
            Self::Small => (0, Some(250_000)),
            Self::Medium => (250_000, Some(2_000_000)),
            Self::Large => (2_000_000, Some(8_000_000)),
            Self::Huge => (8_000_000, None),
        }
    }

    /// The class of a picture of so many pixels.
    pub(crate) fn of(pixels: u64) -> Self {
        let within = |class: &Self| class.pixels().1.is_none_or(|end| pixels < end);
        Self::ALL.into_iter().find(within).unwrap_or(Self::Huge)
    }
}

/// What shape a picture has, in words, by its aspect: pixels across over pixels down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// Below 0.8.
    Tall,
    /// From 0.8 to 1.25, that is 4:5 and 5:4 included.
    Square,
    /// Above 1.25, up to 2.2.
    Wide,
    /// Above 2.2.
    Panorama,
}

/// The first aspects that are no longer square, and no longer wide.
const WIDE_FROM: f32 = 1.25_f32.next_up();
const PANORAMA_FROM: f32 = 2.2_f32.next_up();

impl Shape {
    /// Every class, the tallest first.
    pub(crate) const ALL: [Self; 4] = [Self::Tall, Self::Square, Self::Wide, Self::Panorama];

    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tall => "tall",
            Self::Square => "square",
            Self::Wide => "wide",
            Self::Panorama => "panorama",
        }
    }

    /// The aspects of the class: from this one, to less than that one; no end where there is none. As the index
    /// keeps them, in `f32`.
    pub(crate) fn aspect(self) -> (f32, Option<f32>) {
        match self {
            Self::Tall => (0.0, Some(0.8)),
            Self::Square => (0.8, Some(WIDE_FROM)),
            Self::Wide => (WIDE_FROM, Some(PANORAMA_FROM)),
            Self::Panorama => (PANORAMA_FROM, None),
        }
    }

    /// The class of a picture of this aspect.
    pub(crate) fn of(aspect: f32) -> Self {
        let within = |shape: &Self| shape.aspect().1.is_none_or(|end| aspect < end);
        Self::ALL.into_iter().find(within).unwrap_or(Self::Panorama)
    }
}

/// No class has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnknownClass {
    /// Of sizes.
    #[error("there is no such size; there are small, medium, large and huge")]
    Size,
    /// Of shapes.
    #[error("there is no such shape; there are tall, square, wide and panorama")]
    Shape,
}

impl FromStr for SizeClass {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        let mut all = Self::ALL.into_iter();
        all.find(|class| class.name() == name)
            .ok_or(UnknownClass::Size)
    }
}

impl FromStr for Shape {
    type Err = UnknownClass;

    fn from_str(name: &str) -> Result<Self, UnknownClass> {
        let mut all = Self::ALL.into_iter();
        all.find(|shape| shape.name() == name)
            .ok_or(UnknownClass::Shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_meet_without_gap_or_overlap() {
        let mut from = 0;
        for class in SizeClass::ALL {
            let (begin, end) = class.pixels();
            assert_eq!(begin, from);
            assert_eq!(SizeClass::of(begin), class);
            if let Some(end) = end {
                assert_eq!(SizeClass::of(end - 1), class);
            }
            from = end.unwrap_or_default();
            assert_eq!(class.name().parse(), Ok(class));
        }
        assert_eq!(SizeClass::of(u64::MAX), SizeClass::Huge);
        assert_eq!("tiny".parse::<SizeClass>(), Err(UnknownClass::Size));
    }

    #[test]
    fn shapes_meet_without_gap_or_overlap_and_have_the_ends_they_promise() {
        let mut from = 0.0;
        for shape in Shape::ALL {
            let (begin, end) = shape.aspect();
            assert_eq!(begin, from);
            assert_eq!(Shape::of(begin), shape);
            if let Some(end) = end {
                assert_eq!(Shape::of(end.next_down()), shape);
            }
            from = end.unwrap_or_default();
            assert_eq!(shape.name().parse(), Ok(shape));
        }
        for (width, height, shape) in [
            (799, 1_000, Shape::Tall),
            (4, 5, Shape::Square),
            (5, 4, Shape::Square),
            (4, 3, Shape::Wide),
            (11, 5, Shape::Wide),
            (221, 100, Shape::Panorama),
        ] {
            assert_eq!(
                Shape::of(width as f32 / height as f32),
                shape,
                "{width}:{height}"
            );
        }
        assert_eq!("round".parse::<Shape>(), Err(UnknownClass::Shape));
    }
}
