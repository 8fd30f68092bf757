//! Pure: which parts of a text are secret, and the text without them.

use std::{borrow::Cow, collections::HashSet, iter, ops::Range};

use super::{secret::MASK, value::places};

/// So many bytes of a secret in a row make a sentence quote it, wherever they stand.
const PIECE: usize = 8;

/// So many do if they stand between quotation marks.
const QUOTED: usize = 4;

/// A secret of so many bytes is no word that a sentence has by chance.
const WORD: usize = 6;

/// The longest sentence about a secret.
const LONGEST_SENTENCE: usize = 4096;

/// A text with each of these parts replaced by `***`. Parts may be in any order and overlap; one
/// that does not fit the text hides all of it.
pub fn masked<'a>(text: &'a str, parts: &[Range<usize>]) -> Cow<'a, str> {
    if parts.iter().any(|part| text.get(part.clone()).is_none()) {
        return Cow::Borrowed(MASK);
    }
    let mut parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Cow::Borrowed(text);
    }
    parts.sort_by_key(|part| (part.start, part.end));
    let (mut shown, mut end) = (String::with_capacity(text.len()), None);
    for part in parts {
        // What touches or overlaps the part before is masked by the same stars.
        if end.is_none_or(|end| end < part.start) {
            shown.push_str(&text[end.unwrap_or(0)..part.start]);
            shown.push_str(MASK);
        }
        end = end.max(Some(part.end));
    }
    shown.push_str(&text[end.unwrap_or(0)..]);
    Cow::Owned(shown)
}

/// All of a text as one part.
pub fn whole(text: &str) -> Vec<Range<usize>> {
    iter::once(0..text.len()).collect()
}

/// What is secret in a text that may hold URLs: users and passwords, the values of queries, and
/// fragments. A text without a scheme and without white space counts as a URL if it begins with a
/// path, has a query, or names a user and a password.
pub fn secrets_of_urls(text: &str) -> Vec<Range<usize>> {
    let schemes = text.match_indices("://").filter_map(|(at, _)| begin_of_scheme(text, at));
    let schemes: Vec<_> = schemes.collect();
    let first = schemes.first().copied().unwrap_or(text.len());
    let begins = iter::once(0).filter(|_| is_url(&text[..first])).chain(schemes);
    divided(text, begins).into_iter().flat_map(|url| secrets(text, url)).collect()
}

/// A text without what is secret in its URLs: `http://me:secret@host/?token=x` becomes
/// `http://***@host/?token=***`.
pub fn without_secrets_of_urls(text: &str) -> Cow<'_, str> {
    masked(text, &secrets_of_urls(text))
}

/// What is secret in a list of URLs and addresses, or of what was meant as such: see
/// [`secrets_of_urls`], and a user without a password.
pub fn secrets_of_url_list(text: &str) -> Vec<Range<usize>> {
    places(text).into_iter().flat_map(|item| secrets(text, item)).collect()
}

/// A text that is one URL or was meant as one, without what is secret in it.
pub fn without_secrets_of_url(text: &str) -> Cow<'_, str> {
    masked(text, &secrets(text, 0..text.len()))
}

/// Where a URL begins whose `://` is there; `None` if no scheme stands before it.
fn begin_of_scheme(text: &str, at: usize) -> Option<usize> {
    let of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let length = text.as_bytes()[..at].iter().rev().take_while(|byte| of_scheme(byte)).count();
    (length > 0).then_some(at - length)
}

/// The URLs that begin there. One that does not follow a comma stands where the query or the
/// password of the one before goes on, and so it does behind a comma that `\` takes the meaning of.
/// Behind white space nobody can tell, and it is both.
fn divided(text: &str, begins: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut within = Vec::new();
    for begin in begins {
        let before = text[..begin].trim_end().strip_suffix(',');
        match (found.last_mut(), before.filter(|before| !before.ends_with('\\'))) {
            (None, _) => {}
            (Some(last), Some(before)) => last.end = before.len().max(last.start),
            (Some(_), None) => {
                if text[..begin].ends_with(char::is_whitespace) {
                    within.push(begin..text.len());
                }
                continue;
            }
        }
        found.push(begin..text.len());
    }
    found.extend(within);
    found
}

/// Whether a text without a scheme counts as a URL.
fn is_url(text: &str) -> bool {
    (text.starts_with('/') || text.contains('?') || names_login(text))
        && !text.contains(char::is_whitespace)
}

/// Whether it is `USER:PASSWORD@…`. A user has no white space, quotation marks or brackets.
fn names_login(text: &str) -> bool {
    let plain = |letter: char| !letter.is_whitespace() && !"\"'{}[]()<>,;/".contains(letter);
    let Some((login, _)) = text.rsplit_once('@') else { return false };
    login.split_once(':').is_some_and(|(user, _)| user.chars().all(plain))
}

