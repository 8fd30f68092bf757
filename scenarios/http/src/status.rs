//! Which status codes count as success.

/// A set of status codes, written as `200,204`, `2xx,3xx` or `200-299`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusSet {
    ranges: Vec<(u16, u16)>,
}

impl StatusSet {
    /// The set from its text form.
    ///
    /// # Errors
    /// If a part is neither a code from 100 to 999, nor a class such as `2xx`, nor a range; or if
    /// there is no part at all.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let ranges = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(|part| {
                range(part).ok_or_else(|| {
                    format!("'{part}' is no status; write 200, 2xx or 200-299, several with commas")
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() {
            return Err("no status at all would be a success; write 200, 2xx or 200-299".into());
        }
        Ok(Self { ranges })
    }

    /// Whether the code is in the set.
    pub(crate) fn contains(&self, code: u16) -> bool {
        self.ranges.iter().any(|&(first, last)| (first..=last).contains(&code))
    }
}

fn range(part: &str) -> Option<(u16, u16)> {
    if let Some(class) = part.strip_suffix("xx").or_else(|| part.strip_suffix("XX")) {
        let class: u16 = class.parse().ok().filter(|class| (1..=9).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    match part.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (code(first)?, code(last)?);
            (first <= last).then_some((first, last))
        }
        None => code(part).map(|code| (code, code)),
    }
}

fn code(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|code| (100..=999).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_classes_and_ranges() {
        let set = StatusSet::parse("204, 3xx,500-502,9xx,600").unwrap();
        let inside: Vec<u16> = (0..1100).filter(|&code| set.contains(code)).collect();
        let wanted: Vec<u16> = [204]
            .into_iter()
            .chain(300..400)
            .chain(500..503)
            .chain([600])
            .chain(900..1000)
            .collect();
        assert_eq!(inside, wanted);
    }

    #[test]
    fn faults_name_the_part() {
        for bad in ["0xx", "20", "1000", "300-200", "ok", "2xxx", "-200"] {
            let fault = StatusSet::parse(&format!("200,{bad}")).unwrap_err();
            assert!(fault.starts_with(&format!("'{bad}' is no status")), "{fault}");
        }
        assert!(StatusSet::parse(" , ").is_err());
    }
}
