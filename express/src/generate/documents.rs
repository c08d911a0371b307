//! The document root, the way from it to the application, and aliases.

use super::python;
use crate::configuration::Configuration;
use crate::paths;
use crate::plan::ServerPlan;
use crate::quoting;
use std::path::Path;

pub(super) fn lines(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    for name in values.list("passenv") {
        conf.from("passenv").line("PassEnv", &[name]);
    }
    for (name, value) in values.pairs("setenv") {
        conf.from("setenv").line("SetEnv", &[name, value]);
    }
    if values.flag("with-cgi") {
        conf.from("with-cgi").fixed("AddHandler cgi-script .cgi");
    }
    if let Some(name) = values.text("directory-index") {
        conf.from("directory-index").line("DirectoryIndex", &[name]);
    }
    let root = plan.document_root();
    conf.from("document-root").line("DocumentRoot", &[&root]);
    conf.section("Directory", &quoting::section(&root), |conf| document_root(conf, plan));
    python::handlers(conf, plan);
    own_scripts(conf, plan);
    aliases(conf, plan);
}

fn document_root(conf: &mut Configuration, plan: &ServerPlan) {
    let values = &plan.values;
    allow_override(conf, plan);
    let mut options = Vec::new();
    for (option, word) in [("directory-listing", "+Indexes"), ("with-cgi", "+ExecCGI")] {
        if values.flag(option) {
            options.push(word);
        }
    }
    if !options.is_empty() {
        conf.from("directory-listing with-cgi").fixed(&format!("Options {}", options.join(" ")));
    }
    conf.always()
        .fixed("Require all granted")
        .fixed("RewriteEngine On")
        .fixed("RewriteOptions InheritDownBefore");
    conf.from("rewrite-rules").line("Include", &[&plan.path_or("rewrite-rules", "rewrite.conf")]);
    if !plan.entry.is_application() {
        return;
    }
    // What is no file goes to the application. The mount point need not exist as a folder.
    let mount = plan.mount_point();
    if !mount.is_empty() {
        let below = format!("^{}(?:/|$)", quoting::regex(&mount));
        conf.from("mount-point").line("RewriteCond", &["%{REQUEST_URI}", &below]);
    }
    conf.always().fixed("RewriteCond %{REQUEST_FILENAME} !-f");
    if values.is_given("directory-index") || values.flag("directory-listing") {
        conf.from("directory-index directory-listing").fixed("RewriteCond %{REQUEST_FILENAME} !-d");
    }
    if values.flag("server-status") {
        conf.from("server-status").fixed("RewriteCond %{REQUEST_URI} !^/server-status$");
    }
    conf.from("entry-point").fixed("RewriteRule .* - [H=wsgi-handler]");
}

fn allow_override(conf: &mut Configuration, plan: &ServerPlan) {
    let classes = plan.values.list("allow-override");
    let classes = if classes.is_empty() { vec!["None"] } else { classes };
    conf.from("allow-override").line("AllowOverride", &classes);
}

/// The generated scripts may be asked for by the handlers, and nothing else of the server root by anybody.
fn own_scripts(conf: &mut Configuration, plan: &ServerPlan) {
    conf.always().section("Directory", &quoting::section(&paths::text(&plan.root)), |conf| {
        for name in ["handler.wsgi", "resource.wsgi"] {
            conf.section("Files", name, |conf| {
                conf.fixed("Require all granted");
            });
        }
    });
}

fn aliases(conf: &mut Configuration, plan: &ServerPlan) {
    let mut pairs = plan.values.pairs("url-alias");
    pairs.sort();
    pairs.reverse(); // the longer of two prefixes comes first
    for (url, target) in pairs {
        let url = if url.starts_with('/') { url.to_owned() } else { format!("/{url}") };
        let path = paths::absolute(target);
        conf.from("url-alias");
        if path.is_file() {
            file_alias(conf, &url, &path);
            continue;
        }
        // Both end in a slash or neither does: httpd joins the rest of the URL to the target as it is.
        let slash = if url.ends_with('/') && path != Path::new("/") { "/" } else { "" };
        let path = paths::text(&path);
        conf.line("Alias", &[&url, &format!("{path}{slash}")]);
        conf.section("Directory", &quoting::section(&path), |conf| {
            allow_override(conf, plan);
            conf.from("url-alias").fixed("Require all granted");
        });
    }
}

fn file_alias(conf: &mut Configuration, url: &str, path: &Path) {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    conf.line("Alias", &[url, &paths::text(path)]);
    conf.section("Directory", &quoting::section(&paths::text(folder)), |conf| {
        conf.section("Files", &quoting::section(&name), |conf| {
            conf.fixed("Require all granted");
        });
    });
}
