//! Types of one value.

use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::SettingValue;
use crate::{rate::Rate, settings::secret::Secret};

/// Whole numbers: every type says its own bounds.
macro_rules! whole_numbers {
    ($($type:ty => $name:expr;)*) => { $(
        impl SettingValue for $type {
            fn type_name() -> String {
                $name.to_string()
            }

            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| format!("not a {}", Self::type_name()))
            }

            fn render(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

whole_numbers! {
    u8 => between(u8::MIN, u8::MAX);
    u16 => between(u16::MIN, u16::MAX);
    u32 => between(u32::MIN, u32::MAX);
    u64 => "whole number from 0";
    u128 => "whole number from 0 (128 bits)";
    usize => "whole number from 0";
    i8 => between(i8::MIN, i8::MAX);
    i16 => between(i16::MIN, i16::MAX);
    i32 => between(i32::MIN, i32::MAX);
    i64 => "whole number";
    i128 => "whole number (128 bits)";
    isize => "whole number";
}

fn between(least: impl Display, most: impl Display) -> String {
    format!("whole number from {least} to {most}")
}

/// Floating-point numbers; infinity and "not a number" are refused.
macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl SettingValue for $type {
            fn type_name() -> String {
                "number".into()
            }

            fn parse(text: &str) -> Result<Self, String> {
                match text.trim().parse::<Self>() {
                    Ok(number) if number.is_finite() => Ok(number),
                    _ => Err("not a (finite) number".into()),
                }
            }

            fn render(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

numbers! { f32 f64 }

impl SettingValue for bool {
    fn type_name() -> String {
        "true or false".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "not `true` or `false`".into())
    }

    fn render(&self) -> String {
        self.to_string()
    }

    fn choices() -> Vec<String> {
        vec!["true".into(), "false".into()]
    }
}

impl SettingValue for char {
    fn type_name() -> String {
        "one character".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "not one character".into())
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

/// Taken as it is, white space and all.
impl SettingValue for String {
    fn type_name() -> String {
        "text".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn render(&self) -> String {
        self.clone()
    }
}

/// Canonical without spaces (`1m30s`), so that it can be given again without quotes.
impl SettingValue for Duration {
    fn type_name() -> String {
        "duration".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text.trim())
            .map_err(|error| format!("not a duration such as `1m30s` or `200ms` ({error})"))
    }

    fn render(&self) -> String {
        humantime::format_duration(*self).to_string().replace(' ', "")
    }
}

impl SettingValue for PathBuf {
    fn type_name() -> String {
        "path".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("not a path".into()) } else { Ok(text.into()) }
    }

    fn render(&self) -> String {
        self.display().to_string()
    }
}

/// Types that read and write themselves; the reason of a refusal is said by example.
macro_rules! addresses {
    ($($type:ty => $name:literal, $example:literal;)*) => { $(
        impl SettingValue for $type {
            fn type_name() -> String {
                $name.into()
            }

            fn parse(text: &str) -> Result<Self, String> {
                text.trim()
                    .parse()
                    .map_err(|_| concat!("not an ", $name, " such as ", $example).into())
            }

            fn render(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

addresses! {
    SocketAddr => "IP address with port", "`127.0.0.1:4000` or `[::1]:4000`";
    IpAddr => "IP address", "`127.0.0.1` or `::1`";
    Ipv4Addr => "IPv4 address", "`127.0.0.1`";
    Ipv6Addr => "IPv6 address", "`::1`";
}

impl SettingValue for Rate {
    fn type_name() -> String {
        "rate".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.trim().parse::<Self>().map_err(|error| error.to_string())
    }

    fn render(&self) -> String {
        self.to_string()
    }
}

/// Rendered as it is: whoever shows settings masks those whose type says it is a secret.
impl SettingValue for Secret {
    const SECRET: bool = true;

    fn type_name() -> String {
        "secret".into()
    }

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Self::new(text))
    }

    fn render(&self) -> String {
        self.expose().into()
    }
}
