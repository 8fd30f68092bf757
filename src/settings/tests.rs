use super::*;

#[test]
fn names_are_declared_once_and_fit_variables() {
    let mut seen = BTreeSet::new();
    for name in NAMES {
        assert!(seen.insert(name), "{name}");
        assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'), "{name}");
    }
    let declared: Vec<_> = NodeSettings::declared().iter().map(|setting| setting.name).collect();
    assert_eq!(declared, NAMES);
}

#[test]
fn every_setting_is_described_in_a_line() {
    for setting in NodeSettings::declared() {
        assert!(setting.about.ends_with('.'), "{}", setting.name);
        assert!(setting.about.len() < 80, "{}", setting.name);
    }
}

#[test]
fn the_defaults_keep_to_the_rules() {
    let built_in = NodeSettings::default();
    rules::name(&built_in.node_name).unwrap();
    rules::log_filter(&built_in.log).unwrap();
    rules::port(&built_in.graphite_port).unwrap();
    rules::supervisors(&built_in.user_supervisors).unwrap();
    for duration in [built_in.init_timeout, built_in.terminate_timeout, built_in.throttle_tolerance]
    {
        rules::longer_than_nothing(&duration).unwrap();
    }
    let mut faults = SettingsFaults::default();
    rules::not_for_ever(&built_in.drain_timeout).unwrap();
    for endless in [rules::LONGEST + Duration::from_nanos(1), Duration::MAX] {
        assert_eq!(rules::not_for_ever(&endless), Err("more than a year, 365days".into()));
        assert!(rules::longer_than_nothing(&endless).is_err());
    }
    rules::together(&built_in, &Layers::default(), &mut faults);
    assert_eq!(faults, SettingsFaults::default());
}
