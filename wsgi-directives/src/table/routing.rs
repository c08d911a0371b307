//! Which URL runs which script in which process and interpreter (spec/directives.md §5.1, §6).

use crate::arity::Arity;
use crate::config::{AliasForm, AliasOptions, ImportScript, MountTarget, ProcessSet, ScriptAlias};
use crate::directive::{Directive, DirectiveContexts, RowAction};
use crate::effect::RowEffect;
use crate::error::{ConfigError, GroupReference};
use crate::line::LineApplication;
use crate::options::{ALIAS_OPTIONS, read_options};
use std::sync::Arc;

pub(super) const APPLICATION_GROUP: Directive = Directive {
    name: "WSGIApplicationGroup",
    arity: Arity::Take1,
    contexts: DirectiveContexts::VD,
    syntax: "NAME|%{GLOBAL}|%{RESOURCE}|%{SERVER}|%{HOST}|%{ENV:NAME}",
    default: "%{RESOURCE}",
    since: "1.0",
    doc: "Interpreter that runs the application; %{GLOBAL} is the main interpreter.",
    details: "Many extension modules work only in the main interpreter. The first application of a daemon group has it, under its own name, unless something in the configuration can ask that group for %{GLOBAL}.",
    effect: RowEffect::Acts,
    good: "%{GLOBAL}",
    bad: Some(""),
    action: RowAction::LayerText(|layer| &mut layer.settings.application_group),
};

pub(super) const CALLABLE_OBJECT: Directive = Directive {
    name: "WSGICallableObject",
    arity: Arity::Take1,
    contexts: DirectiveContexts::VDH,
    syntax: "NAME|%{ENV:NAME}",
    default: "application",
    since: "1.0",
    doc: "Name of the entry point in the script.",
    details: "",
    effect: RowEffect::Acts,
    good: "app",
    bad: Some(""),
    action: RowAction::LayerText(|layer| &mut layer.settings.callable_object),
};

pub(super) const PROCESS_GROUP: Directive = Directive {
    name: "WSGIProcessGroup",
    arity: Arity::Take1,
    contexts: DirectiveContexts::VD,
    syntax: "NAME|%{GLOBAL}|%{ENV:NAME}|%{SERVER}|%{HOST}|%{RESOURCE}",
    default: "%{GLOBAL}",
    since: "1.0",
    doc: "Daemon group that runs the application; %{GLOBAL} is embedded mode.",
    details: "",
    effect: RowEffect::Acts,
    good: "site",
    bad: Some(""),
    action: RowAction::LayerText(|layer| &mut layer.settings.process_group),
};

pub(super) const RESTRICT_EMBEDDED: Directive = Directive {
    name: "WSGIRestrictEmbedded",
    arity: Arity::Take1,
    contexts: DirectiveContexts::G,
    syntax: "On|Off",
    default: "Off",
    since: "2.0",
    doc: "On: no application may run in httpd's own children.",
    details: "Python is then not loaded there either, unless a hook script or WSGIImportScript needs it.",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
    action: RowAction::Custom(restrict_embedded),
};

pub(super) const RESTRICT_PROCESS: Directive = Directive {
    name: "WSGIRestrictProcess",
    arity: Arity::List,
    contexts: DirectiveContexts::VD,
    syntax: "[NAME|%{GLOBAL}]...",
    default: "(no restriction)",
    since: "1.0",
    doc: "The groups that may be chosen here; %{GLOBAL} stands for embedded mode.",
    details: "Names are compared without regard to case. A new list replaces an inherited one; an empty list \
              allows nothing, not even embedded mode.",
    effect: RowEffect::Acts,
    good: "site %{GLOBAL}",
    bad: None,
    action: RowAction::Custom(restrict_process),
};

pub(super) const SCRIPT_ALIAS: Directive = Directive {
    name: "WSGIScriptAlias",
    arity: Arity::RawArgs,
    contexts: DirectiveContexts::V,
    syntax: "URL-PATH TARGET [OPTION=VALUE...]",
    default: "",
    since: "1.0",
    doc: "Map a URL prefix to a WSGI script, a directory of scripts, or module:package.name[:callable].",
    details: "The first alias that matches is used, those of the virtual host before those of the main server: \
              write longer prefixes first. End both URL-PATH and TARGET with a slash, or neither.",
    effect: RowEffect::Acts,
    good: "/app /srv/site/site.wsgi",
    bad: Some("/app"),
    action: RowAction::Custom(script_alias),
};

pub(super) const SCRIPT_ALIAS_MATCH: Directive = Directive {
    name: "WSGIScriptAliasMatch",
    arity: Arity::RawArgs,
    contexts: DirectiveContexts::V,
    syntax: "REGEX TARGET [OPTION=VALUE...]",
    default: "",
    since: "1.0",
    doc: "Map URLs that match a regular expression to a WSGI script; $1 to $9 are replaced in TARGET.",
    details: "Begin the expression with ^: what stands before the match becomes part of SCRIPT_NAME.",
    effect: RowEffect::Acts,
    good: "^/w/([^/]+) /srv/w/$1.wsgi",
    bad: Some("^/w/([^/]+ /srv/w/$1.wsgi"),
    action: RowAction::Custom(script_alias_match),
};

