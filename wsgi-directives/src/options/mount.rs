//! Options of aliases, handler scripts, preloads, hook scripts, and the selectors of interpreter options.

use super::{OptionContext, OptionInfo, OptionRow, ValueSetter, value};
use crate::config::AliasOptions;
use crate::effect::RowEffect;
use crate::error::ConfigError;
use crate::line::parse_on_off;

const PROCESS_GROUP: OptionInfo = OptionInfo {
    name: "process-group",
    value: "NAME",
    default: "(WSGIProcessGroup)",
    unit: "",
    range: "a group name",
    since: "2.0",
    doc: "Daemon group that runs these requests; %{GLOBAL} is embedded mode.",
    effect: RowEffect::Acts,
    good: "%{GLOBAL}",
    bad: Some(""),
};

const APPLICATION_GROUP: OptionInfo = OptionInfo {
    name: "application-group",
    value: "NAME",
    default: "(WSGIApplicationGroup)",
    unit: "",
    range: "an interpreter name",
    since: "2.0",
    doc: "Interpreter that runs these requests; %{GLOBAL} is the main interpreter.",
    effect: RowEffect::Acts,
    good: "%{GLOBAL}",
    bad: Some(""),
};

const PASS_AUTHORIZATION: OptionInfo = OptionInfo {
    name: "pass-authorization",
    value: "On|Off",
    default: "(WSGIPassAuthorization)",
    unit: "",
    range: "On or Off",
    since: "3.0",
    doc: "Whether HTTP_AUTHORIZATION is passed to the application.",
    effect: RowEffect::Acts,
    good: "On",
    bad: Some("yes"),
};

const CALLABLE_OBJECT: OptionInfo = OptionInfo {
    name: "callable-object",
    value: "NAME",
    default: "(WSGICallableObject)",
    unit: "",
    range: "the name of a callable",
    since: "3.0",
    doc: "Entry point of the script, used verbatim: %{...} is not expanded here.",
    effect: RowEffect::Acts,
    good: "app",
    bad: Some(""),
};

const INTERFACE: OptionInfo = OptionInfo {
    name: "interface",
    value: "auto|wsgi|asgi",
    default: "(that of the daemon group)",
    unit: "",
    range: "auto, wsgi or asgi",
    since: "new",
    doc: "How the application is called: auto takes a coroutine function, or an object whose __call__ is one, for an ASGI \
          application. With asgi it runs in the main interpreter unless an application group is named.",
    effect: RowEffect::Acts,
    good: "asgi",
    bad: Some("fastcgi"),
};

const BAD_PROCESS_GROUP: &str = "Invalid name for WSGI process group.";
const BAD_APPLICATION_GROUP: &str = "Invalid name for WSGI application group.";
const BAD_CALLABLE: &str = "Invalid name for WSGI callable object.";
const BAD_AUTHORIZATION: &str = "Invalid value for authorization flag.";
const BAD_INTERFACE: &str = "Invalid value for interface.";

/// Options of WSGIScriptAlias and WSGIScriptAliasMatch (spec/directives.md §5.1).
pub static ALIAS_OPTIONS: &[OptionRow<AliasOptions>] = &[
    OptionRow {
        info: APPLICATION_GROUP,
        thing: BAD_APPLICATION_GROUP,
        set: ValueSetter::Custom(fixed_application),
    },
    OptionRow {
        info: CALLABLE_OBJECT,
        thing: BAD_CALLABLE,
        set: ValueSetter::NonEmpty(|o| &mut o.callable_object),
    },
    OptionRow { info: INTERFACE, thing: BAD_INTERFACE, set: ValueSetter::Custom(interface) },
    OptionRow { info: PASS_AUTHORIZATION, thing: BAD_AUTHORIZATION, set: ValueSetter::Custom(authorization) },
    OptionRow { info: PROCESS_GROUP, thing: BAD_PROCESS_GROUP, set: ValueSetter::Custom(fixed_process) },
];

