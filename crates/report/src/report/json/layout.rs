//! How a document is laid out: an object's fields on lines of their own, a list of plain values on
//! one line. A run over time has thousands of numbers, and nobody reads them one a line.

use std::io::{self, Write};

use serde_json::ser::{CompactFormatter, Formatter};

/// Lays a document out.
#[derive(Debug, Default)]
pub(super) struct Layout {
    depth: usize,
    /// Whether the list or object that is being written has lines of its own.
    tall: bool,
    /// A value of a list begins: whether it is the first.
    value: Option<bool>,
}

impl Layout {
    fn line<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| writer.write_all(b"  "))
    }

    /// A value begins that is no object: within a list it stays on the line.
    fn plain<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.value.take() {
            Some(false) => writer.write_all(b", "),
            Some(true) | None => Ok(()),
        }
    }
}

macro_rules! plain {
    ($($name:ident($kind:ty)),*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, writer: &mut W, value: $kind) -> io::Result<()> {
            self.plain(writer)?;
            CompactFormatter.$name(writer, value)
        })*
    };
}

impl Formatter for Layout {
    plain!(
        write_bool(bool),
        write_i8(i8),
        write_i16(i16),
        write_i32(i32),
        write_i64(i64),
        write_i128(i128),
        write_u8(u8),
        write_u16(u16),
        write_u32(u32),
        write_u64(u64),
        write_u128(u128),
        write_f32(f32),
        write_f64(f64),
        write_number_str(&str)
    );

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.plain(writer)?;
        CompactFormatter.write_null(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.plain(writer)?;
        CompactFormatter.begin_string(writer)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.plain(writer)?;
        self.depth += 1;
        self.tall = false;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.tall {
            self.line(writer)?;
        }
        self.tall = true;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.value = Some(first);
        Ok(())
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if let Some(first) = self.value.take() {
            if !first {
                writer.write_all(b",")?;
            }
            self.line(writer)?;
        }
        self.depth += 1;
        self.tall = false;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        if self.tall {
            self.line(writer)?;
        }
        self.tall = true;
        writer.write_all(b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.line(writer)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.tall = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;

    fn laid_out(value: &Value) -> String {
        let mut bytes = Vec::new();
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Layout::default());
        value.serialize(&mut serializer).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lists_of_numbers_take_one_line() {
        let value = json!({
            "count": [1, 2.5, null, true, "x"],
            "deep": {"none": [], "empty": {}, "texts": ["a\nb", "\u{1}"]},
            "rows": [{"a": 1, "b": [1, 2]}, {"a": 2}],
            "last": "end",
        });
        let text = laid_out(&value);
        insta::assert_snapshot!(text, @r##"
        {
          "count": [1, 2.5, null, true, "x"],
          "deep": {
            "empty": {},
            "none": [],
            "texts": ["a\nb", "\u0001"]
          },
          "last": "end",
          "rows": [
            {
              "a": 1,
              "b": [1, 2]
            },
            {
              "a": 2
            }
          ]
        }
        "##);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn lists_of_lists_are_still_json() {
        let value = json!([[1, [2]], [], [{"a": [[]]}], {"b": {}}, 3]);
        assert_eq!(serde_json::from_str::<Value>(&laid_out(&value)).unwrap(), value);
    }
}
