//! Colours of other spaces to sRGB, by the ICC profile that a picture carries.
//!
//! A profile that cannot be read, or that is for other colours than the picture's, is passed
//! over: the picture stands as it is.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use moxcms::{
    ColorProfile, DataColorSpace, Layout, RenderingIntent, Transform8BitExecutor, TransformOptions,
};
use sha2::{Digest as _, Sha256};

/// The largest profile that is looked at. Those of printers have some 2 MiB.
const MAX_BYTES: usize = 4 << 20;
/// Profiles whose conversion is kept. A site's pictures share a few.
const KEPT: usize = 16;
/// Pixels that are converted at once.
const BLOCK: usize = 1_024;

/// What a profile asks for.
#[derive(Clone)]
enum Conversion {
    /// Nothing: it is sRGB's, or of no use.
    Nothing,
    /// Each shade of grey has its colour.
    Grey(Arc<[[u8; 3]; 256]>),
    /// Red, green and blue.
    Rgb(Arc<Transform8BitExecutor>),
    /// Cyan, magenta, yellow and black to red, green and blue.
    Cmyk(Arc<Transform8BitExecutor>),
}

/// By the profile's SHA-256, the latest first.
type Known = VecDeque<([u8; 32], Conversion)>;

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// Converts RGB pixels in place. `grey` says that the picture has but shades of grey, each written
/// three times.
pub(super) fn to_srgb(profile: &[u8], pixels: &mut [u8], grey: bool) {
    match conversion(profile) {
        Conversion::Grey(colours) if grey => {
            for pixel in pixels.as_chunks_mut::<3>().0 {
                *pixel = colours[usize::from(pixel[0])];
            }
        }
        Conversion::Rgb(transform) if !grey => {
            let mut from = [0; BLOCK * 3];
            for block in pixels.chunks_mut(BLOCK * 3) {
                let from = &mut from[..block.len()];
                from.copy_from_slice(block);
                transform
                    .transform(from, block)
                    .expect("both have three bytes for each pixel");
            }
        }
        _ => {}
    }
}

/// Converts pixels with alpha in place, which stays.
pub(super) fn to_srgb_beside_alpha(profile: &[u8], pixels: &mut [u8], grey: bool) {
    let mut colours = [0; BLOCK * 3];
    for block in pixels.chunks_mut(BLOCK * 4) {
        let (block, _) = block.as_chunks_mut::<4>();
        let colours = &mut colours[..block.len() * 3];
        for (colour, [red, green, blue, _]) in colours.as_chunks_mut().0.iter_mut().zip(&*block) {
            *colour = [*red, *green, *blue];
        }
        to_srgb(profile, colours, grey);
        for (colour, pixel) in colours.as_chunks::<3>().0.iter().zip(block) {
            pixel[..3].copy_from_slice(colour);
        }
    }
}

/// Cyan, magenta, yellow and black as Adobe writes them, inverted, to RGB in place: by the profile, or
/// else as Pillow does, which knows no ink. What is left of the pixels is cut off.
pub(super) fn cmyk_to_rgb(profile: Option<&[u8]>, pixels: &mut Vec<u8>) {
    let count = pixels.len() / 4;
    let conversion = profile.map_or(Conversion::Nothing, conversion);
    if let Conversion::Cmyk(transform) = conversion {
        let (mut inks, mut colours) = ([0; BLOCK * 4], [0; BLOCK * 3]);
        for begin in (0..count).step_by(BLOCK) {
            let size = BLOCK.min(count - begin);
            let (inks, colours) = (&mut inks[..size * 4], &mut colours[..size * 3]);
            for (ink, value) in inks.iter_mut().zip(&pixels[begin * 4..]) {
                *ink = 255 - value;
            }
            transform
                .transform(inks, colours)
                .expect("both hold as many pixels");
            pixels[begin * 3..][..size * 3].copy_from_slice(colours);
        }
    } else {
        for pixel in 0..count {
            // Inverted, light is what ink leaves.
            let black = u32::from(pixels[pixel * 4 + 3]);
            for channel in 0..3 {
                let ink = 255 - u32::from(pixels[pixel * 4 + channel]);
                let light = black.saturating_sub((ink * black + 127) / 255);
                pixels[pixel * 3 + channel] = light as u8;
            }
        }
    }
    pixels.truncate(count * 3);
}

fn conversion(profile: &[u8]) -> Conversion {
    if profile.len() > MAX_BYTES {
        return Conversion::Nothing;
    }
    let digest: [u8; 32] = Sha256::digest(profile).into();
    // Whole after every statement, so a panic elsewhere spoils nothing.
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut known = lock();
        if let Some(at) = known.iter().position(|(other, _)| *other == digest) {
            let found = known.remove(at).expect("it was found there");
            let conversion = found.1.clone();
            known.push_front(found);
            return conversion;
        }
    }
    let conversion = made(profile).unwrap_or(Conversion::Nothing);
    let mut known = lock();
    known.push_front((digest, conversion.clone()));
    known.truncate(KEPT);
    conversion
}

fn made(profile: &[u8]) -> Option<Conversion> {
    let profile = ColorProfile::new_from_slice(profile).ok()?;
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions {
        rendering_intent: RenderingIntent::Perceptual,
        ..TransformOptions::default()
    };
    let transform = |layout| {
        let made = profile.create_transform_8bit(layout, &srgb, Layout::Rgb, options);
        made.ok()
    };
    match profile.color_space {
        DataColorSpace::Gray => {
            let shades: Vec<u8> = (0..=255).collect();
            let mut colours = [[0; 3]; 256];
            transform(Layout::Gray)?
                .transform(&shades, colours.as_flattened_mut())
                .ok()?;
            Some(Conversion::Grey(Arc::new(colours)))
        }
        DataColorSpace::Rgb => {
            let transform = transform(Layout::Rgb)?;
            Some(if changes_nothing(transform.as_ref())? {
                Conversion::Nothing
            } else {
                Conversion::Rgb(transform)
            })
        }
        DataColorSpace::Cmyk => transform(Layout::Rgba).map(Conversion::Cmyk),
        _ => None,
    }
}

/// Whether a grid of colours comes out as it is but for rounding: most profiles on the web are sRGB's.
fn changes_nothing(transform: &Transform8BitExecutor) -> Option<bool> {
    let steps: Vec<u8> = (0..=255).step_by(17).collect();
    let mut grid = Vec::with_capacity(steps.len().pow(3) * 3);
    for red in &steps {
        for green in &steps {
            for blue in &steps {
                grid.extend([red, green, blue]);
            }
        }
    }
    let mut after = vec![0; grid.len()];
    transform.transform(&grid, &mut after).ok()?;
    let mut pairs = grid.iter().zip(&after);
    Some(pairs.all(|(before, after): (&u8, &u8)| before.abs_diff(*after) <= 1))
}
