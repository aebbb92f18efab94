//! One server as a pure machine: sessions, watches, client connections, request order.
