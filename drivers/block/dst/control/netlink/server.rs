// SPDX-License-Identifier: GPL-2.0

//! Requests concerning what all exports have in common.

use super::{
    super::{
        refusal::Result,
        uapi,
        Control, //
    },
    keys,
    values, //
};
use crate::abstractions::genetlink::Request;

/// Shows the server.
pub(super) fn get(control: &Control, request: &Request) -> Result {
    let key = control.server.public_key();

    Ok(request
        .reply(|message| keys::put_public(message, uapi::DST_A_SERVER_PUBLIC_KEY, key.as_ref()))?)
}

/// Changes the server.
pub(super) fn set(control: &Control, request: &Request) -> Result {
    let key = values::require(
        request,
        uapi::DST_A_SERVER_KEY_FD,
        "What there is to change",
    )?;

    Ok(control.server.set_keys(keys::pair(request, &key)?)?)
}
