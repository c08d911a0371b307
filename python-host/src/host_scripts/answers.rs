//! Calling a host script's functions, and what each value they return means (spec/behaviour.md §6.9, §7.2).

use super::{ScriptAnswer, ScriptCall, messages};
use crate::python::{ExceptionKind, NumberValues, Object, Raised, Result, TextValues};
use std::borrow::Cow;
use wsgi_protocol::call::{DispatchRoute, ScriptQuestion, ScriptVerdict};

/// Asks. `Err`: an exception that has not been logged.
pub fn of(asking: &ScriptCall<'_, '_, '_>, namespace: &Object, environ: &Object) -> Result<ScriptAnswer> {
    let py = asking.py;
    let [first, second] = asking.call.arguments;
    let ask = |name: &str, arguments: &[&[u8]]| {
        let Some(function) = asking.function(namespace, name)? else { return Ok(None) };
        let texts = arguments.iter().map(|text| py.latin1(text)).collect::<Result<Vec<_>>>()?;
        let arguments: Vec<&Object> =
            std::iter::once(environ).chain(texts.iter().map(|text| &**text)).collect();
        function.call_out(py, &arguments).map(Some)
    };
    let (name, result, meaning): (_, _, fn(&ScriptCall<'_, '_, '_>, &Object) -> Result<ScriptAnswer>) =
        match asking.call.question {
            ScriptQuestion::Dispatch => return dispatch(asking, namespace, environ),
            ScriptQuestion::Access => ("allow_access", ask("allow_access", &[first])?, access),
            ScriptQuestion::Password => {
                ("check_password", ask("check_password", &[first, second])?, password)
            }
            ScriptQuestion::RealmHash => {
                ("get_realm_hash", ask("get_realm_hash", &[first, second])?, realm_hash)
            }
            ScriptQuestion::Groups => ("groups_for_user", ask("groups_for_user", &[first])?, groups),
        };
    match result {
        Some(result) => meaning(asking, &result),
        None => {
            let script = asking.call.request.head.script;
            Ok(asking.refuse(&messages::no_function(asking.call.question, script, name)))
        }
    }
}

/// All three functions, each optional, see one environ.
fn dispatch(asking: &ScriptCall<'_, '_, '_>, namespace: &Object, environ: &Object) -> Result<ScriptAnswer> {
    const FUNCTIONS: [(&str, DispatchRoute); 3] = [
        ("process_group", DispatchRoute::ProcessGroup),
        ("application_group", DispatchRoute::ApplicationGroup),
        ("callable_object", DispatchRoute::CallableObject),
    ];
    let mut answered = ScriptAnswer::from(ScriptVerdict::Granted);
    for (name, route) in FUNCTIONS {
        let Some(function) = asking.function(namespace, name)? else { continue };
        let result = function.call_out(asking.py, &[environ])?;
        if !result.is_none() {
            answered.answers.push((route as u32, routed(asking, name, &result)?));
        }
    }
    Ok(answered)
}

fn routed(asking: &ScriptCall<'_, '_, '_>, name: &str, result: &Object) -> Result<Vec<u8>> {
    let py = asking.py;
    let text = match bytes_of(asking, result) {
        Ok(Some(text)) => text,
        Ok(None) => {
            let kind = result.type_name(py);
            let text = format!("{name}() must return str, bytes or None, not {kind}");
            return Err(Raised::new(py, ExceptionKind::Type, &text));
        }
        Err(raised) => {
            raised.clear(py);
            let text = format!("{name}() must return a str that is latin-1");
            return Err(Raised::new(py, ExceptionKind::Type, &text));
        }
    };
    if text.contains(&0) {
        return Err(Raised::new(
            py,
            ExceptionKind::Value,
            &format!("{name}() returned a name with a null character"),
        ));
    }
    Ok(text.into_owned())
}

/// The bytes of bytes or a latin-1 str; `None` for another type.
fn bytes_of<'o>(asking: &ScriptCall<'_, '_, '_>, value: &'o Object) -> Result<Option<Cow<'o, [u8]>>> {
    match value.as_bytes() {
        Some(bytes) => Ok(Some(Cow::Borrowed(bytes))),
        None if value.is_str() => value.latin1_bytes(asking.py).map(Some),
        None => Ok(None),
    }
}

/// True, False and None by identity: 1 is not True.
fn verdict(asking: &ScriptCall<'_, '_, '_>, result: &Object) -> Option<ScriptVerdict> {
    let is = |object: &Object| object.as_ptr() == result.as_ptr();
    let py = asking.py;
    [
        (py.truth(true), ScriptVerdict::Granted),
        (py.truth(false), ScriptVerdict::Refused),
        (py.none(), ScriptVerdict::None),
    ]
    .into_iter()
    .find_map(|(object, verdict)| is(object).then_some(verdict))
}

fn access(asking: &ScriptCall<'_, '_, '_>, result: &Object) -> Result<ScriptAnswer> {
    Ok(match verdict(asking, result) {
        Some(verdict) => verdict.into(),
        None => asking.refuse(&messages::not_a_boolean(script(asking), &result.type_name(asking.py))),
    })
}

fn password(asking: &ScriptCall<'_, '_, '_>, result: &Object) -> Result<ScriptAnswer> {
    let py = asking.py;
    if let Some(verdict) = verdict(asking, result) {
        return Ok(verdict.into());
    }
    if !result.is_str() {
        return Ok(asking.refuse(&messages::not_a_user(script(asking), &result.type_name(py))));
    }
    let name = result.to_utf8(py)?;
    Ok(match name.as_bytes() {
        None | Some([]) => asking.refuse(&messages::empty_user(script(asking))),
        // httpd would take what stands before it for the name.
        Some(name) if name.contains(&0) => {
            asking.refuse(&messages::not_a_user(script(asking), "a name with a null character"))
        }
        Some(name) => ScriptAnswer { verdict: ScriptVerdict::Granted, answers: vec![(0, name.to_vec())] },
    })
}

fn realm_hash(asking: &ScriptCall<'_, '_, '_>, result: &Object) -> Result<ScriptAnswer> {
    if result.is_none() {
        return Ok(ScriptVerdict::None.into());
    }
    let hash = bytes_of(asking, result).map_err(|raised| {
        raised.clear(asking.py);
        Raised::new(asking.py, ExceptionKind::Type, "get_realm_hash() must return a str that is latin-1")
    })?;
    Ok(match hash {
        None => asking.refuse(&messages::not_a_hash(script(asking), &result.type_name(asking.py))),
        Some(hash) if hash.is_empty() => asking.refuse(&messages::empty_hash(script(asking))),
        Some(hash) => ScriptAnswer { verdict: ScriptVerdict::Granted, answers: vec![(0, hash.into_owned())] },
    })
}

/// All groups or none: an exception on the way loses those that came before it.
fn groups(asking: &ScriptCall<'_, '_, '_>, result: &Object) -> Result<ScriptAnswer> {
    let py = asking.py;
    let iterator = match result.iterator(py) {
        Ok(iterator) => iterator,
        Err(raised) => {
            let exception = raised.take(py);
            let _ = asking.refuse(&messages::not_iterable(script(asking), &result.type_name(py)));
            return Err(exception.restore());
        }
    };
    let mut answered = ScriptAnswer::from(ScriptVerdict::Granted);
    while let Some(item) = iterator.next_item(py)? {
        match bytes_of(asking, &item) {
            Ok(Some(group)) => answered.answers.push((0, group.into_owned())),
            Ok(None) => {
                return Ok(asking.refuse(&messages::not_a_group(script(asking), &item.type_name(py))));
            }
            Err(raised) => {
                let exception = raised.take(py);
                let _ = asking.refuse(&messages::group_not_latin1(script(asking)));
                return Err(exception.restore());
            }
        }
    }
    Ok(answered)
}

fn script<'r>(asking: &ScriptCall<'_, '_, 'r>) -> &'r [u8] {
    asking.call.request.head.script
}
