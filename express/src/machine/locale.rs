//! The locale of the application.

use crate::values::OptionValues;

/// `--locale`, else `--lang`, else that of this command; a UTF-8 one instead of C.
pub fn find(values: &OptionValues) -> String {
    if let Some(named) = values.text("locale").or_else(|| values.text("lang")) {
        return named.to_owned();
    }
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let own = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
    match own.as_str() {
        "" | "C" | "POSIX" => {}
        _ if is_installed(&own) => return own,
        _ => {}
    }
    if is_installed("en_US.UTF-8") { "en_US.UTF-8" } else { "C.UTF-8" }.to_owned()
}

/// Whether the C library has it: in a folder, or in its archive.
fn is_installed(name: &str) -> bool {
    let base = name.split('@').next().unwrap_or(name);
    if matches!(base, "C.UTF-8" | "C.utf8") {
        return true;
    }
    let stored = match base.split_once('.') {
        Some((language, charset)) => format!("{language}.{}", charset.to_ascii_lowercase().replace('-', "")),
        None => base.to_owned(),
    };
    let is_name = stored.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let archive = || std::fs::read("/usr/lib/locale/locale-archive").unwrap_or_default();
    is_name
        && (std::path::Path::new("/usr/lib/locale").join(&stored).is_dir()
            || archive().windows(stored.len()).any(|window| window == stored.as_bytes()))
}