/// What is secret in what is one URL or was meant as one, at that place of a text.
fn secrets(text: &str, place: Range<usize>) -> Vec<Range<usize>> {
    let url = &text[place.clone()];
    let indent = url.len() - url.trim_start().len();
    let scheme = url.find("://").filter(|at| begin_of_scheme(url, *at) == Some(indent));
    let begin = scheme.map_or(0, |at| at + "://".len());
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    let authority = &url[begin..end];
    let mut parts = Vec::new();
    let mut rest = end;
    if let Some(at) = url[begin..].rfind('@').map(|at| begin + at)
        && !is_authority(authority)
    {
        // A password may hold anything, `/` and `?` too.
        rest = url[at..].find(['/', '?', '#']).map_or(url.len(), |behind| at + behind);
        parts.push(begin..at);
        if url[begin..at].contains(['?', '#']) {
            // Or that began a query, and then this is its value.
            parts.push(at..url.len());
            rest = url.len();
        }
    } else if let Some((_, port)) = authority.split_once(':')
        && !is_authority(authority)
    {
        // An encoded `@`, say, and a password before it.
        parts.push(end - port.len()..end);
    }
    if let Some(mark) = url[rest..].find(['?', '#']).map(|mark| rest + mark) {
        match &url[mark..=mark] {
            "#" => parts.push(mark + 1..url.len()),
            _ => parts.extend(values_of_query(url, mark + 1)),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.into_iter().map(|part| place.start + part.start..place.start + part.end).collect()
}

/// Whether it is a host and perhaps a port, or nothing: there is no login in it.
fn is_authority(text: &str) -> bool {
    if text.contains('@') {
        return false;
    }
    let behind = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, behind)) => behind,
        None => text.find(':').map_or("", |at| &text[at..]),
    };
    behind.is_empty()
        || behind
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The values of the query of a URL that begins there, and the fragment. What has no name is a value,
/// and so is what has no value: it may be Base64.
fn values_of_query(url: &str, begin: usize) -> Vec<Range<usize>> {
    let (mut start, mut parts) = (begin, Vec::new());
    let end = url[begin..].find('#').map_or(url.len(), |at| begin + at);
    for pair in url[begin..end].split(['&', ';']) {
        let name = pair.split_once('=').filter(|(_, value)| !value.trim_matches('=').is_empty());
        let name = name.map_or(0, |(name, _)| name.len() + 1);
        parts.push(start + name..start + pair.len());
        start += pair.len() + 1;
    }
    if end < url.len() {
        parts.push(end + 1..url.len());
    }
    parts
}

/// A sentence, such as the reason of a fault, without what it quotes of these secrets: each whole
/// secret that stands by itself, a short one only between quotation marks, and each piece of eight
/// bytes and more, or of four between quotation marks.
pub fn unquoted(sentence: &str, secrets: &[&str]) -> String {
    let secrets: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return sentence.to_owned();
    }
    let bytes = sentence.as_bytes();
    let pieces = shared(bytes, &secrets, PIECE).into_iter();
    let quoted = shared(bytes, &secrets, QUOTED).into_iter();
    let mut parts: Vec<_> = pieces
        .chain(quoted.filter(|run| stands_alone(bytes, run, true)))
        .map(|run| sentence.floor_char_boundary(run.start)..sentence.ceil_char_boundary(run.end))
        .collect();
    for secret in secrets {
        let found = sentence.match_indices(*secret);
        let found = found.map(|(start, _)| start..start + secret.len());
        parts.extend(found.filter(|place| stands_alone(bytes, place, secret.len() < WORD)));
    }
    let mut shown = masked(sentence, &parts).into_owned();
    if shown.len() > LONGEST_SENTENCE {
        shown.truncate(shown.floor_char_boundary(LONGEST_SENTENCE));
        shown.push('…');
    }
    shown
}

/// Where a sentence has so many bytes in a row that a secret has as well.
fn shared(sentence: &[u8], secrets: &[&&str], length: usize) -> Vec<Range<usize>> {
    let windows: HashSet<&[u8]> =
        secrets.iter().flat_map(|secret| secret.as_bytes().windows(length)).collect();
    let mut shared = vec![false; sentence.len()];
    for (start, window) in sentence.windows(length).enumerate() {
        if windows.contains(window) {
            shared[start..start + length].fill(true);
        }
    }
    runs(&shared).collect()
}

/// Where the flags are set, one after the other.
fn runs(flags: &[bool]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    iter::from_fn(move || {
        let start = at + flags[at..].iter().position(|flag| *flag)?;
        let end = flags[start..].iter().position(|flag| !flag).map_or(flags.len(), |n| start + n);
        at = end;
        Some(start..end)
    })
}

/// Whether this place in a text begins and ends where words do, or even where quotations do.
fn stands_alone(text: &[u8], place: &Range<usize>, quoted: bool) -> bool {
    let before = place.start.checked_sub(1).and_then(|before| text.get(before));
    let divides = |byte: Option<&u8>| match (quoted, byte) {
        (true, byte) => byte.is_some_and(|byte| b"'`\"".contains(byte)),
        (false, byte) => byte.is_none_or(|byte| !byte.is_ascii_alphanumeric()),
    };
    divides(before) && divides(text.get(place.end))
}

#[cfg(test)]
mod tests;
