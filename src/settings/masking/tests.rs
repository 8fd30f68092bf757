use proptest::prelude::*;

use super::*;

#[test]
fn urls_are_told_without_their_secrets() {
    for (text, told) in [
        ("http://host/a@b", "http://***@b"),
        ("http://host/,ok", "http://host/,ok"),
        ("http://me:a@b@c/,https://d/", "http://***@c/,https://d/"),
        ("me:secret@host", "***@host"),
        ("me:secret@host,http://me:secret@host/", "***@host/"),
        ("me@host", "me@host"),
        ("me@host,http://host/", "me@host,http://host/"),
        ("https://a/,http://me:x,y@b/", "https://***@b/"),
        ("http://h/?token=s&id=7&flag=#top", "http://h/?token=***&id=***&flag=#***"),
        ("http://h/?s", "http://h/?***"),
        ("http://h/?", "http://h/?"),
        ("http://h/?a=b=c", "http://h/?a=***"),
        ("http://h/?a=x y,z", "http://h/?a=***"),
        ("http://h/?a=x,http://i/?b=y", "http://h/?a=***,http://i/?b=***"),
        (r"http://h/?a=x\,http://i/?b=y", "http://h/?a=***"),
        ("http://h/#access_token=x", "http://h/#***"),
        ("http://me:p@h/?a=x", "http://***@h/?a=***"),
        ("http://h/?mail=a@b.c&x=y", "http://***"),
        ("/health?key=x", "/health?key=***"),
        ("h:80/x?key=x", "h:80/x?key=***"),
        ("Ready? Go", "Ready? Go"),
        ("", ""),
    ] {
        assert_eq!(without_secrets_of_urls(text), told, "{text}");
    }
}

#[test]
fn a_comma_divides_nothing_in_one_url() {
    assert_eq!(without_secrets_of_url("http://h/?a=x,http://i/s"), "http://h/?a=***");
    assert_eq!(without_secrets_of_url("http://me:p@h/?s"), "http://***@h/?***");
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
    let secrets = ["Bearer S3CRET-token", "abc"];
    for (sentence, told) in [
        ("'Bearer S3CRET-token' is odd", "'***' is odd"),
        ("the part 'S3CRET' is odd", "the part '***' is odd"),
        ("'xS3CRET-tokex' begins so", "'x***x' begins so"),
        ("it ends with `oken`", "it ends with `***`"),
        ("spoken tokens", "spoken tokens"),
        ("'abc', not abcd", "'***', not abcd"),
        ("nothing of it", "nothing of it"),
    ] {
        assert_eq!(unquoted(sentence, &secrets), told);
    }
    assert_eq!(unquoted("as it is", &[]), "as it is");
    let long = unquoted(&format!("{}secret", "x".repeat(LONGEST_SENTENCE)), &["secret"]);
    assert!(long.ends_with("x…") && !long.contains("secret"));
}

proptest! {
    #[test]
    fn no_password_is_told_whatever_it_holds(user in ".*", password in ".*") {
        let told = without_secrets_of_urls(&format!("http://{user}:{password}@host/")).into_owned();
        let odd = user.contains(['?', '#']) || password.contains(['?', '#']);
        prop_assert_eq!(told, if odd { "http://***" } else { "http://***@host/" });
        let told = without_secrets_of_urls(&format!("{user}:{password}@host")).into_owned();
        prop_assert!(told.ends_with("***@host") || told.ends_with("***"), "{}", told);
    }

    /// Capitals stand for the secret: nothing else here has any.
    #[test]
    fn no_value_of_a_query_is_told_whatever_it_holds(
        name in "[a-z]{0,4}", value in "[A-Z][A-Z @:/?#=,%.]*", more in "[a-z]{0,4}",
    ) {
        let text = format!("http://host/path?{name}={value}&{more}=x");
        let told = without_secrets_of_url(&text).into_owned();
        prop_assert!(!told.contains(|letter: char| letter.is_ascii_uppercase()), "{}", told);
    }

    #[test]
    fn a_quoted_secret_is_never_told(
        before in "[a-z ]{0,20}['`\"]", secret in "[A-Zß]{1,40}", after in "['`\"][a-z ]{0,20}",
        from in 0..40_usize,
    ) {
        let quoted: String = secret.chars().skip(from % secret.chars().count()).collect();
        let told = unquoted(&format!("{before}{quoted}{after}"), &[&secret]);
        if quoted == secret || quoted.len() >= QUOTED {
            prop_assert_eq!(told, format!("{before}{MASK}{after}"));
        }
    }

    #[test]
    fn any_text_is_masked_without_a_fault(text in ".*", sentence in ".*") {
        let _ = without_secrets_of_urls(&text);
        let _ = unquoted(&sentence, &[&text]);
        prop_assert_eq!(masked(&text, &whole(&text)), if text.is_empty() { "" } else { MASK });
    }
}
