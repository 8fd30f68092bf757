use std::{
    fmt::Debug,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use proptest::prelude::*;

use super::*;

fn returns<T: SettingValue + PartialEq + Debug>(value: &T) {
    let text = value.render();
    assert_eq!(T::parse(&text).as_ref(), Ok(value), "{text:?}");
}

fn refused<T: SettingValue + Debug>(text: &str) -> String {
    T::parse(text).unwrap_err()
}

/// A setting has one canonical text, however it was written.
fn canonical<T: SettingValue>(text: &str) -> String {
    T::parse(text).unwrap().render()
}

proptest! {
    #[test]
    fn whole_numbers_return(a: u8, b: i16, c: u32, d: i64, e: u128, f: usize) {
        returns(&a);
        returns(&b);
        returns(&c);
        returns(&d);
        returns(&e);
        returns(&f);
    }

    #[test]
    fn numbers_return(a in any::<f64>().prop_filter("finite", |n| n.is_finite()),
                      b in any::<f32>().prop_filter("finite", |n| n.is_finite())) {
        returns(&a);
        returns(&b);
    }

    // Arbitrary printable text comes back as it was, from any language.
    #[test]
    fn text_returns(text in "\\PC*", letter: char, flag: bool) {
        returns(&text);
        returns(&letter);
        returns(&flag);
    }

    #[test]
    fn durations_return(seconds in 0..u64::MAX / 2, nanos in 0u32..1_000_000_000) {
        returns(&Duration::new(seconds, nanos));
        returns(&Duration::new(seconds % 10_000, nanos));
        returns(&Duration::from_nanos(nanos.into()));
    }

    #[test]
    fn addresses_return(address: IpAddr, port: u16) {
        returns(&address);
        returns(&SocketAddr::new(address, port));
    }

    #[test]
    fn lists_return(
        numbers: Vec<i32>,
        texts in prop::collection::vec("[a-z,\\\\ =é]{0,5}x", 0..5),
    ) {
        returns(&numbers);
        // White space around an item does not count.
        let texts: Vec<String> = texts.iter().map(|text| text.trim().to_owned()).collect();
        returns(&texts);
        returns(&Some(texts.clone()).filter(|texts| !texts.is_empty()));
        returns(&vec![texts, vec!["a,b".to_owned()]]
            .into_iter().filter(|texts| !texts.is_empty()).collect::<Vec<_>>());
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,24}") {
        let _ = u16::parse(&text);
        let _ = f64::parse(&text);
        let _ = bool::parse(&text);
        let _ = char::parse(&text);
        let _ = Vec::<Option<i8>>::parse(&text);
        let _ = SocketAddr::parse(&text);
    }
}

#[test]
fn white_space_around_a_number_does_not_count_but_in_text_it_does() {
    assert_eq!(u16::parse(" 80 "), Ok(80));
    assert_eq!(Duration::parse(" 5s "), Ok(Duration::from_secs(5)));
    assert_eq!(String::parse(" a "), Ok(" a ".into()));
    assert_eq!(Vec::<u8>::parse(" 1, 2 ,3"), Ok(vec![1, 2, 3]));
}

#[test]
fn every_text_has_one_canonical_form() {
    assert_eq!(canonical::<u16>("0080"), "80");
    assert_eq!(canonical::<f64>("1.50"), "1.5");
    assert_eq!(canonical::<Duration>("90s"), "1m30s");
    assert_eq!(canonical::<Duration>("0"), "0s");
    assert_eq!(canonical::<SocketAddr>("[0:0::1]:80"), "[::1]:80");
    assert_eq!(canonical::<Vec<u8>>("1 , 02"), "1,2");
}

#[test]
fn an_empty_text_is_no_value_where_one_may_be_absent() {
    assert_eq!(Option::<u16>::parse(""), Ok(None));
    assert_eq!(Option::<String>::parse(""), Ok(None));
    assert_eq!(Vec::<u16>::parse(""), Ok(vec![]));
    assert_eq!(String::parse(""), Ok(String::new()));
    assert!(u16::parse("").is_err());
    assert!(PathBuf::parse("").is_err());
}

#[test]
fn a_refusal_says_what_would_be_right() {
    assert_eq!(refused::<u16>("99999"), "not a whole number from 0 to 65535");
    assert_eq!(refused::<i8>("x"), "not a whole number from -128 to 127");
    assert_eq!(refused::<u64>("-1"), "not a whole number from 0");
    assert_eq!(refused::<f64>("NaN"), "not a (finite) number");
    assert_eq!(refused::<f32>("1e99"), "not a (finite) number");
    assert_eq!(refused::<bool>("yes"), "not `true` or `false`");
    assert_eq!(refused::<char>("ab"), "not one character");
    assert_eq!(
        refused::<Duration>("5"),
        "not a duration such as `1m30s` or `200ms` \
         (time unit needed, for example 5sec or 5ms)"
    );
    assert_eq!(
        refused::<SocketAddr>("localhost:1"),
        "not an IP address with port such as `127.0.0.1:4000` or `[::1]:4000`"
    );
    assert_eq!(refused::<Option<u8>>("x"), "not a whole number from 0 to 255");
    assert_eq!(refused::<Vec<u8>>("1,300"), "item 2, `300`: not a whole number from 0 to 255");
    assert_eq!(refused::<Vec<u8>>("1,,2"), "item 2 is empty");
}

#[test]
fn an_allow_list_is_about_the_items() {
    let allowed = ["1".to_owned(), "2".to_owned()];
    assert!(1u8.is_among(&allowed));
    assert!(!3u8.is_among(&allowed));
    assert!(None::<u8>.is_among(&allowed));
    assert!(!Some(3u8).is_among(&allowed));
    assert!(vec![2u8, 1, 1].is_among(&allowed));
    assert!(!vec![2u8, 3].is_among(&allowed));
}
