//! What an ONNX file says of itself: its inputs, its outputs, and the files that hold its weights.
//!
//! The file is walked and not loaded: weights are passed over, so a file of gigabytes costs milliseconds and
//! no runtime is needed. Field numbers are those of `onnx.proto`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

/// The most bytes of a name.
const LONGEST: u64 = 4_096;

/// What a model takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signature {
    /// Inputs that a caller gives.
    pub(super) inputs: Vec<Port>,
    /// Outputs.
    pub(super) outputs: Vec<Port>,
    /// Files beside the model's that hold weights, by their paths below its folder.
    pub(super) external: BTreeSet<String>,
}

/// An input or output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: String,
    /// `TensorProto.DataType`: 1 is f32, 2 u8, 6 i32, 7 i64, 10 f16.
    pub(super) element: u64,
    /// The axes; `None` where the model takes any length.
    pub(super) shape: Vec<Option<u64>>,
}

/// `TensorProto.DataType` of bytes.
pub(super) const U8: u64 = 2;

impl Port {
    /// The length of an axis, counted from the end where it is negative.
    pub(super) fn axis(&self, position: isize) -> Option<u64> {
        let from_end = position.checked_neg().filter(|_| position < 0);
        let index = match from_end {
            Some(back) => self.shape.len().checked_sub(back as usize)?,
            None => position as usize,
        };
        self.shape.get(index).copied().flatten()
    }
}

/// Reads a model's signature.
///
/// # Errors
/// The file cannot be read, or is no ONNX model: `InvalidData` and `UnexpectedEof`.
pub(super) fn read(path: &Path) -> io::Result<Signature> {
    let file = File::open(path)?;
    let end = file.metadata()?.len();
    let mut walker = Walker {
        file: BufReader::new(file),
        at: 0,
    };
    let mut signature = None;
    // ModelProto.graph
    walker.fields(end, |walker, field, end| match field {
        7 => {
            signature = Some(graph(walker, end)?);
            Ok(())
        }
        _ => Ok(()),
    })?;
    signature.ok_or_else(|| bad("it holds no graph"))
}

fn graph(walker: &mut Walker, end: u64) -> io::Result<Signature> {
    let mut found = Signature::default();
    let mut weights = BTreeSet::new();
    walker.fields(end, |walker, field, end| {
        match field {
            5 => {
                weights.insert(tensor(walker, end, &mut found.external)?);
            }
            11 => found.inputs.push(port(walker, end)?),
            12 => found.outputs.push(port(walker, end)?),
            _ => {}
        }
        Ok(())
    })?;
    // Older models name their weights among the inputs.
    found.inputs.retain(|input| !weights.contains(&input.name));
    Ok(found)
}

/// A weight's name; its file is added where it lies in one of its own.
fn tensor(walker: &mut Walker, end: u64, external: &mut BTreeSet<String>) -> io::Result<String> {
    let mut name = String::new();
    walker.fields(end, |walker, field, end| {
        match field {
            8 => name = walker.text(end)?,
            13 => {
                let (mut key, mut value) = (String::new(), String::new());
                walker.fields(end, |walker, field, end| {
                    match field {
                        1 => key = walker.text(end)?,
                        2 => value = walker.text(end)?,
                        _ => {}
                    }
                    Ok(())
                })?;
                if key == "location" {
                    external.insert(value);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(name)
}

fn port(walker: &mut Walker, end: u64) -> io::Result<Port> {
    let mut port = Port::default();
    // ValueInfoProto: name, type; TypeProto: tensor_type; Tensor: elem_type, shape; Shape: dim.
    walker.fields(end, |walker, field, end| match field {
        1 => {
            port.name = walker.text(end)?;
            Ok(())
        }
        2 => walker.fields(end, |walker, field, end| match field {
            1 => walker.fields(end, |walker, field, end| match field {
                1 => {
                    port.element = walker.number(end)?;
                    Ok(())
                }
                2 => walker.fields(end, |walker, field, end| {
                    if field == 1 {
                        port.shape.push(axis(walker, end)?);
                    }
                    Ok(())
                }),
                _ => Ok(()),
            }),
            _ => Ok(()),
        }),
        _ => Ok(()),
    })?;
    Ok(port)
}

fn axis(walker: &mut Walker, end: u64) -> io::Result<Option<u64>> {
    let mut length = None;
    walker.fields(end, |walker, field, end| {
        if field == 1 {
            // Some exporters write an axis of any length as 0 or -1.
            length = Some(walker.number(end)?).filter(|length| (1..1 << 32).contains(length));
        }
        Ok(())
    })?;
    Ok(length)
}

/// A walk through a message of protocol buffers.
struct Walker {
    file: BufReader<File>,
    at: u64,
}

impl Walker {
    /// Shows each field's number and end, with the walker at its value's beginning; what is left of the value
    /// is passed over.
    fn fields(
        &mut self,
        end: u64,
        mut each: impl FnMut(&mut Self, u64, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.at < end {
            let tag = self.varint()?;
            let stop = match tag & 7 {
                0 => {
                    let start = self.at;
                    self.varint()?;
                    let stop = self.at;
                    self.go(start)?;
                    stop
                }
                1 => self.at + 8,
                2 => {
                    let length = self.varint()?;
                    self.at.saturating_add(length)
                }
                5 => self.at + 4,
                _ => return Err(bad("it is no protocol buffer")),
            };
            if stop > end {
                return Err(bad("it ends before its end"));
            }
            each(self, tag >> 3, stop)?;
            self.go(stop)?;
        }
        Ok(())
    }

    fn go(&mut self, to: u64) -> io::Result<()> {
        let by = i64::try_from(to).ok().zip(i64::try_from(self.at).ok());
        let (to_signed, at) = by.ok_or_else(|| bad("it is too long"))?;
        self.file.seek_relative(to_signed - at)?;
        self.at = to;
        Ok(())
    }

    fn varint(&mut self) -> io::Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte)?;
            self.at += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(value);
            }
        }
        Err(bad("it is no protocol buffer"))
    }

    fn number(&mut self, end: u64) -> io::Result<u64> {
        let value = self.varint()?;
        if self.at > end {
            return Err(bad("a number ends too late"));
        }
        Ok(value)
    }

    fn text(&mut self, end: u64) -> io::Result<String> {
        let length = end - self.at;
        if length > LONGEST {
            return Err(bad("a name is too long"));
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes)?;
        self.at = end;
        String::from_utf8(bytes).map_err(|_| bad("a name is not UTF-8"))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
