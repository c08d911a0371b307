//! `conf/wsgi.conf`: every directive with its default, all commented out.

use super::{is_directory_only, options_of, state};
use crate::directive::{Directive, DirectiveContexts};
use crate::effect::RowEffect;
use crate::table::DIRECTIVES;
use std::fmt::Write;

const HEAD: &str = "# Configuration of mod_wsgi. Every directive is listed with its default, or with an example where there is none.
# The manual is docs/directives.md. This file is rendered from the tables in wsgi-directives/src.
#
# A site usually needs these lines in its <VirtualHost>:
#
#     WSGIDaemonProcess site python-home=/srv/site/venv home=/srv/site
#     WSGIScriptAlias / /srv/site/site.wsgi process-group=site application-group=%{GLOBAL}
#     <Directory /srv/site>
#         Require all granted
#     </Directory>

<IfModule mod_wsgi.c>
";

/// The whole file.
pub(super) fn render() -> String {
    let current = || DIRECTIVES.iter().filter(|row| !row.is_removed());
    let main_server = |row: &&Directive| row.contexts.has(DirectiveContexts::G);
    let server = |row: &&Directive| row.contexts.has(DirectiveContexts::V);
    let directory = |row: &&Directive| is_directory_only(row);
    let mut out = String::from(HEAD);
    group(&mut out, "Main server only", current().filter(main_server));
    group(&mut out, "Main server and virtual hosts", current().filter(server));
    group(&mut out, "Directories and .htaccess files", current().filter(directory));
    out.push_str("</IfModule>\n");
    out
}

fn group(out: &mut String, title: &str, rows: impl Iterator<Item = &'static Directive>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "\n    # ---- {title} ----");
    for row in rows {
        let _ = writeln!(out, "\n    # {}", row.doc);
        let also = also(row);
        if !also.is_empty() {
            let _ = writeln!(out, "    # Also in: {also}.");
        }
        if !state(row.effect).is_empty() {
            let _ = writeln!(out, "    # ({})", state(row.effect));
        }
        let literal = !row.default.is_empty() && !row.default.starts_with('(');
        if !literal {
            let what =
                if row.default.is_empty() { "Example, not set by default:" } else { "Example; default is" };
            let _ = writeln!(out, "    # {}", format!("{what} {}", row.default).trim_end());
        }
        let _ = writeln!(out, "    #{} {}", row.name, if literal { row.default } else { row.good });
        if row.is_section() {
            let _ = writeln!(out, "    #    WSGIRestrictStdin On\n    #</{}>", &row.name[1..]);
        }
        options(out, row);
    }
}

/// Options of WSGIDaemonProcess are listed, those of others are few and in the manual.
fn options(out: &mut String, row: &Directive) {
    if row.name != "WSGIDaemonProcess" {
        return;
    }
    for option in
        options_of(row.name).into_iter().filter(|option| !matches!(option.effect, RowEffect::Legacy(_)))
    {
        let default = option.default.trim_start_matches('(').trim_end_matches(')');
        let default = if default.is_empty() { "not set" } else { default };
        let _ = writeln!(out, "    #   {}={}  [{default}]  {}", option.name, option.value, option.doc);
    }
}

fn also(row: &Directive) -> String {
    let mut places = Vec::new();
    if row.contexts.has(DirectiveContexts::D) && row.contexts.has(DirectiveContexts::V) {
        places.push("directories");
    }
    if row.contexts.has(DirectiveContexts::H_FILEINFO) {
        places.push(".htaccess with AllowOverride FileInfo");
    }
    if row.contexts.has(DirectiveContexts::H_AUTHCFG) {
        places.push(".htaccess with AllowOverride AuthConfig");
    }
    if row.contexts.has(DirectiveContexts::I) {
        places.push("<WSGIInterpreterOptions>");
    }
    places.join(", ")
}
