//! Every option of the table is parsed; what is wrong is refused by name.

use super::*;

fn parse(words: &[&str]) -> Result<OptionValues, String> {
    let words = [&[NAME, "start-server"], words].concat();
    let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
    Ok(values(matches.subcommand_matches("start-server").expect("it was given")))
}

/// A value that the option takes.
pub fn sample(row: &OptionRow) -> Vec<String> {
    let word = |value: &&str| match row.kind {
        ValueKind::Word(words) => words[0].to_owned(),
        ValueKind::Int(from, _) => from.max(1).to_string(),
        ValueKind::Number(from, _) => from.max(0.5).to_string(),
        ValueKind::Flag | ValueKind::Text => value.to_lowercase(),
    };
    row.values.iter().map(word).collect()
}

#[test]
fn the_command_is_consistent() {
    command().debug_assert();
}

#[test]
fn every_option_parses_with_its_arity() {
    for row in table::rows() {
        let option = format!("--{}", row.name);
        let sample = sample(row);
        let mut words = vec![option.as_str()];
        words.extend(sample.iter().map(String::as_str));
        let once = parse(&words).unwrap_or_else(|error| panic!("{error}"));
        assert!(once.is_given(row.name), "{option}");
        let twice = parse(&[words.clone(), words.clone()].concat()).unwrap_or_else(|error| panic!("{error}"));
        if row.kind == ValueKind::Flag {
            assert!(twice.flag(row.name), "{option}");
            continue;
        }
        assert_eq!(twice.uses(row.name).len(), if row.is_list { 2 } else { 1 }, "{option}");
        assert!(parse(&words[..words.len() - 1]).is_err(), "{option} without its last value");
    }
}

#[test]
fn forms_of_options() {
    let values = parse(&["--port=80", "wsgi.py", "--thr", "4", "--url-alias", "/a", "/b"]).expect("right");
    assert_eq!((values.int("port"), values.int("threads")), (80, 4));
    assert_eq!(values.entry_points(), ["wsgi.py"]);
    assert_eq!(values.pairs("url-alias"), [("/a", "/b")]);
    let values =
        parse(&["--log-level", "-x", "a", "b"]).expect("optparse takes the next word, whatever it is");
    assert_eq!((values.text("log-level"), values.entry_points().len()), (Some("-x"), 2));
    assert_eq!(parse(&["--port", "1", "--port", "2"]).expect("the last wins").int("port"), 2);
}

#[test]
fn wrong_values_name_the_option() {
    for words in [
        ["--port", "http"],
        ["--port", "70000"],
        ["--application-type", "scirpt"],
        ["--initial-workers", "2"],
        ["--telemetry-interval", "0.1"],
        ["--server-name", "a\nLoadModule x y"],
        ["--switch-interval", "0"],
    ] {
        let error = parse(&words).expect_err("refused");
        assert!(error.contains(words[0]), "{error}");
    }
    assert!(parse(&["--prot", "1"]).expect_err("unknown").contains("--port"));
}

#[test]
fn variables_are_expanded() {
    let variable = |name: &str| (name == "A").then(|| "value".to_owned());
    for (text, expected) in [
        ("$A", "value"),
        ("x${A}y", "xvaluey"),
        ("$B/${B}", "$B/${B}"),
        ("$", "$"),
        ("${A", "${A"),
        ("$$A", "$value"),
        ("a%b", "a%b"),
    ] {
        assert_eq!(expand(text, variable), expected, "{text}");
    }
}
