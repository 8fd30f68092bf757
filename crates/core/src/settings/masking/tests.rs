use proptest::prelude::*;

use super::*;

/// What was meant as one URL, told without its secrets.
const ONE: &[(&str, &str)] = &[
    ("http://host/a@b", "http://host/a@b"),
    ("http://127.0.0.1:99999/@me", "http://127.0.0.1:99999/@me"),
    ("http://[::1]:80/@me?a=b", "http://[::1]:80/@me?a=***"),
    ("http://me:a@b@c/", "http://***@c/"),
    ("http://me:sword/fish@host/", "http://***@host/"),
    ("http://me:sword fish@host/", "http://***@host/"),
    ("http://me:sw?rd@host/x", "http://***"),
    ("http://sword@host:99999/", "http://***@host:99999/"),
    ("http://me:sword%40host/", "http://me:***/"),
    ("http://host:port/", "http://host:***/"),
    ("me:secret@host", "***@host"),
    ("me@host:1", "***@host:1"),
    ("http://h/?token=s&id=7&flag=#top", "http://h/?token=***&id=***&***#***"),
    ("http://h/?UzNDUkVUWFg==", "http://h/?***"),
    ("http://h/?s", "http://h/?***"),
    ("http://h/?", "http://h/?"),
    ("http://h/?a=b=c", "http://h/?a=***"),
    ("http://h/?a=x y,z", "http://h/?a=***"),
    ("http://h/#access_token=x", "http://h/#***"),
    ("http://me:p@h/?a=x", "http://***@h/?a=***"),
    ("http://h/?mail=a@b.c&x=y", "http://h/?mail=***&x=***"),
    ("http://h/r?cb=http://h/@u&token=s", "http://h/r?cb=***&token=***"),
    ("http://h/?a=x,http://i/s", "http://h/?a=***"),
    ("/health?key=x", "/health?key=***"),
    ("/health?cb=http://h/@u&token=s", "/health?cb=***&token=***"),
    ("h:80/x?debug&token=s", "h:80/x?***&token=***"),
    ("?größe=s", "?größe=***"),
    ("h/path#s", "h/path#***"),
    ("", ""),
];

#[test]
fn a_url_is_told_without_its_secrets() {
    for (text, told) in ONE {
        assert_eq!(without_secrets_of_url(text), *told, "{text}");
    }
}