fn restrict_embedded(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let restrict = line.on_off()?;
    let global = line.global()?;
    global.restrict_embedded = Some(restrict);
    if restrict {
        global.embedded_python.renounce();
    } else {
        global.embedded_python.require();
    }
    Ok(())
}

fn restrict_process(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    let set = ProcessSet::new(line.words());
    line.layer()?.settings.restrict_process = Some(set);
    Ok(())
}

fn script_alias(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    add_alias(line, false)
}

fn script_alias_match(line: &mut LineApplication<'_, '_>) -> Result<(), ConfigError> {
    add_alias(line, true)
}

/// Both forms. Option errors come before a regex error (spec/directives.md §16).
fn add_alias(line: &mut LineApplication<'_, '_>, regex: bool) -> Result<(), ConfigError> {
    let mut words = line.words();
    let (Some(url), Some(target)) = (words.next(), words.next()) else { return Err(too_few(line)) };
    if url.is_empty() || target.is_empty() {
        return Err(too_few(line));
    }
    let target = parse_target(&target)?;
    let mut options = AliasOptions::default();
    read_options(ALIAS_OPTIONS, "WSGI script alias", &mut words, &mut options, line)?;
    if let (MountTarget::Module { callable: Some(name), .. }, Some(other)) =
        (&target, &options.callable_object)
    {
        return Err(ConfigError::value(
            "Invalid name for WSGI callable object.",
            format!(
                "The target names the callable '{name}' and callable-object= names '{other}'; write one."
            ),
        ));
    }
    let form = if regex {
        let pattern = url.into_owned();
        let compiled = line.system.compile_regex(&pattern);
        let regex = compiled.ok_or_else(|| ConfigError::CompileRegex { pattern: pattern.clone() })?;
        AliasForm::Regex { pattern, regex }
    } else {
        AliasForm::Prefix(url.into_owned())
    };
    imply_preload(line, &form, &target, &options)?;
    let place = line.place.origin();
    let alias = Arc::new(ScriptAlias { form, target, options, place });
    line.global()?.routes.mount(Arc::clone(&alias));
    line.server()?.aliases.push(alias);
    Ok(())
}

fn too_few(line: &LineApplication<'_, '_>) -> ConfigError {
    let LineApplication { name, doc, syntax, .. } = line;
    ConfigError::value(
        format!("{name} requires at least two arguments, {doc}"),
        format!("Write {name} {syntax}."),
    )
}

/// `module:package.name[:callable]` or a path as written.
pub(super) fn parse_target(text: &str) -> Result<MountTarget, ConfigError> {
    let Some(reference) = text.strip_prefix("module:") else { return Ok(MountTarget::File(text.to_owned())) };
    let (module, callable) = match reference.split_once(':') {
        Some((module, callable)) => (module, Some(callable)),
        None => (reference, None),
    };
    let identifier = |name: &str| {
        let mut chars = name.chars();
        chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && chars.all(|c| c.is_alphanumeric() || c == '_')
    };
    if !module.split('.').all(identifier) || !callable.is_none_or(identifier) {
        return Err(ConfigError::value(
            format!("Invalid WSGI module target '{text}'."),
            "Write module:package.name or module:package.name:callable.",
        ));
    }
    Ok(MountTarget::Module { module: module.to_owned(), callable: callable.map(str::to_owned) })
}

/// An alias whose groups and target are fixed texts is loaded at process start (spec/directives.md §5.1).
fn imply_preload(
    line: &mut LineApplication<'_, '_>,
    form: &AliasForm,
    target: &MountTarget,
    options: &AliasOptions,
) -> Result<(), ConfigError> {
    let (Some(process), Some(application)) = (&options.process_group, &options.application_group) else {
        return Ok(());
    };
    let substituted =
        matches!((form, target), (AliasForm::Regex { .. }, MountTarget::File(path)) if path.contains('$'));
    if process.contains("%{") || application.contains("%{") || substituted {
        return Ok(());
    }
    check_group(line, process)?;
    let place = line.place.origin();
    line.global()?.imports.push(ImportScript {
        target: target.clone(),
        process_group: process.clone(),
        application_group: application.clone(),
        explicit: false,
        place,
    });
    Ok(())
}

/// A preload may name embedded mode, or a group that was defined before and is usable from this server
/// (spec/directives.md §9.1).
pub(super) fn check_group(line: &mut LineApplication<'_, '_>, name: &str) -> Result<(), ConfigError> {
    if name.is_empty() {
        return Ok(());
    }
    let (place, system) = (line.place, line.system);
    let refuse = |problem| Err(ConfigError::ReferToGroup { name: name.to_owned(), problem });
    let Some(group) = line.global()?.groups.get(name) else {
        return refuse(GroupReference::NotYetConfigured);
    };
    let mut problem = None;
    for home in group.homes() {
        let Some(host) = home.filter(|host| Some(*host) != place.virtual_host) else { return Ok(()) };
        match (system.server_name_of(host).as_deref(), place.server_name) {
            (Some(theirs), Some(ours)) if theirs != ours => problem = Some(GroupReference::NotAccessible),
            (Some(_), None) | (None, Some(_)) => problem = Some(GroupReference::NotMatchable),
            _ => return Ok(()),
        }
    }
    problem.map_or(Ok(()), refuse)
}
