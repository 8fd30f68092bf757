//! Pure: which parts of a text are secret, and the text without them.

use std::{borrow::Cow, collections::HashSet, iter, ops::Range};

use super::secret::MASK;

/// So many bytes of a secret in a row make a text quote it.
const QUOTED: usize = 4;

/// So many bytes in a row are taken for a quotation in the middle of a word too.
const QUOTED_WITHIN_WORDS: usize = 6;

/// So much of a sentence that may quote a secret is looked at; the rest is left out.
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

/// What is secret in a text with URLs, such as a setting that cannot be read: the users and
/// passwords, the values of queries, and fragments. A password may hold anything, so all from the
/// first scheme to the last `@` is one part: rather too much than too little. So is the part of a
/// query that has no name. A comma divides URLs if another one follows, unless a `\` stands before.
pub fn secrets_of_urls(text: &str) -> Vec<Range<usize>> {
    secrets(text, urls)
}

/// A text that is one URL or was meant as one, without what is secret in it.
pub fn without_secrets_of_url(text: &str) -> Cow<'_, str> {
    masked(text, &secrets(text, |text, from| iter::once(from..text.len()).collect()))
}

fn secrets(text: &str, divided: impl Fn(&str, usize) -> Vec<Range<usize>>) -> Vec<Range<usize>> {
    let login = login(text);
    let behind = login.as_ref().map_or(0, |login| login.end);
    // A `?` before the `@` begins a query or belongs to a password: nobody can tell.
    let mut open = login.as_ref().is_some_and(|login| text[login.clone()].contains(['?', '#']));
    let mut parts = Vec::from_iter(login);
    let has_scheme = text.contains("://");
    for url in divided(text, behind) {
        let whole = &text[url.clone()];
        if std::mem::take(&mut open) {
            parts.push(url);
            continue;
        }
        let Some(mark) = whole.find(['?', '#']) else { continue };
        let tail = url.start + mark + 1..url.end;
        if has_scheme || text.starts_with('/') || begins_with_name(&text[tail.clone()]) {
            match &whole[mark..=mark] {
                "#" => parts.push(tail),
                _ => parts.extend(values_of_query(text, tail)),
            }
        }
    }
    parts
}

/// A text without what is secret in its URLs: `http://me:secret@host/?token=x` becomes
/// `http://***@host/?token=***`.
pub fn without_secrets_of_urls(text: &str) -> Cow<'_, str> {
    masked(text, &secrets_of_urls(text))
}

/// The users and passwords of all URLs.
fn login(text: &str) -> Option<Range<usize>> {
    let end = text.rfind('@')?;
    let start = match text.split_once("://") {
        Some((scheme, _)) if !scheme.contains(['@', ':']) => scheme.len() + "://".len(),
        // Without its scheme it is a URL as well, if a colon divides it.
        _ if text[..end].contains(':') => 0,
        _ => return None,
    };
    (start <= end).then_some(start..end)
}

/// The URLs of a list, from a position in the first: a comma divides them if another URL follows.
fn urls(text: &str, from: usize) -> Vec<Range<usize>> {
    let begins_url = |rest: &str| {
        let scheme = rest.trim_start().split_once("://").map(|(scheme, _)| scheme);
        scheme.is_some_and(|scheme| {
            !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    let (mut start, mut found) = (from, Vec::new());
    for (comma, _) in text[from..].match_indices(',') {
        if !text[..from + comma].ends_with('\\') && begins_url(&text[from + comma + 1..]) {
            found.push(start..from + comma);
            start = from + comma + 1;
        }
    }
    found.push(start..text.len());
    found
}

fn begins_with_name(query: &str) -> bool {
    let name = query.split_once('=').map_or("", |(name, _)| name);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(&byte);
    !name.is_empty() && name.bytes().all(letter)
}

/// The values of a query at that place of a text; its fragment too.
fn values_of_query(text: &str, query: Range<usize>) -> Vec<Range<usize>> {
    let (mut start, mut parts) = (query.start, Vec::new());
    let (pairs, fragment) = match text[query.clone()].split_once('#') {
        Some((pairs, _)) => (pairs, Some(query.start + pairs.len() + 1..query.end)),
        None => (&text[query.clone()], None),
    };
    for pair in pairs.split(['&', ';']) {
        let name = pair.split_once('=').map_or(0, |(name, _)| name.len() + 1);
        parts.push(start + name..start + pair.len());
        start += pair.len() + 1;
    }
    parts.extend(fragment);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A sentence, such as the reason of a fault, without what it quotes of these secrets: each whole
/// secret, and each piece of four bytes and more. Innocent words that a secret also holds are
/// masked as well.
pub fn unquoted(sentence: &str, secrets: &[&str]) -> String {
    let secrets: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return sentence.to_owned();
    }
    let cut = sentence.floor_char_boundary(LONGEST_SENTENCE);
    let looked_at = &sentence[..cut];
    let windows: HashSet<&[u8]> =
        secrets.iter().flat_map(|secret| secret.as_bytes().windows(QUOTED)).collect();
    let bytes = looked_at.as_bytes();
    let mut secret = vec![false; bytes.len()];
    for (start, window) in bytes.windows(QUOTED).enumerate() {
        if windows.contains(window) {
            secret[start..start + QUOTED].fill(true);
        }
    }
    // Spaces at the ends tell nothing.
    let blank = |at: &usize| bytes[*at].is_ascii_whitespace();
    for run in runs(&secret).collect::<Vec<_>>() {
        let inner = run.clone().skip_while(blank).count();
        let outer = run.clone().rev().skip_while(blank).count();
        secret[run.start..run.end - inner].fill(false);
        secret[run.start + outer..run.end].fill(false);
    }
    let mut parts: Vec<_> = runs(&secret)
        .filter(|run| run.len() >= QUOTED_WITHIN_WORDS || is_word(bytes, run))
        .map(|run| looked_at.floor_char_boundary(run.start)..looked_at.ceil_char_boundary(run.end))
        .collect();
    for short in secrets.iter().filter(|secret| secret.len() < QUOTED_WITHIN_WORDS) {
        let found = looked_at.match_indices(**short);
        let found = found.map(|(start, _)| start..start + short.len());
        parts.extend(found.filter(|found| is_word(bytes, found)));
    }
    let mut shown = masked(looked_at, &parts).into_owned();
    if cut < sentence.len() {
        shown.push('…');
    }
    shown
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

/// Whether this place in a text begins and ends where words do.
fn is_word(text: &[u8], place: &Range<usize>) -> bool {
    let is_inside = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    !is_inside(place.start.checked_sub(1).and_then(|before| text.get(before)))
        && !is_inside(text.get(place.end))
}

#[cfg(test)]
mod tests;
