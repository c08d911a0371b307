//! The manual page mod_wsgi-ctl(1) and the completions for shells, rendered from the command line.

use crate::Arguments;
use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

/// Headings and paragraphs after the options.
const AFTER: [(&str, &str); 3] = [
    (
        "EXIT STATUS",
        "0 when it was done, 1 when it was not, 2 for a wrong command line. The commands wait until it is done, at most --timeout \
         seconds, unless --no-wait is given.",
    ),
    (
        "FILES",
        "The control socket is that of the directive WSGISocketPrefix with .PID.control added, PID being httpd's. Only root and the \
         user httpd was started as may use it.",
    ),
    ("SEE ALSO", "mod_wsgi-express(1), apache2(8), httpd(8)"),
];

/// The whole page.
fn page() -> std::io::Result<Vec<u8>> {
    let mut command = Arguments::command();
    command.build();
    let man = Man::new(Arguments::command().disable_help_subcommand(true)).date("").manual("mod_wsgi");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
        let names = command.get_positionals().map(|argument| argument.get_id().as_str().to_uppercase());
        roff.control("TP", []);
        roff.text([bold(command.get_name()), roman(" "), italic(names.collect::<Vec<_>>().join(" "))]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
        for option in command.get_opts().filter(|option| !option.is_global_set()) {
            roff.control("RS", []);
            roff.control("TP", []);
            let value = option.get_value_names().unwrap_or_default().join(" ");
            roff.text([
                bold(format!("--{}", option.get_long().unwrap_or_default())),
                roman(" "),
                italic(value),
            ]);
            roff.text([roman(option.get_help().map(ToString::to_string).unwrap_or_default())]);
            roff.control("RE", []);
        }
    }
    for (heading, paragraph) in AFTER {
        roff.control("SH", [heading]);
        roff.text([roman(paragraph)]);
    }
    roff.to_writer(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell::{Bash, Fish, Zsh};

    const NAME: &str = "mod_wsgi-ctl";

    /// The file is as rendered; with `UPDATE_DOCS` it is written first.
    fn is_current(file: &str, rendered: &[u8]) {
        let path = format!("{}/../packaging/{file}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, rendered).expect("it can be written");
        }
        let found = std::fs::read(&path).unwrap_or_default();
        assert!(
            found == rendered,
            "packaging/{file} is not current: UPDATE_DOCS=1 cargo test -p mod_wsgi-ctl"
        );
    }

    #[test]
    fn the_manual_page_is_rendered_from_the_command_line() {
        is_current("man/mod_wsgi-ctl.1", &page().expect("written to memory"));
    }

    #[test]
    fn completions_are_rendered_from_the_command_line() {
        for (shell, name) in
            [(Bash, "mod_wsgi-ctl.bash"), (Zsh, "_mod_wsgi-ctl"), (Fish, "mod_wsgi-ctl.fish")]
        {
            let mut rendered = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut rendered);
            is_current(&format!("completions/{name}"), &rendered);
        }
    }
}
