//! Who a connection is: auth packets, SASL, and what some servers demand (reference: client-protocol §4.9, security §1.9,
//! §1.11, §2.1).
//!
//! A credential counts for every request that arrives after it, whatever is still under way; the answer takes its place in
//! the order of the connection's answers, which is what clients that match answers by position need (client-protocol §2.6).

use crate::connection::{Ready, RequestInfo};
use crate::io::Outputs;
use crate::node::Node;
use std::sync::Arc;
use wire::{ErrorCode, OpCode, Reader, Request};

impl Node {
    pub(crate) fn authenticate(
        &mut self,
        slot: u32,
        request: RequestInfo,
        body: &mut Reader<'_>,
        out: &mut Outputs,
    ) {
        let Ok(Request::Auth { scheme, auth, .. }) = Request::decode(OpCode::Auth, body) else {
            return self.reject(slot, request);
        };
        let scheme = scheme.as_deref().unwrap_or("");
        let peer = tree::auth::ip_id(self.clients.at(slot).peer.ip());
        let proven = self.tree.config().schemes.authenticate(scheme, auth.as_deref(), &peer);
        let max = self.config.connections.credentials_max;
        let conn = self.clients.at_mut(slot);
        let accepted = match proven {
            Ok(proven) => {
                let credentials = Arc::make_mut(&mut conn.credentials);
                for credential in proven {
                    if !credentials.contains(&credential) && credentials.len() < max {
                        credentials.push(credential);
                    }
                }
                true
            }
            Err(_) => false,
        };
        if accepted {
            return self.ready(slot, request, Ready::Auth { err: 0, close: false });
        }
        self.stats.metrics.auth_failed_count += 1;
        let peer = self.clients.at(slot).peer;
        self.note_warn(out, || format!("Authentication failed for scheme: {scheme} from /{peer}"));
        self.ready(slot, request, Ready::Auth { err: ErrorCode::AuthFailed.code(), close: true });
    }

    /// SASL is not configured: no error and no token, so that clients fail on their own side. An absent token ends the
    /// connection without an answer, as upstream.
    pub(crate) fn sasl(&mut self, slot: u32, request: RequestInfo, body: &mut Reader<'_>) {
        match Request::decode(OpCode::Sasl, body) {
            Ok(Request::Sasl { token: Some(_) }) => self.ready(slot, request, Ready::SaslNullToken),
            _ => self.reject(slot, request),
        }
    }

    /// Does the connection hold a credential of one of the required schemes, if any are required?
    pub(crate) fn has_required_credentials(&self, slot: u32) -> bool {
        let required = &self.config.auth.required_schemes;
        required.is_empty()
            || self
                .clients
                .at(slot)
                .credentials
                .iter()
                .any(|credential| required.iter().any(|scheme| credential.scheme.as_deref() == Some(scheme)))
    }
}
