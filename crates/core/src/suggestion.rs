//! The name that was perhaps meant.

/// The known name nearest to a misspelt one, if any is near: at most two letters off, one for a name
/// of up to three letters, one in three of a long name.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let reach = match name.chars().count() {
        0..=3 => 1,
        letters => (letters / 3).max(2),
    };
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        // A name that shares no letter is nobody's misspelling, however short.
        .filter(|(distance, candidate)| {
            *distance <= reach && *distance < candidate.chars().count().max(name.chars().count())
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, or nothing.
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("hots", ["port", "host", "hosts"]), Some("host"));
        assert_eq!(nearest("init_timout", ["init_timeout", "drain_timeout"]), Some("init_timeout"));
    }

    #[test]
    fn a_stranger_is_nobody() {
        assert_eq!(nearest("colour", ["port", "host"]), None);
        assert_eq!(nearest("x", ["ab"]), None);
        assert_eq!(nearest("foo", ["do"]), None);
        assert_eq!(did_you_mean("x", []), "");
    }
}
