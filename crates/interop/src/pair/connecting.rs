//! Handshakes: new sessions, renewals, the driver's own session across a restart, and the end of them all.

use super::*;

impl Pair {
    pub(super) fn connect_control(&mut self, renew: Option<usize>) -> Result<(), Difference> {
        let connect = Connect {
            conn: CONTROL,
            renew,
            password: Password::Right,
            timeout_ms: 3_600_000,
            last_seen: None,
            read_only: Some(false),
            protocol_version: 0,
        };
        self.connect(CONTROL_PLACE, &connect, &[])?;
        let auth = Request::Auth {
            auth_type: 0,
            scheme: Some("digest".into()),
            auth: Some(b"super:test"[..].into()),
        };
        self.control(&[Frame::of(&auth)])
    }

    /// Goes on with servers that were started again; with `swapped`, each has the other's data.
    ///
    /// # Errors
    /// When the driver's own session is not taken up alike.
    pub fn restarted(&mut self, a: SocketAddr, b: SocketAddr, swapped: bool) -> Result<(), Difference> {
        for (side, address) in [(&mut self.a, a), (&mut self.b, b)] {
            side.address = address;
            side.hang_up_all();
        }
        if swapped {
            self.a.exchange_sessions(&mut self.b);
        }
        self.conns.iter_mut().for_each(|conn| conn.live = false);
        self.connect_control(Some(CONTROL_PLACE))
    }

    pub(super) fn connect_item(
        &mut self,
        id: usize,
        connect: &Connect,
        glued: &[&Frame],
    ) -> Result<(), Difference> {
        let renewed = |state: &Conn| connect.renew.is_some() && state.live && state.session == connect.renew;
        let holder = (0..self.conns.len()).find(|&n| renewed(&self.conns[n]));
        if let Some(holder) = holder {
            self.ping(id, holder)?;
        }
        // The old connection of the session stays open until it is kicked.
        let stays = holder == Some(connect.conn);
        if stays {
            self.a.rename(connect.conn, ASIDE);
            self.b.rename(connect.conn, ASIDE);
        }
        self.connect(id, connect, glued)?;
        match holder {
            Some(_) if stays => {
                self.ping(id, ASIDE)?;
                self.a.hang_up(ASIDE);
                self.b.hang_up(ASIDE);
                Ok(())
            }
            Some(holder) => self.ping(id, holder),
            None => Ok(()),
        }
    }

    /// Shakes hands, with frames right behind.
    pub(super) fn connect(
        &mut self,
        id: usize,
        connect: &Connect,
        glued: &[&Frame],
    ) -> Result<(), Difference> {
        let conn = connect.conn;
        self.operations += 1 + glued.len() as u64;
        let before = *self.conn(conn);
        *self.conn(conn) =
            Conn { live: true, session: connect.renew.or(Some(id)), xid: 0, last_zxid: before.last_zxid };
        self.open(id, conn)?;
        let newest = self.own[0].last_zxid.max(before.last_zxid);
        let request = |side: &Side| {
            let (session_id, password) = side.credentials(connect.renew, &connect.password);
            let request = ConnectRequest {
                protocol_version: connect.protocol_version,
                last_zxid_seen: connect.last_seen.map_or(0, |back| newest.saturating_add(back)),
                timeout_ms: connect.timeout_ms,
                session_id,
                password: password.map(Into::into),
                read_only: connect.read_only,
            };
            framed(&request.to_bytes())
        };
        let (mut to_a, mut to_b) = (request(&self.a), request(&self.b));
        let (behind, awaited) = self.encode(conn, glued);
        to_a.extend(&behind);
        to_b.extend(&behind);
        self.send(conn, (&to_a, &to_b), split(id, to_a.len().min(to_b.len())));
        let outcome = (self.a.collect(conn, &awaited, Some(id)), self.b.collect(conn, &awaited, Some(id)));
        self.judge(id, conn, outcome, &awaited)?;
        self.barrier_unless_control(id, conn)
    }

    fn barrier_unless_control(&mut self, id: usize, conn: usize) -> Result<(), Difference> {
        if conn == CONTROL { Ok(()) } else { self.barrier(id) }
    }

    /// Closes every session of the sequence and forgets it.
    ///
    /// # Errors
    /// When that differs.
    pub fn close_sessions(&mut self) -> Result<(), Difference> {
        for session in self.a.sessions() {
            if session == CONTROL_PLACE {
                continue;
            }
            let connect = Connect {
                conn: 0,
                renew: Some(session),
                password: Password::Right,
                timeout_ms: 3_600_000,
                last_seen: None,
                read_only: Some(false),
                protocol_version: 0,
            };
            let close = Frame::of(&Request::CloseSession);
            self.connect(usize::MAX, &connect, &[])?;
            if self.conns[0].live {
                self.batch(usize::MAX, 0, &[&close])?;
            }
        }
        self.conns.fill(Conn::default());
        self.a.forget_sessions(CONTROL_PLACE);
        self.b.forget_sessions(CONTROL_PLACE);
        Ok(())
    }
}