#[test]
fn any_text_is_told_without_the_secrets_of_its_urls() {
    let as_one = ["me@host:1", "h/path#s"];
    for (text, told) in ONE.iter().filter(|(text, _)| !as_one.contains(text)) {
        if *text != "http://h/?a=x,http://i/s" {
            assert_eq!(without_secrets_of_urls(text), *told, "{text}");
        }
    }
    for (text, told) in [
        ("http://me:a@b@c/,https://d/", "http://***@c/,https://d/"),
        ("me:secret@host,http://me:secret@host/", "***@host,http://***@host/"),
        ("me@host,http://host/", "me@host,http://host/"),
        ("https://a/,http://me:x,y@b/", "https://a/,http://***@b/"),
        ("http://h/?a=x,http://i/?b=y", "http://h/?a=***,http://i/?b=***"),
        (r"http://h/?a=x\,http://i/?b=y", "http://h/?a=***"),
        ("see http://h/?a=x", "see http://h/?a=***"),
        ("see http://a/ and http://me:pw@b/", "see http://a/ and http://***@b/"),
        ("joe@x.org", "joe@x.org"),
        ("mail: joe@x.org", "mail: joe@x.org"),
        (r#"{"to":"joe@x.org","n":1}"#, r#"{"to":"joe@x.org","n":1}"#),
        ("Ready? Go", "Ready? Go"),
    ] {
        assert_eq!(without_secrets_of_urls(text), told, "{text}");
    }
}

#[test]
fn each_of_a_list_is_told_without_its_secrets() {
    let told = |text| masked(text, &secrets_of_url_list(text)).into_owned();
    assert_eq!(told("me@a:1, b:2,http://c/?s"), "***@a:1, b:2,http://c/?***");
    assert_eq!(told(r"http://c/?a=\,x\\,http://d/?b=y"), "http://c/?a=***,http://d/?b=***");
}

#[test]
fn parts_are_masked_once_wherever_they_lie() {
    assert_eq!(masked("abcdef", &[3..4, 1..2]), "a***c***ef");
    assert_eq!(masked("abcdef", &[1..3, 2..4, 4..5]), "a***f");
    assert_eq!(masked("abc", &[1..1, 2..2]), "abc");
    // What does not fit hides everything.
    assert_eq!(masked("abc", &[0..1, 2..9]), "***");
    assert_eq!(masked("ä", &[0..0, 1..2]), "***");
}

#[test]
fn a_sentence_is_told_without_what_it_quotes() {
    let secrets = ["Bearer S3CRET-token", "abc", "number"];
    for (sentence, told) in [
        ("'Bearer S3CRET-token' is odd", "'***' is odd"),
        ("the part 'r S3CRET-t' is odd", "the part '***' is odd"),
        ("'xr S3CRET-tokex' begins so", "'x***x' begins so"),
        ("spoken tokens", "spoken tokens"),
        ("'abc', not abc or abcd", "'***', not abc or abcd"),
        ("'S3CRET', not S3CRET", "'***', not S3CRET"),
        ("no number, two numbers", "no ***, two numbers"),
        ("nothing of it", "nothing of it"),
    ] {
        assert_eq!(unquoted(sentence, &secrets), told);
    }
    assert_eq!(unquoted("as it is", &[]), "as it is");
    let long = unquoted(&format!("{} secret", "x".repeat(LONGEST_SENTENCE)), &["secret"]);
    assert!(long.ends_with("x…") && !long.contains("secret"));
}

#[test]
fn long_texts_take_little_time() {
    let began = std::time::Instant::now();
    let text = format!("http://h/?{}", "a, ://".repeat(200_000));
    assert!(without_secrets_of_urls(&text) == "http://h/?***");
    assert!(without_secrets_of_urls(&text.replace("a", "b")).len() <= text.len() * 2);
    assert!(unquoted(&text, &[&text]).len() <= LONGEST_SENTENCE + 3);
    assert!(began.elapsed().as_secs() < 10);
}

proptest! {
    #[test]
    fn no_password_is_told_whatever_it_holds(user in "[^/?#:@]*", password in ".*[^0-9/?#].*") {
        // A password of digits up to a `/` is read as a port.
        prop_assume!(!is_authority(&format!("{user}:{}", password.split(['/', '?', '#']).next().unwrap())));
        let told = without_secrets_of_url(&format!("http://{user}:{password}@host/")).into_owned();
        let odd = password.contains(['?', '#']);
        prop_assert_eq!(told, if odd { "http://***" } else { "http://***@host/" });
    }

    /// Capitals stand for the secret: nothing else here has any.
    #[test]
    fn no_value_of_a_query_is_told_whatever_it_holds(
        name in "[a-z]{0,4}", value in "[A-Z][A-Z @:/?#=,%.]*", more in "[a-z]{0,4}",
    ) {
        let text = format!("http://host/path?{name}={value}&{more}=x");
        // Among others a comma may divide it from the next.
        let among_others = text.replace(',', "\\,");
        for told in [without_secrets_of_url(&text), without_secrets_of_urls(&among_others)] {
            prop_assert!(!told.contains(|letter: char| letter.is_ascii_uppercase()), "{}", told);
        }
    }

    #[test]
    fn a_quoted_secret_is_never_told(
        before in "[a-z ]{0,20}['`\"]", secret in "[A-Zß]{1,40}", after in "['`\"][a-z ]{0,20}",
    ) {
        let told = unquoted(&format!("{before}{secret}{after}"), &[&secret]);
        prop_assert_eq!(told, format!("{before}{MASK}{after}"));
    }

    #[test]
    fn any_text_is_masked_without_a_fault(text in ".*", sentence in ".*") {
        let _ = (without_secrets_of_urls(&text), without_secrets_of_url(&text));
        let _ = (secrets_of_url_list(&text), unquoted(&sentence, &[&text]));
        prop_assert_eq!(masked(&text, &whole(&text)), if text.is_empty() { "" } else { MASK });
    }
}
