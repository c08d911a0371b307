//! What the application returned, on its way to the client (spec/behaviour.md §4.3).

use super::request::RequestState;
use super::response::ResponseStop;
use super::transfer;
use crate::exchange::HoldBack;
use crate::python::{Attached, ExceptionKind, Object, Raised, lock};

/// Sends the body that `result` stands for, and commits the response.
pub fn send_all(
    py: Attached<'_>,
    state: &RequestState,
    result: &Object,
) -> std::result::Result<(), ResponseStop> {
    if let Some(sent) = transfer::send(py, state, result) {
        return sent;
    }
    if is_plain(result) {
        send_plain(py, state, result)?;
    } else {
        iterate(py, state, result)?;
    }
    Ok(state.commit(py)?)
}

/// Whether it is a list or tuple: no code of the application runs between its items, and there is nothing to close.
pub fn is_plain(result: &Object) -> bool {
    result.is_list() || result.is_tuple()
}

fn send_plain(
    py: Attached<'_>,
    state: &RequestState,
    items: &Object,
) -> std::result::Result<(), ResponseStop> {
    let is_list = items.is_list();
    // The length is asked for each time: while the GIL is given up to send a block, another thread may change a list.
    let item = |place| match is_list {
        true => items.list_item(py, place),
        false => items.tuple_item(place).map(|item| item.own(py)),
    };
    for item in (0..).map_while(item) {
        send_block(py, state, &item, HoldBack::Yes)?;
    }
    Ok(())
}

fn iterate(py: Attached<'_>, state: &RequestState, result: &Object) -> std::result::Result<(), ResponseStop> {
    let iterator = result.iterator(py)?;
    let mut any = false;
    while let Some(item) = iterator.next_item(py)? {
        if any && state.exchange(py, |exchange| exchange.is_gone()).unwrap_or(true) {
            return Err(ResponseStop::Broken(None));
        }
        any |= send_block(py, state, &item, HoldBack::No)?;
    }
    Ok(())
}

/// Sends one item; false if it was empty.
fn send_block(
    py: Attached<'_>,
    state: &RequestState,
    item: &Object,
    hold: HoldBack,
) -> std::result::Result<bool, ResponseStop> {
    let Some(block) = item.as_bytes() else {
        let text = format!("response iterable must yield bytes, not {}", item.type_name(py));
        return Err(ResponseStop::Raised(Raised::new(py, ExceptionKind::Type, &text)));
    };
    if block.is_empty() {
        return Ok(false);
    }
    state.commit(py)?;
    state.send(py, block, hold).map_err(|_| ResponseStop::Broken(None))?;
    Ok(true)
}

/// Calls `close()` of what the application returned, if it has one.
///
/// # Errors
/// What `close()` raised, or with `true` what looking it up raised.
pub fn close(
    py: Attached<'_>,
    state: &RequestState,
    result: &Object,
) -> std::result::Result<(), (Raised, bool)> {
    if is_plain(result) {
        return Ok(());
    }
    let close = match result.attr(py, state.interpreter.kit().names.close.get(py)) {
        Ok(close) => close,
        Err(raised) if raised.is(py, ExceptionKind::Attribute) => {
            raised.clear(py);
            return Ok(());
        }
        Err(raised) => return Err((raised, true)),
    };
    close.call_out(py, &[]).map(drop).map_err(|raised| (raised, false))
}

/// Whether the client has been shown anything.
pub fn has_begun(py: Attached<'_>, state: &RequestState) -> bool {
    lock(py, &state.response).head_sent
}