/// Options of WSGIHandlerScript (spec/directives.md §9.3).
pub static HANDLER_OPTIONS: &[OptionRow<AliasOptions>] = &[
    OptionRow {
        info: APPLICATION_GROUP,
        thing: BAD_APPLICATION_GROUP,
        set: ValueSetter::NonEmpty(|o| &mut o.application_group),
    },
    OptionRow { info: PASS_AUTHORIZATION, thing: BAD_AUTHORIZATION, set: ValueSetter::Custom(authorization) },
    OptionRow {
        info: PROCESS_GROUP,
        thing: BAD_PROCESS_GROUP,
        set: ValueSetter::NonEmpty(|o| &mut o.process_group),
    },
];

/// Options of WSGIImportScript, both mandatory (spec/directives.md §9.1).
pub static IMPORT_OPTIONS: &[OptionRow<AliasOptions>] = &[
    OptionRow {
        info: OptionInfo {
            default: "",
            doc: "Interpreter in which the script is loaded.",
            ..APPLICATION_GROUP
        },
        thing: BAD_APPLICATION_GROUP,
        set: ValueSetter::Custom(fixed_application),
    },
    OptionRow {
        info: OptionInfo {
            default: "",
            doc: "Daemon group that loads the script, defined earlier; %{GLOBAL} is httpd's own children.",
            ..PROCESS_GROUP
        },
        thing: BAD_PROCESS_GROUP,
        set: ValueSetter::Custom(fixed_process),
    },
];

/// Options of WSGIDispatchScript, WSGIAccessScript, WSGIAuthUserScript, WSGIAuthGroupScript (spec/directives.md
/// §9.2–9.6).
pub static SCRIPT_OPTIONS: &[OptionRow<AliasOptions>] = &[OptionRow {
    info: OptionInfo {
        default: "%{GLOBAL}",
        doc: "Interpreter of the httpd child in which the script runs; %{SERVER} and %{HOST} are expanded.",
        ..APPLICATION_GROUP
    },
    thing: BAD_APPLICATION_GROUP,
    set: ValueSetter::NonEmpty(|o| &mut o.application_group),
}];

/// Selectors of `<WSGIInterpreterOptions>` (spec/directives.md §13); read by [`crate::table`], listed for the manual.
pub static SELECTORS: &[OptionInfo] = &[
    OptionInfo {
        default: "(any)",
        since: "6.0.0",
        doc: "Interpreters of this name only; %{GLOBAL} is the main interpreter.",
        bad: None,
        ..APPLICATION_GROUP
    },
    OptionInfo {
        default: "(any)",
        since: "6.0.0",
        doc: "Processes of this group only; %{GLOBAL} is httpd's own children.",
        bad: None,
        ..PROCESS_GROUP
    },
];

/// `%{GLOBAL}` becomes "" at once; the empty text is refused.
fn fixed_group(text: &str, context: &OptionContext<'_, '_, '_>) -> Result<Option<String>, ConfigError> {
    match text {
        "" => Err(context.invalid(text)),
        "%{GLOBAL}" => Ok(Some(String::new())),
        name => Ok(Some(name.to_owned())),
    }
}

fn fixed_process(
    options: &mut AliasOptions,
    text: &str,
    context: &mut OptionContext<'_, '_, '_>,
) -> Result<(), ConfigError> {
    options.process_group = fixed_group(text, context)?;
    Ok(())
}

fn fixed_application(
    options: &mut AliasOptions,
    text: &str,
    context: &mut OptionContext<'_, '_, '_>,
) -> Result<(), ConfigError> {
    options.application_group = fixed_group(text, context)?;
    Ok(())
}

fn interface(
    options: &mut AliasOptions,
    text: &str,
    context: &mut OptionContext<'_, '_, '_>,
) -> Result<(), ConfigError> {
    options.interface = Some(value::interface(text).ok_or_else(|| context.invalid(text))?);
    Ok(())
}

fn authorization(
    options: &mut AliasOptions,
    text: &str,
    context: &mut OptionContext<'_, '_, '_>,
) -> Result<(), ConfigError> {
    options.pass_authorization = Some(parse_on_off(text).ok_or_else(|| context.invalid(text))?);
    Ok(())
}
